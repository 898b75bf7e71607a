"""Draw the pictures of the documents.

usage: python tools/make_pictures.py DEMO [OUT]     OUT: of tools/run_recordings.sh, for the dash-cam picture
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from lumde.data.synthetic import Synthetic
from lumde.media.images import read_image
from lumde.models import DepthResult, load
from lumde.pictures.depth import colour_depth, depth_range
from lumde.pictures.panels import grid, scale_to_width
from lumde.report import depth_panel

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
WORLDS = (1, 5, 8)  # of streets-v1; fixed before looking at any result
DASHCAM = (("test_video_test_video", 3), ("test_video_test_video", 15), ("white_solidWhiteRight", 60))
COLUMNS = ("frame", "truth", "teacher 1.5 M", "student 0.1 M", "student, no teacher")
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
        assert frame.depth is not None
        depths: dict[str, np.ndarray] = {}
        for name, model in models.items():
            result = model.predict(frame.image)
            assert isinstance(result, DepthResult)
            depths[name] = result.depth
        panel = depth_panel(key.sequence, frame.image, frame.depth, depths, 80.0)
        rows.append([panel.image, panel.truth, *(panel.depths[name] for name in NETWORKS)])
    save(rows, COLUMNS, "streets.jpg", 980)


if __name__ == "__main__":
    streets(Path(sys.argv[1]))
    if len(sys.argv) > 2:
        dashcam(Path(sys.argv[2]))
