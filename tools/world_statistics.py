"""Statistics of worlds and of recordings side by side, and a contact sheet of worlds, for docs/results.md.

usage: python tools/world_statistics.py RECORDINGS
"""

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from lumde.data.frames import Frames
from lumde.data.kitti_odometry import KittiOdometry
from lumde.data.resize import resize_image
from lumde.data.synthetic import TEST_SETS, Synthetic
from lumde.media.images import read_image
from lumde.pictures.panels import grid, scale_to_width

DOCS = Path(__file__).resolve().parents[1] / "docs"
WIDTH = 320  # pixels that every picture is brought to
LOOK, SEED = "training worlds, with a look", 77  # a stream that no shipped network learned from
SHOWN = 6  # worlds of each set on the contact sheet


def main(recordings: Path) -> None:
    """Write docs/results/worlds.json and docs/images/worlds.jpg."""
    rows, sheet = {}, []
    sets = {
        name: Synthetic(Synthetic.Config(test_set=name, worlds=32, height=120, width=WIDTH))
        for name in TEST_SETS
    }
    sets[LOOK] = Synthetic(
        Synthetic.Config(
            families=("rooms", "wide_streets", "shapes"),
            worlds=32,
            frames=5,
            every=8,
            look=True,
            seed=SEED,
            height=120,
            width=WIDTH,
        )
    )
    for name, dataset in sets.items():
        frames = [dataset.read(key) for key in dataset.targets[3 :: len(dataset.targets) // 32]]
        rows[name] = statistics([f.image for f in frames], [f.depth for f in frames if f.depth is not None])
        sheet.append([frame.image for frame in frames[:SHOWN]])
    kitchen = Frames(Frames.Config(root=str(recordings / "indoor")))
    found = [kitchen.read_fields(key, ("depth",)) for key in kitchen.targets[100::8]]
    rows["kitchen (7-Scenes), frames 100-249"] = statistics(
        [small(f.image) for f in found], [f.depth for f in found if f.depth is not None]
    )
    odometry = KittiOdometry(KittiOdometry.Config(root=str(recordings / "kitti_odometry"), sequences=("xx",)))
    rows["KITTI odometry clip xx"] = statistics(
        [small(odometry.read(key).image) for key in odometry.targets[::4]]
    )
    drive = sorted((recordings / "kitti_raw").glob("**/image_02/data/*.jpg"))
    rows["KITTI drive 0060"] = statistics([small(read_image(path)) for path in drive[::6]])
    (DOCS / "results" / "worlds.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    picture = scale_to_width(grid(sheet, (), tuple(sets)), 980)
    Image.fromarray(picture).save(DOCS / "images" / "worlds.jpg", quality=80)


def small(image: np.ndarray) -> np.ndarray:
    """A picture at WIDTH pixels, its shape kept."""
    size = (round(image.shape[0] * WIDTH / image.shape[1]), WIDTH)
    return resize_image(image, size).permute(1, 2, 0).numpy()


def statistics(images: list[np.ndarray], depths: list[np.ndarray] | None = None) -> dict[str, object]:
    """Mean, deviation, quantiles of |dx|, share of flat pixels, spectrum slope of grey values; depths."""
    greys = [image.mean(-1) / 255 for image in images]
    change = np.concatenate([np.abs(np.diff(grey, axis=1)).ravel() for grey in greys])
    values = np.concatenate([grey.ravel() for grey in greys])
    row: dict[str, object] = {
        "mean": float(values.mean()),
        "std": float(values.std()),
        "|dx| 50/90/99 %": " / ".join(f"{q:.3f}" for q in np.quantile(change, (0.5, 0.9, 0.99))),
        "flat": float((change < 2 / 255).mean()),
        "slope": float(np.mean([spectrum_slope(grey) for grey in greys])),
    }
    if depths:
        found = np.concatenate([depth[depth > 0] for depth in depths])
        row["depth 5/25/50/75/95 %"] = " / ".join(
            f"{q:.1f}" for q in np.quantile(found, (0.05, 0.25, 0.5, 0.75, 0.95))
        )
    return row


def spectrum_slope(grey: np.ndarray) -> float:
    """Exponent of the power spectrum along rows, from 1/64 to 1/4 cycles per pixel."""
    window = np.hanning(grey.shape[1])
    power = (np.abs(np.fft.rfft((grey - grey.mean()) * window, axis=1)) ** 2).mean(0)
    frequency = np.fft.rfftfreq(grey.shape[1])
    used = (frequency > 1 / 64) & (frequency < 1 / 4)
    # of one row; a picture's radial spectrum is one steeper
    return float(np.polyfit(np.log(frequency[used]), np.log(power[used]), 1)[0]) - 1


if __name__ == "__main__":
    main(Path(sys.argv[1]))
