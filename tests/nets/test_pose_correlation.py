import pytest
import torch

from lumde.nets.pose_correlation import PoseCorrelation, correlation


@pytest.mark.parametrize(("size", "radius"), [((4, 5), 1), ((3, 3), 2)])
def test_correlation_equals_loops(size: tuple[int, int], radius: int) -> None:
    h, w = size
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(2, 3, h, w, generator=generator) for _ in range(2))
    side = 2 * radius + 1
    expected = torch.zeros(2, side * side, h, w)
    for y in range(h):
        for x in range(w):
            for i in range(side):
                for j in range(side):
                    row, column = y + i - radius, x + j - radius
                    if 0 <= row < h and 0 <= column < w:
                        expected[:, i * side + j, y, x] = (a[:, :, y, x] * b[:, :, row, column]).sum(1)
    torch.testing.assert_close(correlation(a, b, radius), expected)


def test_a_shift_is_the_strongest_match() -> None:
    """Two pixels to the right are found at displacement (0, +2)."""
    a = torch.nn.functional.normalize(torch.randn(1, 16, 8, 20), dim=1)
    b = torch.roll(a, 2, dims=-1)
    best = correlation(a, b, 3)[..., 2:-4].mean((0, 2, 3)).argmax()
    assert divmod(int(best), 7) == (3, 3 + 2)


def test_radius_is_bounded() -> None:
    with pytest.raises(ValueError, match="1 to 8"):
        PoseCorrelation.Config(radius=0)
