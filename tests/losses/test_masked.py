import torch

from lumde.losses.masked import masked_mean, smaller_end


def test_mean_over_valid_pixels():
    values = torch.tensor([[1.0, 2.0, float("nan")]])
    assert masked_mean(values, torch.tensor([[True, True, False]])) == 1.5
    assert masked_mean(values[:, :2]) == 1.5


def test_empty_mean_is_zero_with_a_zero_gradient():
    values = torch.tensor([[float("nan"), 3.0]], requires_grad=True)
    mean = masked_mean(values, torch.zeros(1, 2, dtype=torch.bool))
    mean.backward()
    assert mean == 0
    assert values.grad.tolist() == [[0.0, 0.0]]


def test_a_step_needs_both_of_its_pixels():
    valid = torch.tensor([[True, True, False, True]])
    assert smaller_end(valid, 1).tolist() == [[True, False, False]]
    assert smaller_end(valid.T, 0).tolist() == [[True], [False], [False]]
