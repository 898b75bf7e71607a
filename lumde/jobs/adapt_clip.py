"""What `lumde adapt` learns from: a dataset folder, every fifth block of frames held out for the verdict."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lumde.data.folder import find_sequences, image_folder
from lumde.data.frames import Frames
from lumde.data.prepare import PrepareOptions, prepare
from lumde.data.snippets import SnippetConfig, Snippets
from lumde.errors import DataError, NothingUsable, UsageError
from lumde.models import DepthModel
from lumde.progress import Progress
from lumde.structures import FrameKey

BLOCK, EVERY = 6, 5  # frames of a block, and every how-many-th of them is held out
MIN_MOTION = 0.004  # mean grey difference below which a frame counts as standing still
BESIDE = ("mask", "right", "groundtruth.txt")  # what makes a dataset of a folder of loose pictures

Say = Callable[[str], None]


def as_dataset(source: Path, root: Path, options: PrepareOptions, say: Say, progress: Progress) -> Path:
    """The source itself where it is a dataset folder, else its frames, stored in `root`.

    Raises:
        UsageError: options for videos and loose pictures with a dataset folder.
        DataError: what `prepare` raises.
    """
    if _is_dataset(source):
        if options != PrepareOptions():
            raise UsageError(
                f"{source}: is a dataset folder, whose camera stands in camera.yaml; --camera, --focal, "
                "--fov and --fps are for videos and loose pictures"
            )
        return source
    for report in prepare([str(source)], root, options, progress):
        say(f"{report.name}: {report.frames} frames; camera: {report.camera}")
    return root


def _is_dataset(source: Path) -> bool:
    """Whether it has more to tell than loose pictures and their camera, which `prepare` takes along."""
    try:
        folders = find_sequences(source).values()
    except DataError:  # a video, a glob, nothing
        return False
    return any(
        image_folder(folder) != folder or any((folder / name).exists() for name in BESIDE)
        for folder in folders
    )


def open_clip(root: Path, model: DepthModel, say: Say) -> "Clip":
    """Look into a dataset folder, and tell where recorded motion cannot be used for want of some."""
    dataset = _all_frames(root)
    picture = dataset.read_fields(dataset.targets[0], ()).image
    posed = [name for name, clip in dataset.clips.items() if clip.world_from_camera is not None]
    if posed and "pose" not in dataset.provides:
        say(
            f"{len(posed)} of {len(dataset.clips)} sequences have recorded poses, the others none: unused; "
            "depth stays relative unless right pictures tell a length"
        )
    size = model.input_size(*picture.shape[:2])
    return Clip(root, size, "pose" in dataset.provides, "right" in dataset.provides)


@dataclass(frozen=True)
class Clip:
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
        """Frames that are kept from training, or those that see none of them, with sources that far away.

        Raises:
            NothingUsable: too few frames, or nothing moves.
            DataError: frames that cannot be read.
        """
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
        starts = _starts(dataset)

        def is_held_out(key: FrameKey) -> bool:
            return (starts[key.sequence] + key.position) // BLOCK % EVERY == EVERY - 1

        def sees_held_out(key: FrameKey) -> bool:
            seen = [key, *(dataset.neighbour(key, offset) for offset in (-distance, distance))]
            return any(is_held_out(frame) for frame in seen if frame)

        dataset.targets = [
            key for key in dataset.targets if (is_held_out(key) if held_out else not sees_held_out(key))
        ]
        if not dataset.targets:
            raise NothingUsable(f"{self.root}: too few frames, at least {BLOCK * EVERY} are needed")
        return dataset


def _all_frames(root: Path) -> Frames:
    return Frames(Frames.Config(root=str(root)))


def _starts(dataset: Frames) -> dict[str, int]:
    """Where each sequence begins when all are laid end to end: short ones share their blocks."""
    starts, end = {}, 0
    for name, names in dataset.names.items():
        starts[name], end = end, end + 1 + max(names)
    return starts
