"""Minutes on a user's own unlabelled frames: survey, short training from the shipped weights, a verdict.

Nothing is kept that does not explain frames that were held out better than the network as it came. Recorded
motion only tells the scale: the motion that the pictures show teaches depth better (docs/results.md).
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lumde.data.prepare import PrepareOptions
from lumde.data.snippets import SnippetConfig, Snippets
from lumde.engine.checkpoint import stored
from lumde.engine.loop_config import LoopConfig
from lumde.engine.run import Finish, train
from lumde.engine.run_config import load_config
from lumde.errors import CheckpointError, Interrupted, NothingUsable, UsageError
from lumde.evaluators.corners import Corners, CornerScore
from lumde.evaluators.parallax import LEAST_PARALLAX, LEAST_TRAVEL, MOST, ClipScore, score_clip, survey
from lumde.files import require_unused, write_json
from lumde.jobs.adapt_clip import Clip, Say, as_dataset, open_clip
from lumde.jobs.metres import UnfitMotion, scale_to_metres
from lumde.models import DepthModel, load, save, scaled
from lumde.packaged import package_file
from lumde.progress import Progress, silent

LEAST_SNIPPETS = 8
LEAST_GAIN = 0.01  # of the error on frames held out; a smaller gain is none
EARLIER_GAIN = 0.03  # of that error, for an earlier state of the training to be taken instead of the last
ANCHOR = 0.05  # weight of the network's first answers, where frames say too little to let go of them


@dataclass(frozen=True)
class Verdict:
    """What came of an adaptation."""

    adapted: bool
    reason: str
    before: ClipScore | None = None  # on frames held out
    after: ClipScore | None = None
    corners_before: CornerScore | None = None  # on the same frames; None where they triangulate too little
    corners_after: CornerScore | None = None
    distance: int = 0  # frames between target and sources


def adapt(
    source: Path,
    out: Path,
    budget: LoopConfig,
    model: Path | None,
    options: PrepareOptions,
    say: Say,
    progress: Progress = silent,
) -> Verdict:
    """Adapt a network to a video, a folder of pictures or a dataset folder; `out` becomes a run.

    Args:
        source: what was filmed.
        out: new run folder; frames of a video are stored beside it, in `out`_data.
        budget: minutes of training, and its seed.
        model: where to start, None = the shipped network.
        options: camera and frame rate of a video or loose pictures.
        say: hears what is going on.
        progress: wraps the frames of a video while they are stored.

    Returns:
        The verdict, as in `out`/adaptation.json. Without a gain `out`/model holds the network as it came.

    Raises:
        LumdeError: unreadable source, `out` in use, no weights, or weights of unknown shift.
    """
    require_unused(out)
    stored = _stored_at(out)
    with _all_or_nothing(out, stored):
        start = load(model)
        if start.config.affine:
            raise UsageError(
                f"{model}: its disparity has an unknown shift, and pictures are warped by true shapes; adapt "
                "another network"
            )
        clip = open_clip(as_dataset(source, stored, options, say, progress), start, say)
        return _adapted(clip, out, budget, start, say)


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
    """Where a video's frames are stored; UsageError where `out` has no name to put it beside."""
    if out.name in ("", ".."):
        raise UsageError(f"{out}: name a folder of its own, as in --out runs/adapted")
    return out.with_name(out.name + "_data")


def _adapted(clip: Clip, out: Path, budget: LoopConfig, start: DepthModel, say: Say) -> Verdict:
    try:
        distance, before, lessons = _surveyed(clip, start)
    except NothingUsable as error:
        return _refused(out, start, str(error))
    say(f"sources {distance} frame(s) away: {before.parallax:.1f} pixels of parallax")
    if clip.metric:
        factor = scale_to_metres(start.disparity, clip.metric_snippets(distance))
        start = scaled(start, factor, "metres")
        say(f"recorded motion: depth in metres is {factor:.3g} times the network's")
    anchored = not before.beats_flat
    if anchored:
        say("a flat world explains these frames as well: the network stays near its answers")
    held_out = clip.snippets(distance, held_out=True)
    corners = Corners(held_out, MOST)
    first = Verdict(False, "", before, corners_before=corners.score(start.disparity), distance=distance)
    verdict = first

    def judged(trained: DepthModel) -> DepthModel:
        nonlocal verdict
        best, when = _best_state(trained, out, held_out)
        if when:
            say(when)
        try:
            adapted = _fed_as(start, best, clip, distance)
        except UnfitMotion as error:
            verdict = replace(first, reason=f"not kept: after training, {error}")
            return start
        after = score_clip(adapted.disparity, held_out)
        verdict = _judged(replace(first, after=after, corners_after=corners.score(adapted.disparity)))
        return adapted if verdict.adapted else start

    _train(clip, lessons, out, budget, start, anchored, judged)
    return _written(out, verdict)


def _surveyed(clip: Clip, start: DepthModel) -> tuple[int, ClipScore, Snippets]:
    """Distance of the sources, the score of the network as it came, and what there is to learn from.

    Raises:
        NothingUsable: nothing teaches depth here.
    """
    try:
        distance, before = survey(start.disparity, lambda apart: clip.snippets(apart, held_out=True))
    except NothingUsable as error:
        raise NothingUsable(f"no usable motion: {error}") from error
    if not before.travels:
        raise NothingUsable(
            f"the camera hardly travels: between frames {distance} apart, travel explains "
            f"{max(0, before.travel):.0%} of what turning leaves ({LEAST_TRAVEL:.0%} needed) by "
            f"{before.parallax:.1f} pixels of parallax ({LEAST_PARALLAX} needed); standing still or turning "
            "on the spot teaches no depth"
        )
    lessons = clip.snippets(distance, held_out=False)
    if len(lessons) < LEAST_SNIPPETS:
        raise NothingUsable(
            f"{clip.root}: {len(lessons)} usable frames, at least {LEAST_SNIPPETS} are needed"
        )
    return distance, before, lessons


def _judged(verdict: Verdict) -> Verdict:
    """Keep what was learned if it explains the frames held out better than the network as it came did.

    And better than a flat world does: frames that one depth explains best cannot tell good maps from bad. Nor
    may depth get worse at the corners that these frames triangulate.
    """
    assert verdict.before is not None and verdict.after is not None
    old, new, flat = verdict.before.error, verdict.after.error, verdict.after.flat
    corners, worse = _at_corners(verdict)
    gain = 1 - new / old
    if gain < LEAST_GAIN:
        reason = f"error on frames held out {old:.4f} before, {new:.4f} after"
    elif not verdict.after.beats_flat:
        reason = f"a flat world still explains the frames held out better: error {flat:.4f}, {new:.4f} after"
    elif worse:
        reason = "frames held out are explained better, but by a worse depth"
    else:
        reason = f"{gain:.0%} less error on frames held out ({old:.4f} to {new:.4f})"
        return replace(verdict, adapted=True, reason=f"kept: {reason}{corners}")
    return replace(verdict, adapted=False, reason=f"not kept: {reason}{corners}")


def _at_corners(verdict: Verdict) -> tuple[str, bool]:
    """What triangulated corners say, and whether that is that depth got worse."""
    old, new = verdict.corners_before, verdict.corners_after
    if not (old and new):
        return "", False
    said = f"; depth at their corners off by {old.abs_rel:.1%} before, {new.abs_rel:.1%} after"
    return said, new.worse_than(old)


def _train(
    clip: Clip,
    lessons: Snippets,
    out: Path,
    budget: LoopConfig,
    start: DepthModel,
    anchored: bool,
    finish: Finish,
) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "start"
        save(start, path)
        shown = replace(lessons.config, stereo=clip.stereo)
        config = load_config(
            package_file("configs", "adapt", ".yaml"), _overrides(clip, shown, path, anchored)
        )
        config.student = replace(start.config.net, init=str(path))
        config.loop.minutes, config.loop.seed = budget.minutes, budget.seed
        train(config, out, opened={"main": lessons.dataset}, finish=finish)


def _best_state(trained: DepthModel, out: Path, held_out: Snippets) -> tuple[DepthModel, str]:
    """The last state, or an earlier one that explains the frames held out clearly better, and which one.

    Stopping early, afterwards: what came later was learned by heart. The same frames judge what was chosen by
    them, of at most four states; the margin is more than such a choice gains by chance.
    """
    best, said, paths = trained, "", stored(out / "checkpoints")[1:]  # the first is the last state itself
    least = (1 - EARLIER_GAIN) * score_clip(trained.disparity, held_out).error if paths else 0.0
    for path in paths:
        try:
            earlier = load(path).eval()
        except CheckpointError:  # damaged: then it is no candidate
            continue
        if (error := score_clip(earlier.disparity, held_out).error) < least:
            best, least = earlier, error
            best.config.training = trained.config.training | {"state": path.name}
            said = f"taken as it was at {path.name}, before error on the frames held out rose again"
    return best, said


def _fed_as(start: DepthModel, trained: DepthModel, clip: Clip, distance: int) -> DepthModel:
    """The trained network, in metres where the clip tells them, for pictures of any size as `start` is."""
    net, config = trained.net, replace(trained.config, unit="relative")
    if clip.metric:  # what was learned may have moved the scale a little
        factor = scale_to_metres(trained.disparity, clip.metric_snippets(distance))
        net, config = (metric := scaled(trained, factor, "metres")).net, metric.config
    shape = {name: getattr(start.config, name) for name in ("fit", "height", "width")}
    return DepthModel(replace(config, **shape), net).eval()


def _overrides(clip: Clip, snippets: SnippetConfig, start: Path, anchored: bool) -> list[str]:
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
