import pytest
import torch

from lumde.geometry.depth import depth_to_disp, disp_to_depth


def test_ends_of_the_range_and_a_hand_computed_middle():
    disp = torch.tensor([[0.0, 1.0, 0.5]], dtype=torch.float64)
    depth = disp_to_depth(disp, 0.1, 100.0)
    expected = torch.tensor([[100.0, 0.1, 1 / (0.01 + 9.99 * 0.5)]], dtype=torch.float64)
    torch.testing.assert_close(depth, expected)


@pytest.mark.parametrize("limits", [(0.1, 100.0), (0.5, 10.0)])
def test_round_trip(limits):
    disp = torch.rand(2, 1, 5, 7, dtype=torch.float64)
    torch.testing.assert_close(depth_to_disp(disp_to_depth(disp, *limits), *limits), disp)


def test_depth_outside_the_range_is_clamped():
    depth = torch.tensor([[0.01, 1e6]])
    torch.testing.assert_close(depth_to_disp(depth, 0.1, 100.0), torch.tensor([[1.0, 0.0]]))


@pytest.mark.parametrize("limits", [(0.0, 1.0), (-1.0, 1.0), (2.0, 1.0), (1.0, 1.0)])
def test_impossible_ranges_are_refused(limits):
    for function in (disp_to_depth, depth_to_disp):
        with pytest.raises(ValueError, match="0 < min_depth < max_depth"):
            function(torch.ones(1, 1), *limits)


def test_gradient():
    disp = torch.rand(1, 1, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: disp_to_depth(x, 0.1, 10.0), disp)
