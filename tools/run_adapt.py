"""What adaptation changes, on recordings with truth: the rows of docs/results.md. Resumes.

usage: python tools/run_adapt.py RECORDINGS MODEL OUT [MINUTES [SEEDS]]      OUT/adapt_*.json: the results

Kitchen: five blocks of 50 frames; each is tested after adapting to all other frames but the 10 around it,
without poses, once per seed; block 0 also with them. Drive 0060: its first 41 frames. Odometry clips: tested
on their own frames by the points of OUT/points/CLIP (tools/triangulate_clip.py; left out without them). The
dash-cam videos, which have no truth. A turning camera, a standing one and a repeated frame.
"""

import json
import shutil
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

from lumde.data.base import FrameDataset
from lumde.data.prepare import PrepareOptions
from lumde.engine.loop_config import LoopConfig
from lumde.files import write_json
from lumde.jobs.adapt import Verdict, adapt
from lumde.jobs.evaluate import evaluate_model, open_dataset
from lumde.media.images import write_png
from lumde.media.poses import read_tum, write_tum
from lumde.models import load
from lumde.worlds.clips import FAMILIES
from lumde.worlds.motion import poses_from_angles
from lumde.worlds.render import render_clip

BLOCK, GAP = 50, 10  # frames
ODOMETRY = {"06": 707.1, "xx": 718.9}  # clips and their focal lengths, pixels
METRICS = ("abs_rel", "rmse", "a1")


def main(recordings: Path, model: Path, out: Path, minutes: float, seeds: int) -> None:
    """Run what has no result yet."""
    out.mkdir(parents=True, exist_ok=True)
    kitchen, drive = recordings / "indoor", recordings / "kitti_raw"

    def block(number: int, posed: bool = False, seed: int = 0) -> None:
        test = open_dataset("frames", str(kitchen), frames=f"{BLOCK * number}:{BLOCK * (number + 1)}")
        own = open_dataset("frames", str(kitchen))  # the frames that the clip shows
        own.targets = [key for key in own.targets if key.position in _kept(number)]
        name = f"kitchen_{number}{'_posed' if posed else ''}{f'_seed{seed}' if seed else ''}"
        clip = partial(_without, kitchen, out / "data", number, posed)
        _row(name, clip, test, model, out, minutes, seed=seed, own=own)

    _row("turning", lambda: _turning(out / "data"), None, model, out, minutes)
    _row("standing", lambda: _standing(out / "data"), None, model, out, minutes)
    _row("repeated", lambda: _repeated(out / "data"), None, model, out, minutes)
    test = open_dataset("kitti_raw", str(drive), "drive_0060")
    _row("drive_0060", lambda: _drive(drive, out / "data"), test, model, out, minutes, focal=721.5)
    for clip, focal in ODOMETRY.items():
        if (points := out / "points" / clip).is_dir():
            pictures = recordings / "kitti_odometry" / "sequences" / clip / "image_0"
            test = open_dataset("frames", str(points))
            _row(f"odometry_{clip}", partial(Path, pictures), test, model, out, minutes, focal=focal)
    for seed in range(seeds):
        for number in range(5):
            block(number, seed=seed)
    block(0, posed=True)
    for video in sorted((recordings / "dashcam").glob("*.mp4")):
        _row(f"dashcam_{video.stem}", partial(Path, video), None, model, out, minutes)


def _row(
    name,
    source,
    test: FrameDataset | None,
    model: Path,
    out: Path,
    minutes: float,
    focal=None,
    seed: int = 0,
    own: FrameDataset | None = None,
) -> None:
    """Adapt, evaluate before and after, write the result."""
    result = out / f"adapt_{name}.json"
    if result.exists():
        return
    run = out / name
    for folder in (run, out / f"{name}_data", out / "data"):
        shutil.rmtree(folder, ignore_errors=True)
    budget = LoopConfig(minutes=minutes, seed=seed)
    verdict = adapt(source(), run, budget, model, PrepareOptions(focal_px=focal), print)
    facts = {
        "minutes": minutes,
        "seed": seed,
        "adapted": verdict.adapted,
        "reason": verdict.reason,
        **_scores(verdict),
    }
    if test is not None:
        facts["zero_shot"] = _metrics(model, test)
        facts["after"] = _metrics(run, test)
        if own is not None and load(run).config.unit == "metres":
            facts["after_unscaled"] = _metrics(run, test, align="none")
            facts |= {"own": _metrics(run, own), "own_unscaled": _metrics(run, own, align="none")}
    write_json(result, facts)
    print(name, json.dumps(facts))


def _scores(verdict: Verdict) -> dict:
    both = {"before": verdict.before, "after": verdict.after}
    return {f"score_{when}": asdict(score) for when, score in both.items() if score}


def _metrics(model: Path, test: FrameDataset, align: str = "median") -> dict[str, float]:
    found = evaluate_model(model, test, align=align).summary["metrics"]
    return {name: found[name] for name in METRICS}


def _without(kitchen: Path, folder: Path, block: int, posed: bool) -> Path:
    """The kitchen's pictures without a block and its surroundings, and the camera."""
    sequence = next(path for path in kitchen.iterdir() if path.is_dir())
    target = folder / sequence.name
    (target / "image").mkdir(parents=True)
    kept = _kept(block)
    pictures = sorted((sequence / "image").iterdir())
    for i in kept:
        shutil.copy(pictures[i], target / "image" / pictures[i].name)
    shutil.copy(sequence / "camera.yaml", target)
    if posed:
        stamps, poses = read_tum(sequence / "groundtruth.txt")
        write_tum(target / "groundtruth.txt", stamps[kept], poses[kept])
    return folder


def _kept(block: int) -> list[int]:
    """Frames that are neither in a block nor near it."""
    return [i for i in range(250) if not BLOCK * block - GAP <= i < BLOCK * (block + 1) + GAP]


def _drive(root: Path, folder: Path) -> Path:
    """The first 41 pictures of drive 0060's left colour camera."""
    folder.mkdir(parents=True)
    for path in sorted(root.glob("*/*_0060_sync/image_02/data/*"))[:41]:
        shutil.copy(path, folder)
    return folder


def _turning(folder: Path) -> Path:
    """A room seen by a camera that only turns, its focal length not told."""
    room = FAMILIES["rooms"](3)
    start = room.world_from_camera[0, :3, 3]
    time = np.arange(40.0)
    poses = poses_from_angles(
        np.tile(start, (40, 1)), 0.6 + 0.02 * time, 0.15 * np.sin(time / 9), 0.05 * np.sin(time / 7)
    )
    turning = type(room)(**{**vars(room), "world_from_camera": poses})
    return _written(folder, render_clip(turning, 240, 320, 40).images)


def _repeated(folder: Path) -> Path:
    """One picture forty times."""
    return _written(folder, [_room()] * 40)


def _standing(folder: Path) -> Path:
    """A room seen by a camera that stands: light that flickers and a sensor's noise, nothing else moves."""
    random, room = np.random.default_rng(0), _room()
    return _written(
        folder, [room * random.uniform(0.8, 1.2) + random.normal(0, 10, room.shape) for _ in range(40)]
    )


def _room() -> np.ndarray:
    return render_clip(FAMILIES["rooms"](3), 240, 320, 1).images[0]


def _written(folder: Path, images) -> Path:
    """Pictures (0..255) as a folder of PNG files."""
    folder.mkdir(parents=True)
    for i, image in enumerate(images):
        write_png(folder / f"{i:03d}.png", np.asarray(image).clip(0, 255).astype(np.uint8))
    return folder


if __name__ == "__main__":
    limits = [*sys.argv[4:], *("10", "1")[len(sys.argv[4:]) :]]
    main(*map(Path, sys.argv[1:4]), minutes=float(limits[0]), seeds=int(limits[1]))
