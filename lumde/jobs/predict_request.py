"""What a prediction was asked for, in request.json: `--resume` must ask for the same."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lumde import files
from lumde.errors import DataError, UsageError
from lumde.jobs.depth_files import FOLDERS, DepthFiles
from lumde.media.camera_turns import upright_camera
from lumde.media.cameras import Camera, camera_from_focal, camera_from_fov, fitted, read_camera
from lumde.media.sources import Source, VideoSource
from lumde.models import DepthModel
from lumde.pictures.depth import DepthRange

FORMATS = (*FOLDERS, "mp4")
REQUEST = "request.json"


@dataclass(frozen=True)
class CameraChoice:
    """What the user says about the camera; nothing = EXIF or container, else assumed."""

    file: Path | None = None
    focal_px: int | float | None = None
    fov_deg: int | float | None = None

    def camera(self, width: int, height: int, quarter_turns: int = 0) -> Camera | None:
        """Answer the camera for pictures of this size, None where nothing was said.

        Args:
            width: of the pictures, upright; so `height`.
            height: of them.
            quarter_turns: counter-clockwise, by which they were turned upright.
        """
        if self.file is not None:
            upright = upright_camera(read_camera(self.file), width, height, quarter_turns)
            return fitted(upright, width, height, str(self.file))
        if self.focal_px is not None:
            return camera_from_focal(self.focal_px, width, height)
        if self.fov_deg is not None:
            return camera_from_fov(self.fov_deg, width, height)
        return None


def without(opened: Source | VideoSource, out: Path) -> Source | VideoSource:
    """A glob may find what an earlier call wrote: that is no source."""
    if isinstance(opened, VideoSource) or opened.kind != "glob":
        return opened
    place = out.resolve()
    kept = [path for path in opened.paths if not path.resolve().is_relative_to(place)]
    if not kept:
        raise DataError(f"{out}: all pictures lie in it, where depth is to be written; choose another --out")
    return Source(opened.kind, kept)


def _names_decided_by(opened: Source | VideoSource) -> str:
    """What decides which file belongs to which picture: hash of the video's place, or of all pictures'.

    Pictures of names of their own may join and leave.
    """
    if isinstance(opened, VideoSource):
        places = [opened.path]
    elif len({path.stem for path in opened.paths}) == len(opened.paths):
        places = sorted({path.parent for path in opened.paths})
    else:  # they are numbered in their order
        places = opened.paths
    return hashlib.sha256("\n".join(str(path.resolve()) for path in places).encode()).hexdigest()[:16]


def request_of(
    opened: Source | VideoSource,
    source: str | Path,
    model: DepthModel,
    save: Sequence[str],
    choice: CameraChoice,
    store: DepthFiles,
) -> dict[str, Any]:
    """Everything the files depend on."""
    return {
        "source": str(source),
        "pictures": _names_decided_by(opened),
        "model": {"net": model.config.net.name, "sha256": fingerprint(model)} | _as_fed(model),
        "save": [kind for kind in FORMATS if kind in save],
        "camera": {
            "file": files.read_text(choice.file) if choice.file else None,
            "focal_px": choice.focal_px,
            "fov_deg": choice.fov_deg,
        },
        "unit": store.unit,
        **({"affine": True} if model.config.affine else {}),
        "png16_scale": store.scale,
    }


def resumed(out: Path, request: dict[str, Any]) -> DepthRange | None:
    """Check that `out` was begun with the same request, clear what a kill left, answer the colour range."""
    if not (out / REQUEST).is_file():
        raise UsageError(f"{out}: holds no {REQUEST}: no prediction to go on with; choose another --out")
    begun = files.read_json(out / REQUEST)
    limits = begun.pop("colour_range", None)
    for key, value in request.items():
        if begun.get(key) != value:
            raise UsageError(
                f"{out}: was begun with another {key}; ask for the same, or choose another --out"
            )
    for folder in (out, *(out / name for name, _ in FOLDERS.values())):
        for leftover in folder.glob(".*.tmp"):
            leftover.unlink(missing_ok=True)
    (out / "index.json").unlink(missing_ok=True)
    return DepthRange(*limits) if limits else None


def _as_fed(model: DepthModel) -> dict[str, Any]:
    """What weights alone do not tell of the answers: limits of depth, and how pictures are resized."""
    net, config = model.net.config, model.config
    return {
        "depth_range": [net.min_depth, net.max_depth],
        "input": [config.fit, config.height, config.width],
    }


def fingerprint(model: DepthModel) -> str:
    """Hash the weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.net.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().float().contiguous().numpy().tobytes())
    return digest.hexdigest()
