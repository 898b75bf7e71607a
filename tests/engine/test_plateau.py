import json
import shutil

import pytest

from lumde.config import parse
from lumde.engine.optimize import OptimizerConfig, rate_factor
from lumde.engine.plateau import NEVER, Plateau, PlateauConfig
from lumde.engine.run import train
from lumde.engine.run_config import TrainConfig
from lumde.errors import ConfigError

CONFIG = PlateauConfig(every_steps=10, gain=0.01, patience=3, decay_steps=20)
WORLDS = {"name": "synthetic", "families": ["shapes"], "worlds": 2, "frames": 3, "height": 32, "width": 64}


def noted(errors, most=1000) -> Plateau:
    plateau = Plateau(CONFIG, most)
    for i, error in enumerate(errors):
        plateau.note(error, 10 * (i + 1))
    return plateau


def test_three_looks_in_a_row_without_gain_begin_the_decay():
    assert noted([1.0, 0.9, 0.899, 0.898]).decay_from is None
    assert noted([1.0, 0.9, 0.899, 0.898, 0.897]).decay_from == 50
    assert noted([1.0, 0.9, 0.899, 0.898, 0.85, 0.849]).decay_from is None  # a gain in between starts anew
    assert noted([1.0, 0.9, 0.899, 0.898, 0.897]).end == 70


def test_gains_too_small_one_by_one_do_not_add_up():
    """Each look wins half a percent: measured against the least so far, none of them counts."""
    plateau = noted([1.0, 0.995, 0.990025, 0.98507])
    assert plateau.decay_from == 40


def test_the_decay_still_fits_into_the_most():
    plateau = Plateau(CONFIG, 100)
    plateau.watch_time(79)
    assert plateau.end == NEVER
    plateau.watch_time(80)
    assert plateau.end == 100 and not plateau.due(90)
    with pytest.raises(ConfigError, match="allows 20 in all"):
        parse(values(steps=20, plateau={"every_steps": 10, "decay_steps": 20}), TrainConfig)


def test_the_rate_stays_until_the_decay_and_then_follows_the_schedule():
    config = OptimizerConfig(warmup_steps=5, final_factor=0.0)
    assert rate_factor(config, 700, NEVER) == pytest.approx(1.0)
    assert rate_factor(config, 50, 70, begin=50) == 1.0
    assert rate_factor(config, 60, 70, begin=50) == pytest.approx(0.5)


def test_state_comes_back():
    plateau, other = noted([1.0, 0.999, 0.998, 0.997]), Plateau(CONFIG, 1000)
    other.restore(json.loads(json.dumps(plateau.state())))
    assert (other.decay_from, other.least, other.misses) == (40, 0.997, 3)


def values(**loop):
    return {
        "method": {"name": "supervised"},
        "student": {"name": "depth_small", "size": "tiny", "scales": 1},
        "data": WORLDS,
        "snippets": {"height": 32, "width": 64},
        "loader": {"batch": 2},
        "optimizer": {"rate": 1e-9, "warmup_steps": 1},
        "loop": {"steps": 60, "checkpoint_every_steps": 4, "freeze_norm": True, **loop},
        "validation": {"data": {**WORLDS, "worlds": 1, "frames": 1, "seed": 5}},
    }


def test_a_training_that_gains_nothing_ends_early_and_the_same_after_a_stop(tmp_path):
    """At a rate of nearly 0 nothing is gained: looks at 2, 4, 6, 8, decay of 3 steps, end at 11."""
    plateau = {"every_steps": 2, "patience": 3, "decay_steps": 3}
    config = parse(values(plateau=plateau, keep_checkpoints=3), TrainConfig)
    result = train(config, tmp_path / "run", quiet=True)
    assert result["steps"] == 11
    for name in ("step-8", "step-11"):  # as if cut before them
        shutil.rmtree(tmp_path / "run" / "checkpoints" / name)
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["step-4"]
    assert train(config, tmp_path / "run", resume=True, quiet=True)["steps"] == 11


def test_a_plateau_needs_something_to_look_at(tmp_path):
    plain = values(plateau={"every_steps": 2, "decay_steps": 3})
    del plain["validation"]
    with pytest.raises(ConfigError, match=r"loop\.plateau"):
        train(parse(plain, TrainConfig), tmp_path / "run", quiet=True)
