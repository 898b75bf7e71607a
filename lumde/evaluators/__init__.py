"""Every way to score depth, one file each. To add one: write the file, add its line."""

from lumde.evaluators.base import Evaluator
from lumde.evaluators.depth_accuracy import DepthAccuracy

EVALUATORS: dict[str, type[Evaluator]] = {
    "depth_accuracy": DepthAccuracy,
}
