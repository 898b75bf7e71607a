"""The depth metrics equal those of the reference program, picture by picture."""

from pathlib import Path

import numpy as np
import pytest

from lumde.metrics.depth import depth_metrics

NAMES = "abs_rel_sq_rel_rmse_rmse_log_a1_a2_a3"
METRICS = ("abs_rel", "sq_rel", "rmse", "rmse_log", "a1", "a2", "a3")


@pytest.mark.parametrize("picture", range(6))
def test_seven_metrics(picture):
    with np.load(Path(__file__).with_name("metrics.npz")) as archive:
        pred, target = archive["prediction"][picture], archive["ground_truth"][picture]
        expected = dict(zip(METRICS, archive[NAMES][picture].tolist(), strict=True))
    figures = depth_metrics(pred, target)
    assert {name: figures[name] for name in METRICS} == pytest.approx(expected, abs=1e-6, rel=0)
