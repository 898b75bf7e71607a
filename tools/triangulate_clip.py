"""Sparse truth for a KITTI odometry clip: depth of corners that are followed at the recorded poses.

usage: python tools/triangulate_clip.py ROOT SEQUENCE OUT
then:  lumde evaluate MODEL --data frames --root OUT
"""

import sys
from pathlib import Path

import numpy as np
import torch

from lumde.data.kitti_odometry import KittiOdometry
from lumde.files import write_text
from lumde.geometry.triangulation import View, triangulate
from lumde.media.cameras import Camera, write_camera
from lumde.media.depth_png import write_depth
from lumde.media.images import write_png
from lumde.structures import Frame

EVERY = 5  # frames between two that get a truth
OFFSETS = (-4, -3, -2, -1, 1, 2, 3, 4)  # of the sources, frames
NEAR, FAR = 2.0, 80.0  # metres
LEAST_POINTS = 20  # a frame with fewer is left out
DEPTH_SCALE = 256  # stored values per metre


def main(root: Path, sequence: str, out: Path) -> None:
    """Write OUT/SEQUENCE with image/, depth/, camera.yaml, and OUT/dataset.yaml."""
    dataset = KittiOdometry(KittiOdometry.Config(root=str(root), sequences=(sequence,)))
    folder = out / sequence
    for name in ("image", "depth"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    counts = []
    for key in dataset.targets[::EVERY]:
        around = [dataset.neighbour(key, offset) for offset in OFFSETS]
        if None in around:
            continue
        frame = dataset.read_fields(key, ("pose",))
        sources = [dataset.read_fields(near, ("pose",)) for near in around if near is not None]
        depth = triangulate(_view(frame, sources), NEAR, FAR)[0].numpy()
        if (count := int((depth > 0).sum())) < LEAST_POINTS:
            continue
        counts.append(count)
        write_png(folder / "image" / f"{key.name}.png", frame.image)
        write_depth(folder / "depth" / f"{key.name}.png", depth, DEPTH_SCALE)
    height, width = frame.image.shape[:2]
    write_camera(folder / "camera.yaml", Camera(frame.intrinsics, width, height))
    write_text(out / "dataset.yaml", f"depth_scale: {DEPTH_SCALE}\nmin_depth: {NEAR}\nmax_depth: {FAR}\n")
    print(f"{sequence}: {len(counts)} frames, {np.median(counts):.0f} points each (median)")


def _view(frame: Frame, sources: list[Frame]) -> View:
    """Pictures as floats, and motions from the poses."""
    pictures = torch.stack([_picture(source) for source in sources])
    motions = [np.linalg.inv(source.world_from_camera) @ frame.world_from_camera for source in sources]
    return View(
        _picture(frame),
        pictures,
        torch.from_numpy(np.stack(motions)).float(),
        torch.from_numpy(np.ascontiguousarray(frame.intrinsics)).float(),
    )


def _picture(frame: Frame) -> torch.Tensor:
    return torch.from_numpy(frame.image).permute(2, 0, 1).float() / 255


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
