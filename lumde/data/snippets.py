"""A target frame with its neighbours, resized to one size: what every dataset becomes.

Gaps and sequence ends are respected, static frames can be left out, `Snippets.report` counts what happened.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.utils.data import Dataset

from lumde.data.base import FrameDataset
from lumde.data.damage import Damage
from lumde.data.resize import resize_depth, resize_ids, resize_image, resize_mask, thumbnail
from lumde.errors import ConfigError, DataError, NothingUsable
from lumde.geometry.camera import resize_intrinsics
from lumde.structures import RIGHT, Frame, FrameKey

KEPT_BYTES = 256 << 20  # a set of samples that fits is decoded once and kept
MUST_BE_PROVIDED = ("sources", "depth", "pose", "right", "object_ids")  # a mask that nobody made is all True


@dataclass(kw_only=True)
class SnippetConfig:
    """Which frames belong together, and at which size."""

    height: int  # pixels
    width: int
    offsets: tuple[int, ...] = (-1, 1)  # source frames, counted from the target
    stereo: bool = False  # add the stereo partner as last source
    neighbours: bool = False  # targets need all offsets even where no source is read: equal frames for all
    min_motion: float = 0.0  # mean grey difference to a neighbour, 0..1; frames below are static; 0 = off

    def __post_init__(self) -> None:
        """Refuse sizes and offsets that mean nothing."""
        if self.height < 1 or self.width < 1:
            raise ValueError(f"size must be positive, found {self.height} x {self.width}")
        if 0 in self.offsets or len(set(self.offsets)) != len(self.offsets):
            raise ValueError(f"offsets must be distinct and not 0 (the target itself), found {self.offsets}")
        if not 0 <= self.min_motion < 1:
            raise ValueError(f"min_motion must be within 0..1, found {self.min_motion}")


class _Source(NamedTuple):
    """A neighbour of a target."""

    image: UInt8[np.ndarray, "h w 3"]
    motion: Float[np.ndarray, "4 4"]  # source_from_target, NaN = unknown
    mask: Bool[np.ndarray, "h w"] | None


class Snippets(Dataset[dict[str, Any]]):
    """Usable targets of a dataset as samples of tensors, ready for default collation.

    A sample holds `image` (uint8), `intrinsics` (float32, pixels at the sample's size), `key`, and by
    `fields`: `sources` (uint8), `source_from_target` (metres; NaN where no pose is recorded beside a stereo
    baseline), `depth` (metres, 0 = none), `object_ids` (of simulated frames), `mask` and `source_masks`
    (unasked too when the dataset provides masks: no loss may see masked pixels).

    Raises:
        DataError: a field is not provided.
        NothingUsable: no target is usable; the message counts the reasons.
    """

    def __init__(self, dataset: FrameDataset, config: SnippetConfig, fields: tuple[str, ...] = ()) -> None:
        self.dataset, self.config = dataset, config
        self.size = (config.height, config.width)
        partner = (RIGHT,) if config.stereo else ()
        self.offsets: tuple[int | str, ...] = (*config.offsets, *partner) if "sources" in fields else ()
        self.fields = self._fields_to_read(fields)
        self.report: dict[str, int] = {}
        self.damage = Damage(len(dataset.targets))
        if config.min_motion and dataset.changes:
            raise ConfigError("snippets.min_motion looks at the first epoch alone; data.fresh brings others")
        self._indices = self._usable()
        self._kept: dict[int, dict[str, Any]] = {}

    def __len__(self) -> int:
        """Count the usable targets."""
        return len(self._indices)

    @property
    def keys(self) -> list[str]:
        """Names of the usable targets, as samples carry them."""
        targets = (self.dataset.targets[index] for index in self._indices)
        return [key.path for key in targets]

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Decode one target with its sources, once if all samples fit into KEPT_BYTES.

        Raises:
            DataError: a file cannot be used; the message names it.
        """
        if index in self._kept:
            return dict(self._kept[index])
        sample = self._decoded(index)
        if self.dataset.decodes and _bytes(sample) * len(self) <= KEPT_BYTES:
            self._kept[index] = dict(sample)
        return sample

    def _decoded(self, index: int) -> dict[str, Any]:
        key = self.dataset.targets[self._indices[index]]
        target = self.dataset.read_fields(key, self.fields)
        sample: dict[str, Any] = {
            "image": resize_image(target.image, self.size),
            "intrinsics": self._intrinsics(target),
            "key": key.path,
        }
        if "depth" in self.fields:
            depth = np.zeros(self.size, np.float32) if target.depth is None else target.depth
            sample["depth"] = torch.from_numpy(resize_depth(depth, self.size))[None]
        if "mask" in self.fields:
            sample["mask"] = self._mask(target.mask)
        if "object_ids" in self.fields and target.object_ids is not None:
            sample["object_ids"] = resize_ids(target.object_ids, self.size)
        if self.offsets:
            self._add_sources(sample, key, target)
        return sample

    def _fields_to_read(self, asked: tuple[str, ...]) -> tuple[str, ...]:
        """What `dataset` is asked for; DataError where it lacks something."""
        provides = self.dataset.provides
        fields = set(asked) | ({"right"} if RIGHT in self.offsets else set())
        if "mask" in provides:
            fields.add("mask")
        if not any(isinstance(offset, int) for offset in self.offsets):
            fields -= {"pose", "sources"}
        missing = [field for field in MUST_BE_PROVIDED if field in fields and field not in provides]
        if missing:
            kind, given = type(self.dataset).__name__, ", ".join(provides) or "images only"
            raise DataError(
                f"this {kind} dataset gives no {', '.join(missing)} (only {given}); choose other data"
            )
        return tuple(sorted(fields))

    def _usable(self) -> list[int]:
        """Filter the targets and count why each was left out."""
        counts: Counter[str] = Counter()
        usable: list[int] = []
        thumbnails: dict[FrameKey, UInt8[np.ndarray, "_ _"]] = {}
        needed = self.config.offsets if self.offsets or self.config.neighbours else ()
        for index, key in enumerate(self.dataset.targets):
            neighbours = [self.dataset.neighbour(key, o) for o in needed]
            found = [neighbour for neighbour in neighbours if neighbour is not None]
            if len(found) < len(neighbours):
                counts["no_neighbour"] += 1
            elif RIGHT in self.offsets and not self.dataset.has_partner(key):
                counts["no_partner"] += 1
            elif reason := self._unfit(key, found, thumbnails):
                counts[reason] += 1
            else:
                usable.append(index)
        self.report = {
            "frames": len(self.dataset.targets),
            "no_neighbour": counts["no_neighbour"],
            "no_partner": counts["no_partner"],
            "static": counts["static"],
            "unreadable": counts["unreadable"],
            "usable": len(usable),
        }
        if not usable:
            raise NothingUsable(self._why_empty())
        return usable

    def _unfit(
        self, key: FrameKey, neighbours: list[FrameKey], thumbnails: dict[FrameKey, UInt8[np.ndarray, "_ _"]]
    ) -> str:
        """Why the pictures themselves forbid a target, "" = they do not, or nobody asked."""
        if not (self.config.min_motion and neighbours):
            return ""
        try:
            motion = self._motion(key, neighbours, thumbnails)
        except DataError as error:
            self.damage.note(str(error))
            return "unreadable"
        return "static" if motion < self.config.min_motion else ""

    def _motion(
        self, key: FrameKey, neighbours: list[FrameKey], thumbnails: dict[FrameKey, UInt8[np.ndarray, "_ _"]]
    ) -> float:
        """Mean grey difference to the neighbour that differs most, 0..1: one moving source is enough."""
        for wanted in (key, *neighbours):
            if wanted not in thumbnails:
                thumbnails[wanted] = thumbnail(self.dataset.read_fields(wanted, ()).image)
        here = thumbnails[key].astype(np.float32)
        return max(float(np.abs(here - thumbnails[neighbour]).mean()) / 255 for neighbour in neighbours)

    def _why_empty(self) -> str:
        counts, config = self.report, self.config
        if not counts["frames"]:
            return "the dataset holds no frame; check root, split and frames"
        if counts["static"] == counts["frames"]:
            return (
                f"no usable snippet: all {counts['frames']} frames hardly differ from their neighbours "
                f"(min_motion {config.min_motion}); nothing moves, or a lower min_motion would do"
            )
        return (
            f"no usable snippet: of {counts['frames']} frames {counts['no_neighbour']} lack a neighbour "
            f"(offsets {config.offsets}), {counts['no_partner']} a stereo partner, and {counts['static']} "
            f"are static (min_motion {config.min_motion}); "
            "use longer sequences, smaller offsets or a lower min_motion"
        )

    def _add_sources(self, sample: dict[str, Any], key: FrameKey, target: Frame) -> None:
        found = [
            self._partner(key, target) if offset == RIGHT else self._source(key, offset, target)
            for offset in self.offsets
        ]
        sample["sources"] = torch.stack([resize_image(source.image, self.size) for source in found])
        if "pose" in self.fields or RIGHT in self.offsets:
            motions = np.stack([source.motion for source in found])
            sample["source_from_target"] = torch.from_numpy(motions.astype(np.float32))
        if "mask" in self.fields:
            sample["source_masks"] = torch.cat([self._mask(source.mask) for source in found])

    def _mask(self, mask: Bool[np.ndarray, "_ _"] | None) -> Bool[Tensor, "1 h w"]:
        return resize_mask(np.ones(self.size, np.bool_) if mask is None else mask, self.size)

    def _source(self, key: FrameKey, offset: int | str, target: Frame) -> _Source:
        neighbour = self.dataset.neighbour(key, int(offset))
        if neighbour is None:
            raise DataError(f"{key.path}: the frame {int(offset):+d} from it is gone since the start")
        wanted = tuple(field for field in ("mask", "pose") if field in self.fields)
        source = self.dataset.read_fields(neighbour, wanted)
        return _Source(source.image, _source_from_target(source, target), source.mask)

    def _partner(self, key: FrameKey, target: Frame) -> _Source:
        if target.right is None or target.baseline is None:
            raise DataError(f"{key.path}: its stereo partner is gone since the start")
        motion = np.eye(4)
        motion[0, 3] = -float(target.baseline)  # the right camera finds every point farther to the left
        return _Source(target.right, motion, None)  # masks are those of left pictures

    def _intrinsics(self, frame: Frame) -> Float[Tensor, "3 3"]:
        stored = torch.from_numpy(frame.intrinsics.astype(np.float64))
        height, width = frame.image.shape[:2]
        return resize_intrinsics(stored, (height, width), self.size).to(torch.float32)


def _bytes(sample: dict[str, Any]) -> int:
    """Memory of a sample's tensors."""
    return sum(value.nbytes for value in sample.values() if isinstance(value, Tensor))


def _source_from_target(source: Frame, target: Frame) -> Float[np.ndarray, "4 4"]:
    """Chain two recorded poses in float64: positions may lie far from the world's origin. NaN = unknown."""
    if source.world_from_camera is None or target.world_from_camera is None:
        return np.full((4, 4), np.nan)
    source_from_world = np.linalg.inv(source.world_from_camera.astype(np.float64))
    return np.asarray(source_from_world @ target.world_from_camera.astype(np.float64))
