"""Foreign weight files -> model folder: names and shapes are compared, nothing in the files is executed."""

from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from lumde.errors import CheckpointError
from lumde.files import claim_output
from lumde.models import DepthModel, ModelConfig, save
from lumde.models.model import MAX_SIDE
from lumde.nets.depth_resnet import DepthResnet
from lumde.nets.pose_resnet import PoseResnet
from lumde.nets.weights import ForeignFile, check_shapes, read_foreign

DEPTH_FILES = ("encoder.pth", "depth.pth")
POSE_FILES = ("pose_encoder.pth", "pose.pth")
CLASSIFIER = "encoder.fc."  # present in the files, used by nobody


def convert(foreign: Path, out: Path) -> DepthModel:
    """Turn a folder of Monodepth2-format weights into a model folder.

    Args:
        foreign: holds encoder.pth and depth.pth, and both or neither of pose_encoder.pth and pose.pth.
        out: new folder, nothing is written unless all of it fits.

    Raises:
        CheckpointError: a file is missing, damaged, holds code, or belongs to another network.
        UsageError: `out` is not empty.
    """
    claim_output(out)
    out = out.resolve()  # a link stays a link
    out.rmdir()  # `save` puts the whole folder there by one rename
    with_pose = _present(foreign)
    names = DEPTH_FILES + (POSE_FILES if with_pose else ())
    files = dict(zip(names, read_foreign([foreign / name for name in names]), strict=True))
    height, width = _input_size(files["encoder.pth"], foreign / "encoder.pth")
    net = _depth_net(_joined(files, DEPTH_FILES), foreign)
    pose = _pose_net(_joined(files, POSE_FILES), foreign) if with_pose else None
    facts = {
        "converted_from": "Monodepth2 format",
        "use_stereo": bool(files["encoder.pth"].facts.get("use_stereo")),
    }
    model = DepthModel(ModelConfig(net=net.config, height=height, width=width, training=facts), net).eval()
    save(model, out, pose=pose)
    return model


def _present(foreign: Path) -> bool:
    """Check that the files are there; answer whether the pose network is."""
    if not foreign.is_dir():
        raise CheckpointError(
            f"{foreign}: no such folder; give the folder that holds {' and '.join(DEPTH_FILES)}"
        )
    there = [name for name in POSE_FILES if (foreign / name).is_file()]
    wanted = DEPTH_FILES + (POSE_FILES if there else ())
    if missing := [name for name in wanted if not (foreign / name).is_file()]:
        raise CheckpointError(
            f"{foreign}: {', '.join(missing)} missing; Monodepth2 weights are these files together"
        )
    return bool(there)


def _input_size(encoder: ForeignFile, path: Path) -> tuple[int, int]:
    """The size that the encoder's plain entries name."""
    height, width = (encoder.facts.get(key) for key in ("height", "width"))
    if (
        type(height) is int
        and type(width) is int
        and 0 < min(height, width) <= max(height, width) <= MAX_SIDE
    ):
        return height, width
    raise CheckpointError(
        f"{path}: entries height and width of 1 to {MAX_SIDE} are needed, found {height}, {width}; "
        "they say at what size the network was trained"
    )


def _joined(files: dict[str, ForeignFile], names: tuple[str, ...]) -> dict[str, Tensor]:
    """Tensors of an encoder and its head as one state: our networks use the same names."""
    return {
        name: tensor
        for file in names
        for name, tensor in files[file].tensors.items()
        if not name.startswith(CLASSIFIER)
    }


def _depth_net(state: dict[str, Tensor], foreign: Path) -> DepthResnet:
    with torch.device("meta"):
        net = DepthResnet(DepthResnet.Config(layers=_layers(state)))
    _fill(net, state, foreign)
    return net


def _pose_net(state: dict[str, Tensor], foreign: Path) -> PoseResnet:
    with torch.device("meta"):
        net = PoseResnet(PoseResnet.Config(layers=_layers(state)))
    _fill(net, state, foreign)
    return net


def _layers(state: dict[str, Tensor]) -> Literal[18, 34, 50]:
    """Tell the ResNet: layer3 has 2 blocks in 18, 6 in 34 and 50, with a third convolution each in 50."""
    if "encoder.layer3.5.conv1.weight" not in state:
        return 18
    return 50 if "encoder.layer3.5.conv3.weight" in state else 34


def _fill(net: nn.Module, state: dict[str, Tensor], foreign: Path) -> None:
    """Give a network on the meta device its weights; names and shapes must all agree."""
    wanted = net.state_dict()
    check_shapes(
        {name: t.shape for name, t in wanted.items()},
        {name: t.shape for name, t in state.items()},
        f"{foreign} (read as ResNet-{_layers(state)})",
        "; Monodepth2 weights with ResNet-18, 34 or 50 are read",
    )
    net.load_state_dict({name: t.to(wanted[name].dtype) for name, t in state.items()}, assign=True)
