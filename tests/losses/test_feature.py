import math

import pytest
import torch

from lumde.losses.feature import attention_map, attentive_distance, clear_places, plain_distance


def test_attention_by_hand_and_one_on_average():
    feature = torch.tensor([[[[1.0, -3.0]], [[0.0, 1.0]]]])  # mean |f|: 0.5 and 2
    weights = attention_map(feature).flatten().tolist()
    total = math.exp(0.5) + math.exp(2.0)
    assert weights == pytest.approx([2 * math.exp(0.5) / total, 2 * math.exp(2.0) / total])
    assert attention_map(torch.randn(3, 5, 4, 6)).mean((1, 2, 3)).tolist() == pytest.approx([1.0] * 3)


def test_distance_equals_its_loop():
    torch.manual_seed(0)
    student, teacher = torch.randn(2, 2, 3, 4, 5, dtype=torch.float64)
    total = 0.0
    for b in range(2):
        strength = [
            [sum(abs(float(teacher[b, c, y, x])) for c in range(3)) / 3 for x in range(5)] for y in range(4)
        ]
        whole = sum(math.exp(s) for row in strength for s in row)
        for y in range(4):
            for x in range(5):
                gap = sum(float(student[b, c, y, x] - teacher[b, c, y, x]) ** 2 for c in range(3)) / 3
                total += 20 * math.exp(strength[y][x]) / whole * gap / 40
    assert attentive_distance(student, teacher).item() == pytest.approx(total)
    assert plain_distance(student, teacher).item() == pytest.approx(
        float((student - teacher).pow(2).mean()), 1e-5
    )


def test_masked_places_count_nowhere():
    """A map with some of its places left out costs what those that are left cost."""
    torch.manual_seed(0)
    student, teacher = torch.randn(2, 2, 3, 4, 6)
    valid = torch.arange(6)[None, None, None].expand(2, 1, 4, 6) < 4
    spoiled = [torch.where(valid, values, 1e3) for values in (student, teacher)]
    kept = [values[..., :4].contiguous() for values in (student, teacher)]
    for distance in (attentive_distance, plain_distance):
        assert distance(*spoiled, valid).item() == pytest.approx(distance(*kept).item(), rel=1e-5)
        assert distance(student, teacher, torch.zeros_like(valid)).item() == 0


def test_a_place_is_clear_if_all_its_pixels_are():
    valid = torch.ones(1, 1, 4, 8, dtype=torch.bool)
    valid[..., 3, 5] = False
    assert clear_places(valid, (2, 4)).tolist() == [[[[True] * 4, [True, True, False, True]]]]
    assert clear_places(None, (2, 4)) is None


def test_gradient_reaches_the_student_alone():
    student = torch.randn(1, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    teacher = torch.randn(1, 2, 3, 3, dtype=torch.float64)
    torch.autograd.gradcheck(lambda x: attentive_distance(x, teacher), student)
