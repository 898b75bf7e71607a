"""Runs that are cut, resumed, poisoned and damaged."""

import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from lumde.config import dump, parse, parse_part, to_dict
from lumde.data import DATASETS
from lumde.data.base import FrameDataset
from lumde.engine import checkpoint
from lumde.engine.log import _keep_before
from lumde.engine.loop import Loop, _step_seed
from lumde.engine.run import train
from lumde.engine.run_config import TrainConfig
from lumde.engine.same import require_same
from lumde.engine.validate import ValidationConfig
from lumde.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    Interrupted,
    NumericsError,
    ResourceError,
    UsageError,
)
from lumde.methods.supervised import Supervised
from lumde.methods.video import VideoTerms
from lumde.models import DepthModel, load
from lumde.structures import Frame, FrameKey
from lumde.worlds import VERSION

STEPS = 8


class Wall(FrameDataset):
    """A textured wall that the camera slides past: exact depth, no renderer."""

    provides = ("sources", "depth", "pose")

    def __init__(self, bad: range = range(0)) -> None:
        self.targets = [FrameKey("wall", i, f"{i:03d}") for i in range(12)]
        self.texture = np.random.default_rng(0).integers(0, 255, (32, 200, 3), dtype=np.uint8)
        self.bad = bad

    def neighbour(self, key: FrameKey, offset: int) -> FrameKey | None:
        i = key.position + offset
        return self.targets[i] if 0 <= i < len(self.targets) else None

    def read(self, key: FrameKey) -> Frame:
        start = 4 * key.position
        pose = np.eye(4)
        pose[0, 3] = 0.4 * key.position
        depth = np.full((32, 64), 4.0, dtype=np.float32)
        if key.position in self.bad:
            depth[0, 0] = np.nan
        return Frame(
            image=self.texture[:, start : start + 64].copy(),
            intrinsics=np.array([[40.0, 0, 31.5], [0, 40.0, 15.5], [0, 0, 1]]),
            depth=depth,
            world_from_camera=pose,
        )


def config(method: str = "photometric", **loop: object) -> TrainConfig:
    methods = {
        "photometric": {"name": "photometric", "pose": {"name": "pose_small"}},
        "supervised": {"name": "supervised"},
    }
    return parse(
        {
            "method": methods[method],
            "student": {"name": "depth_small", "size": "tiny", "scales": 1, "start_depth": 8.0},
            "data": {"name": "synthetic"},
            "snippets": {"height": 32, "width": 64},
            "loader": {"batch": 2},
            "optimizer": {"rate": 0.001, "warmup_steps": 2},
            "loop": {"steps": STEPS, "checkpoint_every_steps": 3, "ema": 0.9, "precision": "fp32", **loop},
        },
        TrainConfig,
    )


def final_state(out: Path) -> dict[str, torch.Tensor]:
    found = checkpoint.newest(out / "checkpoints")
    assert found is not None
    assert found[0].step == STEPS
    return found[0].tensors


def run(out: Path, *, resume: bool = False, dataset: FrameDataset | None = None, **loop: object) -> dict:
    return train(config(**loop), out, resume, quiet=True, opened={"main": dataset or Wall()})


@pytest.fixture
def interrupt_at(monkeypatch: pytest.MonkeyPatch):
    """Send a signal to this process in the middle of a given step."""

    def arm(step: int, number: signal.Signals) -> None:
        forward = VideoTerms.forward
        calls = {"n": 0}

        def disturbed(self, *args):
            calls["n"] += 1
            if calls["n"] == step:
                os.kill(os.getpid(), number)
            return forward(self, *args)

        monkeypatch.setattr(VideoTerms, "forward", disturbed)

    return arm


@pytest.mark.parametrize(
    ("step", "number", "code"),
    [(1, signal.SIGTERM, 143), (3, signal.SIGTERM, 143), (5, signal.SIGINT, 130), (7, signal.SIGTERM, 143)],
)
def test_stopped_and_resumed_run_ends_in_the_same_bits(tmp_path, interrupt_at, step, number, code) -> None:
    run(tmp_path / "straight")
    interrupt_at(step, number)
    with pytest.raises(Interrupted) as stopped:
        run(tmp_path / "cut")
    assert stopped.value.exit_code == code
    run(tmp_path / "cut", resume=True)
    straight, resumed = final_state(tmp_path / "straight"), final_state(tmp_path / "cut")
    assert straight.keys() == resumed.keys()
    assert all(torch.equal(straight[k], resumed[k]) for k in straight)
    steps = [json.loads(line)["step"] for line in (tmp_path / "cut/metrics.jsonl").read_text().splitlines()]
    assert steps == sorted(set(steps))


def test_a_run_with_a_critic_goes_on_in_the_same_bits(tmp_path) -> None:
    """Both phases' optimisers, the critic, and the random places of its penalty."""
    run(tmp_path / "teacher", method="supervised")
    values = {**to_dict(config()), "teacher": {"name": "run", "path": str(tmp_path / "teacher")}}
    critic = {"name": "critic_transformer", "dim": 16, "depth": 1}
    values["method"] = {"name": "adversarial", "video_weight": 0, "warmup_steps": 2, "critic": critic}

    def trained(out: Path, resume: bool = False) -> dict:
        return train(parse(values, TrainConfig), out, resume, quiet=True, opened={"main": Wall()})

    result = trained(tmp_path / "straight")
    assert result["extra_params"] > 0 and result["extra_gmacs"] > 0
    trained(tmp_path / "cut")
    for path in (tmp_path / "cut" / "checkpoints").iterdir():
        if path.name != "step-6":
            shutil.rmtree(path)
    trained(tmp_path / "cut", resume=True)
    straight, cut = final_state(tmp_path / "straight"), final_state(tmp_path / "cut")
    assert straight.keys() == cut.keys() and any("critic" in name for name in straight)
    assert all(torch.equal(straight[name], cut[name]) for name in straight)


def test_every_step_of_every_seed_has_random_numbers_of_its_own() -> None:
    assert len({_step_seed(seed, step) for seed in range(3) for step in range(50)}) == 150


class GoesBad(Wall):
    """From some read on every frame holds a number that is none."""

    decodes = False
    reads, limit = 0, 60

    def read(self, key: FrameKey) -> Frame:
        self.reads += 1
        self.bad = range(12) if self.reads > self.limit else range(0)
        return super().read(key)


def test_too_many_bad_steps_put_the_last_weights_back(tmp_path, monkeypatch) -> None:
    """Then later batches are tried; when those are bad too, the run gives up."""
    loops, good = [], {}
    before = Loop._rewind

    def rewind(loop, checkpoints, log):
        loops.append(loop)
        if len(loops) == 1:
            good.update(checkpoint.newest(checkpoints)[0].tensors)
            with torch.no_grad():
                for p in loop.method.student.parameters():
                    p.add_(1.0)
        before(loop, checkpoints, log)

    monkeypatch.setattr(Loop, "_rewind", rewind)
    with pytest.raises(NumericsError):
        run(tmp_path / "run", method="supervised", dataset=GoesBad(), steps=400)
    assert len(loops) == 2  # once back, once too often
    state = loops[0].method.state_dict()
    names = [name for name in good if name.startswith("method.student.")]
    assert names and all(torch.equal(state[name.removeprefix("method.")], good[name]) for name in names)


FORGOTTEN = {
    "moments": lambda loop: [optimizer.state.clear() for optimizer in loop.optimizers.values()],
    "average": lambda loop: loop.averaged.module.load_state_dict(loop.method.student.state_dict()),
    "position": lambda loop: setattr(loop, "step", loop.step - 1),
}


@pytest.mark.parametrize("what", FORGOTTEN)
def test_a_resume_that_forgets_would_be_noticed(tmp_path, interrupt_at, monkeypatch, what) -> None:
    """Must-fail controls of the test above: each kind of state matters to the final bits."""
    run(tmp_path / "straight")
    interrupt_at(5, signal.SIGTERM)
    with pytest.raises(Interrupted):
        run(tmp_path / "cut")
    restore = Loop.restore

    def forgetful(loop, state) -> None:
        restore(loop, state)
        FORGOTTEN[what](loop)

    monkeypatch.setattr(Loop, "restore", forgetful)
    run(tmp_path / "cut", resume=True)
    straight, resumed = final_state(tmp_path / "straight"), final_state(tmp_path / "cut")
    assert not all(torch.equal(straight[k], resumed[k]) for k in straight)


def test_another_seed_ends_elsewhere(tmp_path) -> None:
    """The control of the test above: equality there is not trivial."""
    run(tmp_path / "a")
    run(tmp_path / "b", seed=1)
    a, b = final_state(tmp_path / "a"), final_state(tmp_path / "b")
    assert not all(torch.equal(a[k], b[k]) for k in a)


def test_bad_pixels_are_counted_and_leave_no_trace(tmp_path) -> None:
    out = tmp_path / "run"
    result = run(out, method="supervised", dataset=Wall(bad=range(2, 5)))
    assert 0 < result["skipped"]["bad_batches"] < STEPS
    assert all(torch.isfinite(t).all() for t in final_state(out).values() if t.is_floating_point())


def test_nothing_but_bad_batches_gives_up_with_exit_code_5(tmp_path) -> None:
    with pytest.raises(NumericsError, match="25 in a row.*non-finite main.depth") as error:
        run(tmp_path / "run", method="supervised", dataset=Wall(bad=range(12)), steps=60)
    assert error.value.exit_code == 5


def test_damaged_checkpoints_fall_back_then_stop(tmp_path) -> None:
    out = tmp_path / "run"
    run(out)
    newest, older = (out / f"checkpoints/step-{n}" for n in (8, 6))
    flip_bit(newest / "state.safetensors")
    found = checkpoint.newest(out / "checkpoints")
    assert found is not None
    assert found[0].step == 6
    assert "state.safetensors" in found[1][0]
    flip_bit(older / "model.safetensors")
    with pytest.raises(CheckpointError, match="no checkpoint can be used") as error:
        run(out, resume=True)
    assert error.value.exit_code == 4


def flip_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(bytes(data))


def test_non_finite_weights_are_not_saved(tmp_path, tiny_model: DepthModel) -> None:
    state = checkpoint.TrainState(3, {"method.w": torch.tensor([1.0, torch.inf])}, {})
    with pytest.raises(CheckpointError, match=r"method\.w"):
        checkpoint.save(tmp_path, tiny_model, state)
    assert not any(tmp_path.iterdir())


def test_resume_under_another_config_names_the_key(tmp_path) -> None:
    out = tmp_path / "run"
    run(out)
    with pytest.raises(ConfigError, match=r"loop\.steps: was 8, is 9"):
        run(out, resume=True, steps=9)
    run(out, resume=True, log_every_steps=7)  # a cadence changes no result


def test_a_finished_run_without_checkpoints_is_not_begun_anew(tmp_path) -> None:
    out = tmp_path / "run"
    run(out)
    shutil.rmtree(out / "checkpoints")
    files = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with pytest.raises(CheckpointError, match="no checkpoint to go on from"):
        run(out, resume=True)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == files


def test_a_place_may_be_spelled_otherwise(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rec").mkdir()
    first = config()
    first.data = parse_part({"name": "frames", "root": "rec"}, DATASETS, "data")
    (tmp_path / "config.yaml").write_text(dump(first))
    first.data.root = str(tmp_path / "rec")
    require_same(first, tmp_path / "config.yaml")
    first.data.root = str(tmp_path / "other")
    with pytest.raises(ConfigError, match=r"data\.root: was 'rec'"):
        require_same(first, tmp_path / "config.yaml")


@pytest.mark.parametrize("seed", [-1, 1 << 63])
def test_a_seed_that_no_generator_takes_is_refused(seed) -> None:
    with pytest.raises(ConfigError, match="seed must be"):
        config(seed=seed)


def test_resume_on_other_frames_is_refused(tmp_path) -> None:
    """Which frame comes when is drawn by its number: one more would shuffle all that is left."""
    run(tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "checkpoints" / f"step-{STEPS}")
    fewer = Wall()
    fewer.targets = fewer.targets[:-1]
    with pytest.raises(ConfigError, match=r"'main' are not .*was 10 frames.*is 9 frames"):
        run(tmp_path / "run", resume=True, dataset=fewer)
    assert run(tmp_path / "run", resume=True)["steps"] == STEPS


def test_what_a_teacher_found_goes_with_an_attempt_that_left_nothing(tmp_path) -> None:
    """Before the first checkpoint anything may change, the teacher too."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "teacher.json").write_text('{"answers": "depth"}')
    run(tmp_path / "run", resume=True)
    assert not (tmp_path / "run" / "teacher.json").exists()


def test_a_teacher_that_is_refused_leaves_the_folder_free(tmp_path, monkeypatch) -> None:
    def refuse(*_):
        raise ConfigError("teacher: its maps are upside down")

    with monkeypatch.context() as patch, pytest.raises(ConfigError, match="upside down"):
        patch.setattr("lumde.engine.run._notes", refuse)
        run(tmp_path / "run")
    assert run(tmp_path / "run")["steps"] == STEPS


def test_run_folder_is_not_reused_without_resume(tmp_path) -> None:
    run(tmp_path / "run")
    with pytest.raises(UsageError, match="--resume"):
        run(tmp_path / "run")


def test_minutes_become_steps_that_are_recorded(tmp_path) -> None:
    result = run(tmp_path / "run", method="supervised", steps=0, minutes=0.03)
    assert result["budget"] == {"minutes": 0.03}
    assert result["steps"] > 20


def test_a_term_that_the_minutes_never_reach_is_told(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(Supervised, "begins", property(lambda self: {"late": 10**6, "soon": 3}))
    train(config("supervised", steps=0, minutes=0.03), tmp_path / "run", quiet=False, opened={"main": Wall()})
    said = capsys.readouterr().err
    assert "late: begins at step 1,000,000, which this run of" in said and "soon" not in said


def test_supervised_loss_falls(tmp_path) -> None:
    out = tmp_path / "run"
    run(out, method="supervised", steps=40, log_every_steps=1)
    losses = [
        json.loads(line)["loss"]
        for line in (out / "metrics.jsonl").read_text().splitlines()
        if "loss" in line
    ]
    losses = [x for x in losses if x is not None]
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])


def test_run_folder_holds_what_the_contract_says(tmp_path) -> None:
    out = tmp_path / "run"
    run(out)
    names = {p.name for p in out.iterdir()}
    assert {
        "config.yaml",
        "environment.json",
        "metrics.jsonl",
        "checkpoints",
        "model",
        "result.json",
    } <= names
    assert any(name.startswith("events.") for name in names)
    assert {"config.json", "model.safetensors", "README.md", "pose.safetensors"} <= {
        p.name for p in (out / "model").iterdir()
    }
    assert "TOKEN" not in (out / "environment.json").read_text()


def test_shipped_weights_are_the_averaged_ones_even_with_validation(tmp_path) -> None:
    """Validation looks at the model that is shipped, and must not replace its weights by the raw ones."""
    out = tmp_path / "run"
    values = config("supervised", validate_every_steps=4)
    values.validation = parse(
        {"data": {"name": "synthetic", "worlds": 1, "frames": 3, "height": 32, "width": 64}}, ValidationConfig
    )
    result = train(values, out, quiet=True, opened={"main": Wall()})
    assert {"val_loss", "val_abs_rel"} <= result["validation"].keys()
    tensors = final_state(out)
    averaged = {k.removeprefix("ema.module."): v for k, v in tensors.items() if k.startswith("ema.module.")}
    shipped = load(out / "model").net.state_dict()
    assert all(torch.equal(shipped[k], v) for k, v in averaged.items())
    raw = tensors["method.student.heads.0.0.weight"]
    assert not torch.equal(raw, averaged["heads.0.0.weight"])  # the control: they do differ


def test_minutes_survive_a_stop_during_calibration(tmp_path, interrupt_at) -> None:
    interrupt_at(8, signal.SIGTERM)
    with pytest.raises(Interrupted):
        run(tmp_path / "run", steps=0, minutes=0.03)
    assert run(tmp_path / "run", resume=True, steps=0, minutes=0.03)["steps"] > 20


def test_a_step_without_a_term_of_the_students_moves_nothing(tmp_path) -> None:
    """The critic's term alone, before the critic begins."""
    torch.manual_seed(0)
    method = {
        "name": "adversarial",
        "pixel_weight": 0,
        "pair_weight": 0,
        "video_weight": 0,
        "warmup_steps": 2,
    }
    values = {**to_dict(config()), "teacher": {"name": "run", "path": str(tmp_path / "teacher")}}
    values["method"] = {**method, "critic": {"name": "critic_transformer", "dim": 16, "depth": 1}}
    run(tmp_path / "teacher", method="supervised")
    result = train(parse(values, TrainConfig), tmp_path / "run", quiet=True, opened={"main": Wall()})
    assert result["steps"] == STEPS


def test_going_on_keeps_the_numbers_so_far_whatever_the_disk_does(tmp_path, monkeypatch) -> None:
    lines = "".join(json.dumps({"step": step, "loss": 1.0}) + "\n" for step in range(6))
    (tmp_path / "metrics.jsonl").write_text(lines + '{"step": 6, "lo')
    _keep_before(tmp_path / "metrics.jsonl", 4)
    assert [json.loads(line)["step"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()] == [
        0,
        1,
        2,
        3,
    ]
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(ResourceError):
        _keep_before(tmp_path / "metrics.jsonl", 2)
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 4


def full_disk(_: int) -> None:
    raise OSError(28, "No space left on device")


class Spoiled(Wall):
    """Frames beyond the first few cannot be read."""

    decodes = False  # nothing is kept: all are read again and again

    def read(self, key: FrameKey) -> Frame:
        self.asked = getattr(self, "asked", 0) + 1
        if self.asked > 30:
            raise DataError(f"{key.name}: cut short")
        return super().read(key)


def test_what_ends_the_data_ends_the_run_which_is_saved_first(tmp_path) -> None:
    with pytest.raises(DataError):
        run(tmp_path / "run", dataset=Spoiled(), steps=500, checkpoint_every_steps=400)
    found = checkpoint.newest(tmp_path / "run" / "checkpoints")
    assert found is not None and found[0].step > 1


@pytest.mark.parametrize("fresh", [0, 1])
def test_a_run_does_not_go_on_in_the_worlds_of_another_generator(tmp_path, monkeypatch, fresh) -> None:
    data = {"name": "synthetic", "families": ["shapes"], "worlds": 2, "frames": 3, "height": 32, "width": 64}
    values = {
        "method": {"name": "supervised"},
        "student": {"name": "depth_small", "size": "tiny", "scales": 1},
        "data": {**data, "fresh": fresh},
        "snippets": {"height": 32, "width": 64},
        "loader": {"batch": 2},
        "loop": {"steps": 2},
    }
    train(parse(values, TrainConfig), tmp_path / "run", quiet=True)
    train(parse(values, TrainConfig), tmp_path / "run", True, quiet=True)
    monkeypatch.setattr("lumde.data.synthetic.VERSION", "worlds-0")
    with pytest.raises(ConfigError, match=f"was .*{VERSION}.*is .*worlds-0"):
        train(parse(values, TrainConfig), tmp_path / "run", True, quiet=True)
