"""Every way to train a student, one file each. To add one: write the file, add its line."""

from lumde.methods.adversarial import Adversarial
from lumde.methods.attentive_feature import AttentiveFeature
from lumde.methods.base import Method
from lumde.methods.data_free import DataFree
from lumde.methods.depth_probability import DepthProbability
from lumde.methods.photometric import Photometric
from lumde.methods.response import Response
from lumde.methods.supervised import Supervised

METHODS: dict[str, type[Method]] = {
    "photometric": Photometric,
    "adversarial": Adversarial,
    "response": Response,
    "attentive_feature": AttentiveFeature,
    "depth_probability": DepthProbability,
    "data_free": DataFree,
    "supervised": Supervised,
}
