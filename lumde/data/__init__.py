"""Where frames come from, one dataset per file. To add one: write the file, add its line."""

from lumde.data.base import FrameDataset
from lumde.data.frames import Frames
from lumde.data.kitti_odometry import KittiOdometry
from lumde.data.kitti_raw import KittiRaw
from lumde.data.nyu import Nyu
from lumde.data.synthetic import Synthetic

DATASETS: dict[str, type[FrameDataset]] = {
    "frames": Frames,
    "kitti_raw": KittiRaw,
    "kitti_odometry": KittiOdometry,
    "nyu": Nyu,
    "synthetic": Synthetic,
}
