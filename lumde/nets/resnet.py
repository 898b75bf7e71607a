"""The ResNet encoder of the depth and the pose network; names as in torchvision, classifier removed."""

from jaxtyping import Float
from torch import Tensor, nn
from torchvision import models

from lumde.nets.weights import load_encoder

BUILDERS = {18: models.resnet18, 34: models.resnet34, 50: models.resnet50}
CHANNELS = {18: (64, 64, 128, 256, 512), 34: (64, 64, 128, 256, 512), 50: (64, 256, 512, 1024, 2048)}


def resnet_encoder(layers: int, weights: str, channels_in: int = 3) -> models.ResNet:
    """Make a torchvision ResNet without its classifier, started from `weights` (see `load_encoder`)."""
    encoder: models.ResNet = BUILDERS[layers](weights=None)
    encoder.fc = nn.Identity()  # type: ignore[assignment]
    if channels_in != 3:
        encoder.conv1 = nn.Conv2d(channels_in, 64, 7, stride=2, padding=3, bias=False)
        nn.init.kaiming_normal_(encoder.conv1.weight, mode="fan_out", nonlinearity="relu")
    load_encoder(encoder, weights, f"resnet{layers}", channels_in)
    return encoder


def resnet_features(
    encoder: models.ResNet, image: Float[Tensor, "b c h w"]
) -> tuple[Float[Tensor, "b _ _ _"], ...]:
    """Answer the maps at 1/2, 1/4, 1/8, 1/16 and 1/32; the first is taken before the max pool."""
    x = encoder.relu(encoder.bn1(encoder.conv1(image)))
    features = [x]
    x = encoder.maxpool(x)
    for layer in (encoder.layer1, encoder.layer2, encoder.layer3, encoder.layer4):
        x = layer(x)
        features.append(x)
    return tuple(features)
