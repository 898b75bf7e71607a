"""The whole main job on procedural drives: render, train the teacher from raw frames, distil the student,
train the same student without distillation, evaluate all on unseen worlds, export depth of an unseen drive,
write the report.

Fairness: nothing rendered or trained beforehand is read; both students share start, data order, steps and
every setting but the teacher's terms.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from lumde.data.synthetic import Synthetic
from lumde.engine.run import train
from lumde.engine.run_config import TrainConfig, load_config
from lumde.errors import Interrupted
from lumde.evaluators.accuracy import evaluate_frames, evaluate_trivial, image_predictor
from lumde.files import claim_output, read_json, write_json
from lumde.jobs.predict import CameraChoice, predict_source
from lumde.media.images import write_png
from lumde.metrics.cost import network_cost
from lumde.models import DepthModel, DepthResult, load
from lumde.packaged import package_file
from lumde.report import Panel, depth_panel, write_report
from lumde.worlds import VERSION

TEST_SET, TEST_WORLDS = "streets-v1", 12
NETWORKS = ("teacher", "student", "student_without_distillation")
TRIVIAL = ("constant_depth", "mean_depth", "median_depth")
SHOWN_FRAMES = 6
UNSEEN_SEED = 10**6  # the drive whose depth is exported: outside training and test seeds


@dataclass(frozen=True)
class Budget:
    """How much of everything; minutes become steps from the first timed steps."""

    teacher_minutes: float
    student_minutes: float
    worlds: int
    frames: int
    test_worlds: int
    drive_frames: int


FULL = Budget(4.85, 1.9, 160, 8, TEST_WORLDS, 40)
QUICK = Budget(0.1, 0.05, 8, 6, 2, 8)


@dataclass
class Demo:
    """State of one demo: where it writes, what it measured."""

    out: Path
    budget: Budget
    seed: int
    say: Callable[[str], None]
    seconds: dict[str, float] = field(default_factory=dict)

    def stage(self, name: str, work: Callable[[], Any]) -> Any:
        """Do a part of the job under its name and time it."""
        self.say(f"{name} ...")
        started = time.monotonic()
        result = work()
        self.seconds[name] = round(time.monotonic() - started, 2)
        self.say(f"{name}: {self.seconds[name]:.0f} s")
        return result


def run_demo(out: Path, quick: bool, seed: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Run every stage and answer the summary, which also lies in `out`/summary.json."""
    claim_output(out)
    demo = Demo(out, QUICK if quick else FULL, seed, say)
    configs = demo_configs(demo)
    streets = configs["teacher"].data
    assert isinstance(streets, Synthetic.Config)
    worlds = demo.stage("render training worlds", lambda: Synthetic(streets))
    try:
        steps = train_networks(demo, configs, worlds)
    except Interrupted as error:  # what its trainings have saved is of no use to the next demo
        raise Interrupted(f"stopped; remove {out} to begin anew", error.exit_code) from error
    rows, panels = demo.stage("evaluate on unseen worlds", lambda: evaluate_networks(demo, worlds))
    demo.stage("depth of an unseen drive", lambda: export_drive(demo))
    summary = summarise(demo, quick, steps, rows, panels)
    write_json(out / "summary.json", summary)
    write_report(out / "report.html", summary, panels, {name: read_metrics(out / name) for name in NETWORKS})
    return summary


def demo_configs(demo: Demo) -> dict[str, TrainConfig]:
    """Resolved training configs of the three networks; students differ in the teacher's terms only."""
    data = [
        f"data.worlds={demo.budget.worlds}",
        f"data.frames={demo.budget.frames}",
        f"data.seed={demo.seed + 1}",
    ]
    common = [*data, f"loop.seed={demo.seed}"]
    teacher_run = demo.out / "teacher"
    student_keys = [
        *common,
        f"teacher.path={json.dumps(str(teacher_run))}",
        f"loop.minutes={demo.budget.student_minutes}",
    ]
    undistilled = [
        "teacher=null",
        "method.pixel_weight=0",
        "method.pair_weight=0",
        "method.holistic_weight=0",
    ]
    path = package_file("configs", "demo_student", ".yaml")
    return {
        "teacher": load_config(
            package_file("configs", "demo_teacher", ".yaml"),
            [*common, f"loop.minutes={demo.budget.teacher_minutes}"],
        ),
        "student": load_config(path, student_keys),
        "student_without_distillation": load_config(
            path, [*common, *undistilled, "method.critic=null", f"loop.minutes={demo.budget.student_minutes}"]
        ),
    }


def train_networks(demo: Demo, configs: dict[str, TrainConfig], worlds: Synthetic) -> dict[str, int]:
    """Train teacher, student, undistilled student; the last takes exactly the student's number of steps."""
    steps: dict[str, int] = {}
    for name in NETWORKS:
        config = configs[name]
        if name == "student_without_distillation":
            config = replace(config, loop=replace(config.loop, minutes=0.0, steps=steps["student"]))

        def work(config: TrainConfig = config, name: str = name) -> dict[str, Any]:
            return train(config, demo.out / name, opened={"main": worlds})

        steps[name] = demo.stage(f"train {name.replace('_', ' ')}", work)["steps"]
    return steps


def evaluate_networks(demo: Demo, worlds: Synthetic) -> tuple[dict[str, dict[str, Any]], list[Any]]:
    """Metrics, size and speed of every row on unseen worlds, and the pictures of the report."""
    test = Synthetic(Synthetic.Config(test_set=TEST_SET, worlds=demo.budget.test_worlds))
    models = {name: load(demo.out / name).eval() for name in NETWORKS}
    rows: dict[str, dict[str, Any]] = {}
    for name, model in models.items():
        result = evaluate_frames(image_predictor(model.disparity), test)
        cost = network_cost(model.net, model.config.height, model.config.width)
        rows[name] = {**result.summary["metrics"], "scale": result.summary["scale"], **cost}
    rows |= evaluate_trivial(test, training=worlds)
    return rows, demo_panels(test, models)


def demo_panels(test: Synthetic, models: dict[str, DepthModel]) -> list[Panel]:
    """A few unseen frames with every network's depth at the truth's size."""
    panels = []
    for key in test.targets[:: max(1, len(test.targets) // SHOWN_FRAMES)][:SHOWN_FRAMES]:
        frame = test.read(key)
        assert frame.depth is not None
        depths = {}
        for name, model in models.items():
            result = model.predict(frame.image)
            assert isinstance(result, DepthResult)  # one picture, one result
            depths[name] = result.depth
        panels.append(
            depth_panel(f"{key.sequence}, frame {key.name}", frame.image, frame.depth, depths, 80.0)
        )
    return panels


def export_drive(demo: Demo) -> None:
    """Render a drive nobody has seen as plain images and run `predict` on it with the student."""
    drive = Synthetic(
        Synthetic.Config(worlds=1, frames=demo.budget.drive_frames, seed=UNSEEN_SEED + demo.seed)
    )
    folder = demo.out / "drive"
    folder.mkdir()
    for key in drive.targets:
        write_png(folder / f"{key.name}.png", drive.read(key).image)
    focal_px = float(drive.read(drive.targets[0]).intrinsics[0, 0])
    student = load(demo.out / "student")
    predict_source(folder, student, demo.out / "depth", ("png16", "mp4"), CameraChoice(focal_px=focal_px))


def summarise(
    demo: Demo,
    quick: bool,
    steps: dict[str, int],
    rows: dict[str, dict[str, Any]],
    panels: list[Panel],
) -> dict[str, Any]:
    """Everything the report prints, and what it was aimed at."""
    return {
        "seed": demo.seed,
        "quick": quick,
        "test_set": TEST_SET,
        "worlds": demo.budget.test_worlds,
        "generator": VERSION,
        "budget": asdict(demo.budget),
        "environment": environment_facts(demo.out / "teacher"),
        "seconds": {**demo.seconds, "total": round(sum(demo.seconds.values()), 2)},
        "steps": steps,
        "pictures": {panel.title: panel.abs_rel for panel in panels},
        "aims": aims(rows),
        **rows,
    }


def aims(rows: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """What the demo promises and what it reached."""
    teacher, student = rows["teacher"]["abs_rel"], rows["student"]["abs_rel"]
    alone = rows["student_without_distillation"]["abs_rel"]
    trivial = min(rows[name]["abs_rel"] for name in TRIVIAL)
    macs = rows["student"]["gmacs"] / rows["teacher"]["gmacs"]
    limits = [
        ("teacher abs_rel on unseen worlds", teacher, 0.15),
        ("teacher abs_rel / best trivial baseline", teacher / trivial, 0.6),
        ("student abs_rel / teacher abs_rel", student / teacher, 1.05),
        ("student abs_rel / undistilled student abs_rel, equal steps", student / alone, 0.75),
        ("student MACs / teacher MACs", macs, 0.1),
        # A floor, hence the signs: the test worlds must be hard for a guess.
        ("constant depth abs_rel: the test is not trivial", -rows["constant_depth"]["abs_rel"], -0.3),
    ]
    return [
        {
            "name": name,
            "target": f"at most {limit:g}" if limit > 0 else f"at least {-limit:g}",
            "value": abs(value),
            "met": bool(value <= limit),
        }
        for name, value, limit in limits
    ]


def environment_facts(run: Path) -> dict[str, Any]:
    """Hardware and versions the numbers depend on, as the first run recorded them."""
    facts = read_json(run / "environment.json")
    versions = {name: facts["packages"][name] for name in ("torch", "kornia", "embreex")}
    return {key: facts[key] for key in ("cpu", "cores", "threads", "python")} | versions


def read_metrics(run: Path) -> list[dict[str, Any]]:
    """Logged rows of a run, for its curves."""
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
