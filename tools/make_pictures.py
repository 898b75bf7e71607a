"""Draw the pictures of the documents.

usage: python tools/make_pictures.py streets DEMO
       python tools/make_pictures.py dashcam OUT             OUT: of tools/run_recordings.sh
       python tools/make_pictures.py zero_shot RECORDINGS
       python tools/make_pictures.py kitchen RECORDINGS STUDY      STUDY: out of studies/kitchen.yaml
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from lumde.data.frames import Frames
from lumde.data.resize import resize_image
from lumde.data.synthetic import Synthetic
from lumde.media.images import read_image
from lumde.media.sources import open_source
from lumde.models import DepthModel, DepthResult, load
from lumde.pictures.depth import colour_depth, depth_range
from lumde.pictures.panels import grid, scale_to_width
from lumde.report import depth_panel
from lumde.structures import Frame

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
WORLDS = (1, 5, 8)  # of streets-v1; fixed before looking at any result
DASHCAM = (("test_video_test_video", 3), ("test_video_test_video", 15), ("white_solidWhiteRight", 60))
KITCHEN = (120, 180, 240)  # of the development frames
VIDEO, SECONDS = "solidWhiteRight.mp4", (1, 4, 7)
CELL = (150, 220)  # rows and columns of a picture
COLUMNS = ("frame", "truth", "teacher 1.5 M", "student 0.1 M", "student, no teacher")
TESTED = (5, 25, 45)  # frames of the kitchen study's test; fixed before looking at any result
STUDENTS = {  # rows of the kitchen study
    "teacher": "teacher 1.1 M",
    "depth_probability": "depth prob. 0.1 M",
    "imitation": "imitation 0.1 M",
    "undistilled": "no teacher 0.1 M",
}
NETWORKS = ("teacher", "student", "student_without_distillation")


def dashcam(out: Path) -> None:
    """Write docs/images/dashcam.jpg: frames of the MIT dash-cam clips and their depth."""
    model, rows = load(out / "drives"), []
    for clip, index in DASHCAM:
        file = sorted((out / "drives_data" / clip / "image").iterdir())[index]
        image = read_image(file)
        result = model.predict(image)
        assert isinstance(result, DepthResult)
        rows.append([image, colour_depth(result.depth, depth_range([result.depth]))])
    save(rows, ("frame", "depth"), "dashcam.jpg", 640)


def save(rows: list[list[np.ndarray]], columns: tuple[str, ...], name: str, width: int) -> None:
    """Write one grid into docs/images."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    picture = scale_to_width(grid(rows, columns, ()), width)
    Image.fromarray(picture).save(IMAGES / name, quality=88)


def streets(demo: Path) -> None:
    """Write docs/images/streets.jpg: unseen worlds and what the demo's networks make of them."""
    test = Synthetic(Synthetic.Config(test_set="streets-v1", worlds=max(WORLDS) + 1))
    models = {name: load(demo / name) for name in NETWORKS}
    rows = []
    for key in test.targets:
        if key.position != 20 or int(key.sequence.rsplit("-", 1)[1]) not in WORLDS:
            continue
        frame = test.read(key)
        rows.append(_compared(frame, models, 80.0))
    save(rows, COLUMNS, "streets.jpg", 980)


def kitchen(recordings: Path, study: Path) -> None:
    """Write docs/images/kitchen.jpg: its test frames as networks of its study, seed 0, see them."""
    test = Frames(Frames.Config(root=str(recordings / "indoor"), frames="0:50"))
    models = {name: load(study / "runs" / f"{name}-seed0") for name in STUDENTS}
    rows = [_compared(test.read(test.targets[i]), models, np.inf) for i in TESTED]
    save(rows, ("frame", "measured", *STUDENTS.values()), "kitchen.jpg", 980)


def _compared(frame: Frame, models: Mapping[str, DepthModel], farthest: float) -> list[np.ndarray]:
    """A frame, its truth, and the depths of models on the truth's range."""
    assert frame.depth is not None
    depths: dict[str, np.ndarray] = {}
    for name, model in models.items():
        result = model.predict(frame.image)
        assert isinstance(result, DepthResult)
        depths[name] = result.depth
    panel = depth_panel("", frame.image, frame.depth, depths, farthest)
    return [panel.image, panel.truth, *(panel.depths[name] for name in models)]


def zero_shot(recordings: Path) -> None:
    """Write docs/images/zero_shot.jpg: recordings, and what the shipped network sees in them."""
    model, rows = load(), [[], []]
    for image in (*_kitchen(recordings / "indoor"), *_seconds(recordings / "dashcam" / VIDEO)):
        depth = model.predict(image).depth
        rows[0].append(_cut(image))
        rows[1].append(_cut(colour_depth(depth, depth_range([depth]))))
    save(rows, (), "zero_shot.jpg", 980)


def _kitchen(root: Path) -> list[np.ndarray]:
    files = sorted(root.glob("*/image/*"))
    return [read_image(files[i]) for i in KITCHEN]


def _seconds(video: Path) -> list[np.ndarray]:
    """The first frames at or after some seconds."""
    found: list[np.ndarray] = []
    for frame in open_source(video).frames():
        if len(found) < len(SECONDS) and frame.timestamp >= SECONDS[len(found)]:
            found.append(frame.image)
    return found


def _cut(picture: np.ndarray) -> np.ndarray:
    """The middle of a picture in the shape of CELL, at its size."""
    height, width = picture.shape[:2]
    rows, columns = min(height, width * CELL[0] // CELL[1]), min(width, height * CELL[1] // CELL[0])
    top, left = (height - rows) // 2, (width - columns) // 2
    cut = np.ascontiguousarray(picture[top : top + rows, left : left + columns])
    return resize_image(cut, CELL).permute(1, 2, 0).numpy()


PICTURES: dict[str, Callable[..., None]] = {
    "streets": streets,
    "dashcam": dashcam,
    "zero_shot": zero_shot,
    "kitchen": kitchen,
}

if __name__ == "__main__":
    PICTURES[sys.argv[1]](*map(Path, sys.argv[2:]))
