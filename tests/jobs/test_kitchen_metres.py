"""A real room with a recorded motion: depth in metres, held against the depth camera's."""

import pytest

from lumde.data.prepare import PrepareOptions
from lumde.engine.loop_config import LoopConfig
from lumde.jobs.adapt import adapt
from lumde.jobs.evaluate import evaluate_model, open_dataset
from lumde.models import load


@pytest.mark.slow
def test_the_kitchen_in_metres_needs_no_scaling_by_the_truth(recordings, tmp_path):
    """Unscaled abs_rel is at most 1.1 times what it is with each frame's median set right."""
    run, kitchen = tmp_path / "run", recordings / "indoor"
    verdict = adapt(kitchen, run, LoopConfig(minutes=1.0), None, PrepareOptions(), lambda _: None)
    assert verdict.adapted and load(run).config.unit == "metres"
    dataset = open_dataset("frames", str(kitchen))
    dataset.targets = dataset.targets[::5]
    unscaled, scaled = (
        evaluate_model(run, dataset, align=align).summary["metrics"]["abs_rel"]
        for align in ("none", "median")
    )
    assert scaled < 0.227, "a constant's"
    assert unscaled <= 1.1 * scaled
