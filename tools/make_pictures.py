"""Draw the pictures of README from a finished demo: `python tools/make_pictures.py demo`."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from lumde.data.synthetic import Synthetic
from lumde.models import DepthResult, load
from lumde.pictures.panels import grid, scale_to_width
from lumde.report import depth_panel

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
WORLDS = (1, 5, 8)  # of streets-v1; fixed before looking at any result
COLUMNS = ("frame", "truth", "teacher 1.5 M", "student 0.1 M", "student, no teacher")
NETWORKS = ("teacher", "student", "student_without_distillation")


def main(demo: Path) -> None:
    """Write docs/images/streets.jpg."""
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
    picture = scale_to_width(grid(rows, COLUMNS, ()), 980)
    IMAGES.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(IMAGES / "streets.jpg", quality=88)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
