"""Where frames come from, one dataset per file. To add one: write the file, add its line."""

from lumde.data.base import FrameDataset
from lumde.data.synthetic import Synthetic

DATASETS: dict[str, type[FrameDataset]] = {
    "synthetic": Synthetic,
}
