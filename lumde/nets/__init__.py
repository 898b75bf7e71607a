"""Every network, one file each. To add one: write the file, add its line."""

from lumde.nets.base import Critic, DepthNet, PoseNet
from lumde.nets.critic_convolutional import CriticConvolutional
from lumde.nets.critic_transformer import CriticTransformer
from lumde.nets.depth_dilated import DepthDilated
from lumde.nets.depth_fusion import DepthFusion
from lumde.nets.depth_light import DepthLight
from lumde.nets.depth_mobile import DepthMobile
from lumde.nets.depth_resnet import DepthResnet
from lumde.nets.depth_small import DepthSmall
from lumde.nets.depth_transformer import DepthTransformer
from lumde.nets.pose_correlation import PoseCorrelation
from lumde.nets.pose_resnet import PoseResnet
from lumde.nets.pose_small import PoseSmall

DEPTH_NETS: dict[str, type[DepthNet]] = {
    "depth_small": DepthSmall,
    "depth_resnet": DepthResnet,
    "depth_mobile": DepthMobile,
    "depth_light": DepthLight,
    "depth_fusion": DepthFusion,
    "depth_dilated": DepthDilated,
    "depth_transformer": DepthTransformer,
}
POSE_NETS: dict[str, type[PoseNet]] = {
    "pose_small": PoseSmall,
    "pose_correlation": PoseCorrelation,
    "pose_resnet": PoseResnet,
}
CRITICS: dict[str, type[Critic]] = {
    "critic_transformer": CriticTransformer,
    "critic_convolutional": CriticConvolutional,
}
