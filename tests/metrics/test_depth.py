import math

import numpy as np
import pytest
import torch

from lumde.metrics.depth import depth_metrics


def test_by_hand():
    figures = depth_metrics(np.array([1.0, 4.0]), np.array([2.0, 4.0]))
    assert figures == pytest.approx(
        {
            "abs_rel": 0.25,  # (1/2 + 0) / 2
            "sq_rel": 0.25,  # (1/2 + 0) / 2
            "rmse": math.sqrt(0.5),
            "rmse_log": math.log(2) / math.sqrt(2),
            "a1": 0.5,
            "a2": 0.5,
            "a3": 0.5,
            "log10": math.log10(2) / 2,
        }
    )


def test_thresholds_are_strict():
    """1.25 itself does not count for a1; nor do its powers, exact in binary, for a2 and a3."""
    target = np.ones(3)
    figures = depth_metrics(np.array([1.25, 1.25**2, 1.25**3]), target)
    assert [figures[name] for name in ("a1", "a2", "a3")] == pytest.approx([0, 1 / 3, 2 / 3])


@pytest.mark.parametrize("count", [1, 2, 7, 100])
def test_agrees_with_a_loop(count):
    rng = np.random.default_rng(count)
    pred, target = rng.uniform(1, 80, (2, count))
    rows = [(p, t, max(p / t, t / p)) for p, t in zip(pred.tolist(), target.tolist(), strict=True)]
    figures = depth_metrics(pred, target)
    expected = {
        "abs_rel": sum(abs(p - t) / t for p, t, _ in rows) / count,
        "sq_rel": sum((p - t) ** 2 / t for p, t, _ in rows) / count,
        "rmse": math.sqrt(sum((p - t) ** 2 for p, t, _ in rows) / count),
        "rmse_log": math.sqrt(sum(math.log(p / t) ** 2 for p, t, _ in rows) / count),
        "a1": sum(r < 1.25 for _, _, r in rows) / count,
        "a2": sum(r < 1.25**2 for _, _, r in rows) / count,
        "a3": sum(r < 1.25**3 for _, _, r in rows) / count,
        "log10": sum(abs(math.log10(p / t)) for p, t, _ in rows) / count,
    }
    assert figures == pytest.approx(expected)


def test_a_perfect_prediction_is_perfect():
    figures = depth_metrics(np.array([3.0, 7.0]), np.array([3.0, 7.0]))
    assert [figures.pop(name) for name in ("a1", "a2", "a3")] == [1, 1, 1]
    assert set(figures.values()) == {0}


def test_tensors_and_single_precision_give_the_same_figures():
    pred, target = np.random.default_rng(0).uniform(1, 80, (2, 50)).astype(np.float32)
    expected = depth_metrics(pred.astype(np.float64), target.astype(np.float64))
    assert depth_metrics(pred, target) == expected
    assert depth_metrics(torch.from_numpy(pred).requires_grad_(), torch.from_numpy(target)) == expected


def test_bad_values_are_refused_by_name():
    good = np.ones(2)
    for bad in (
        np.array([1.0, 0.0]),
        np.array([1.0, np.nan]),
        np.array([-1.0, 1.0]),
        np.array([1.0, np.inf]),
    ):
        with pytest.raises(ValueError, match="pred holds values"):
            depth_metrics(bad, good)
        with pytest.raises(ValueError, match="target holds values"):
            depth_metrics(good, bad)
    with pytest.raises(ValueError, match="no measured pixel"):
        depth_metrics(np.zeros(0), np.zeros(0))
