"""Minutes on a user's own unlabelled frames: survey, short training from the shipped weights, a verdict.

Nothing is kept that does not explain frames that were held out better than the network as it came. Recorded
motion only tells the scale: the motion that the pictures show teaches depth better (docs/results.md).
"""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lumde.data.frames import Frames
from lumde.data.prepare import PrepareOptions, prepare
from lumde.data.snippets import SnippetConfig, Snippets
from lumde.engine.loop_config import LoopConfig
from lumde.engine.run import Finish, train
from lumde.engine.run_config import load_config
from lumde.errors import DataError, Interrupted, UsageError
from lumde.evaluators.parallax import LEAST_PARALLAX, LEAST_TRAVEL, ClipScore, score_clip, survey
from lumde.files import require_unused, write_json
from lumde.jobs.metres import scale_to_metres
from lumde.models import DepthModel, load, save, scaled
from lumde.packaged import package_file
from lumde.structures import FrameKey

LEAST_SNIPPETS = 8
LEAST_GAIN = 0.01  # of the error on frames held out; a smaller gain is none
BLOCK, EVERY = 6, 5  # frames of a block, and every how-many-th of them is held out
ANCHOR = 0.05  # weight of the network's first answers, where frames say too little to let go of them
MIN_MOTION = 0.004  # mean grey difference below which a frame counts as standing still

Say = Callable[[str], None]


@dataclass(frozen=True)
class Verdict:
    """What came of an adaptation."""

    adapted: bool
    reason: str
    before: ClipScore | None = None  # on frames held out
    after: ClipScore | None = None
    distance: int = 0  # frames between target and sources


def adapt(
    source: Path,
    out: Path,
    minutes: float,
    model: Path | None,
    options: PrepareOptions,
    say: Say,
    seed: int = 0,
) -> Verdict:
    """Adapt a network to a video, a folder of pictures or a dataset folder; `out` becomes a run.

    Args:
        source: what was filmed.
        out: new run folder; frames of a video are stored beside it, in `out`_data.
        minutes: of training.
        model: where to start, None = the shipped network.
        options: camera and frame rate of a video or loose pictures.
        say: hears what is going on.
        seed: of the training.

    Returns:
        The verdict, as in `out`/adaptation.json. Without a gain `out`/model holds the network as it came.

    Raises:
        LumdeError: unreadable source, `out` in use, no weights.
    """
    require_unused(out)
    with _all_or_nothing(out, _stored_at(out)):
        return _adapted(source, out, minutes, load(model), options, say, seed)


@contextmanager
def _all_or_nothing(*folders: Path) -> Iterator[None]:
    """Take away what a failed or interrupted attempt left of new or empty folders: the next begins anew."""
    new = [folder for folder in folders if not (folder.exists() and any(folder.iterdir()))]
    done = False
    try:
        yield
        done = True
    except Interrupted as error:
        raise Interrupted("stopped; nothing was kept", error.exit_code) from error
    finally:
        for folder in () if done else new:
            shutil.rmtree(folder, ignore_errors=True)


def _stored_at(out: Path) -> Path:
    """Where a video's frames are stored."""
    return out.with_name(out.name + "_data")


def _adapted(
    source: Path, out: Path, minutes: float, start: DepthModel, options: PrepareOptions, say: Say, seed: int
) -> Verdict:
    clip = _open(_as_dataset(source, out, options, say), start)
    try:
        distance, before = survey(start.disparity, lambda apart: clip.snippets(apart, held_out=True))
    except DataError as error:
        return _refused(out, start, f"no usable motion: {error}")
    if not before.travels:
        return _refused(
            out,
            start,
            f"the camera hardly travels: between frames {distance} apart, travel explains "
            f"{max(0, before.travel):.0%} of what turning leaves ({LEAST_TRAVEL:.0%} needed) by "
            f"{before.parallax:.1f} pixels of parallax ({LEAST_PARALLAX} needed); standing still or turning "
            "on the spot teaches no depth",
        )
    say(f"sources {distance} frame(s) away: {before.parallax:.1f} pixels of parallax")
    if clip.metric:
        factor = scale_to_metres(start.disparity, clip.metric_snippets(distance))
        start = scaled(start, factor, "metres")
        say(f"recorded motion: depth in metres is {factor:.3g} times the network's")
    anchored = not before.beats_flat
    if anchored:
        say("a flat world explains these frames as well: the network stays near its answers")
    verdict = Verdict(False, "", before, distance=distance)

    def judged(trained: DepthModel) -> DepthModel:
        nonlocal verdict
        adapted = _fed_as(start, trained, clip, distance)
        verdict = _judged(verdict, score_clip(adapted.disparity, clip.snippets(distance, held_out=True)))
        return adapted if verdict.adapted else start

    _train(clip, out, LoopConfig(minutes=minutes, seed=seed), start, distance, anchored, judged)
    return _written(out, verdict)


def _judged(verdict: Verdict, after: ClipScore) -> Verdict:
    """Keep what was learned if it explains the frames held out better than the network as it came did.

    And better than a flat world does: frames that one depth explains best cannot tell good maps from bad.
    """
    assert verdict.before is not None
    old, new = verdict.before.error, after.error
    gain = 1 - new / old
    if gain < LEAST_GAIN:
        reason = f"error on frames held out {old:.4f} before, {new:.4f} after"
    elif not after.beats_flat:
        reason = (
            f"a flat world still explains the frames held out better: error {after.flat:.4f}, {new:.4f} after"
        )
    else:
        reason = f"kept: {gain:.0%} less error on frames held out ({old:.4f} to {new:.4f})"
        return replace(verdict, adapted=True, reason=reason, after=after)
    return replace(verdict, adapted=False, reason=f"not kept: {reason}", after=after)


def _as_dataset(source: Path, out: Path, options: PrepareOptions, say: Say) -> Path:
    """The source itself where it is a dataset folder, else its frames, stored."""
    if any((folder / "image").is_dir() for folder in (source, *_subfolders(source))):
        if options != PrepareOptions():
            raise UsageError(
                f"{source}: is a dataset folder, whose camera stands in camera.yaml; --camera, --focal, "
                "--fov and --fps are for videos and loose pictures"
            )
        return source
    root = _stored_at(out)
    for report in prepare([str(source)], root, options):
        say(f"{report.name}: {report.frames} frames; camera: {report.camera}")
    return root


def _subfolders(source: Path) -> list[Path]:
    return [path for path in source.iterdir() if path.is_dir()] if source.is_dir() else []


@dataclass(frozen=True)
class _Clip:
    """A dataset folder as a network of a given input size sees it."""

    root: Path
    size: tuple[int, int]  # rows and columns of the input
    posed: bool  # motion was recorded
    stereo: bool  # right pictures of a known baseline are there

    @property
    def metric(self) -> bool:
        """Whether the recording tells a length."""
        return self.posed or self.stereo

    def snippets(self, distance: int, held_out: bool) -> Snippets:
        """Frames that are kept from training, or those that see none of them, with sources that far away."""
        return Snippets(self._frames(distance, held_out), self.config(distance), ("sources",))

    def metric_snippets(self, distance: int) -> Snippets:
        """All frames, with their recorded motion: scale is no part of the verdict, nothing is held out."""
        fields = ("sources", "pose") if self.posed else ("sources",)
        return Snippets(_all_frames(self.root), self.config(distance, self.stereo), fields)

    def config(self, distance: int, stereo: bool = False) -> SnippetConfig:
        """Sources that far before and after, and the stereo partner where asked."""
        height, width = self.size
        return SnippetConfig(
            height=height,
            width=width,
            offsets=(-distance, distance),
            min_motion=MIN_MOTION,
            stereo=stereo,
        )

    def _frames(self, distance: int, held_out: bool) -> Frames:
        """Every EVERY-th block of the clip, or all frames that are not in one and look at none."""
        dataset = _all_frames(self.root)

        def sees_held_out(key: FrameKey) -> bool:
            seen = [key, *(dataset.neighbour(key, offset) for offset in (-distance, distance))]
            return any(_is_held_out(frame) for frame in seen if frame)

        dataset.targets = [
            key for key in dataset.targets if (_is_held_out(key) if held_out else not sees_held_out(key))
        ]
        if not dataset.targets:
            raise DataError(f"{self.root}: too few frames, at least {BLOCK * EVERY} are needed")
        return dataset


def _all_frames(root: Path) -> Frames:
    return Frames(Frames.Config(root=str(root)))


def _is_held_out(key: FrameKey) -> bool:
    return key.position // BLOCK % EVERY == EVERY - 1


def _open(root: Path, model: DepthModel) -> _Clip:
    dataset = _all_frames(root)
    picture = dataset.read_fields(dataset.targets[0], ()).image
    size = model.input_size(*picture.shape[:2])
    return _Clip(root, size, "pose" in dataset.provides, "right" in dataset.provides)


def _train(
    clip: _Clip,
    out: Path,
    budget: LoopConfig,
    start: DepthModel,
    distance: int,
    anchored: bool,
    finish: Finish,
) -> None:
    snippets = clip.snippets(distance, held_out=False)
    if len(snippets) < LEAST_SNIPPETS:
        raise DataError(f"{clip.root}: {len(snippets)} usable frames, at least {LEAST_SNIPPETS} are needed")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "start"
        save(start, path)
        config = load_config(
            package_file("configs", "adapt", ".yaml"),
            _overrides(clip, clip.config(distance, clip.stereo), path, anchored),
        )
        config.student = replace(start.config.net, init=str(path))
        config.loop.minutes, config.loop.seed = budget.minutes, budget.seed
        train(config, out, opened={"main": snippets.dataset}, finish=finish)


def _fed_as(start: DepthModel, trained: DepthModel, clip: _Clip, distance: int) -> DepthModel:
    """The trained network, in metres where the clip tells them, for pictures of any size as `start` is."""
    net, config = trained.net, replace(trained.config, unit="relative")
    if clip.metric:  # what was learned may have moved the scale a little
        factor = scale_to_metres(trained.disparity, clip.metric_snippets(distance))
        net, config = (metric := scaled(trained, factor, "metres")).net, metric.config
    shape = {name: getattr(start.config, name) for name in ("fit", "height", "width")}
    return DepthModel(replace(config, **shape), net).eval()


def _overrides(clip: _Clip, snippets: SnippetConfig, start: Path, anchored: bool) -> list[str]:
    """What the clip and the start decide of configs/adapt.yaml."""
    return [
        f"data.root={json.dumps(str(clip.root))}",
        f"student.init={json.dumps(str(start))}",
        f"teacher.path={json.dumps(str(start))}",
        f"method.pixel_weight={ANCHOR if anchored else 0.0}",
        f"snippets={json.dumps(asdict(snippets))}",
        *(["method.video.scale_weight=0.0"] if clip.stereo else []),  # the baseline holds it
    ]


def _refused(out: Path, model: DepthModel, reason: str) -> Verdict:
    out.mkdir(parents=True, exist_ok=True)
    save(model, out / "model")
    return _written(out, Verdict(False, f"nothing was learned: {reason}"))


def _written(out: Path, verdict: Verdict) -> Verdict:
    facts: dict[str, Any] = asdict(verdict)
    write_json(out / "adaptation.json", facts)
    return verdict
