"""Model folders: config.json, model.safetensors, README.md, manifest.json, at times pose.safetensors.

Whatever is read is verified first; nothing in a folder is ever executed.
"""

import re
from pathlib import Path

import torch
from torch import nn

from lumde.config import parse, to_dict
from lumde.errors import CheckpointError, ConfigError, DataError, UsageError
from lumde.files import atomic_folder, read_json, verify_manifest, write_json, write_manifest, write_text
from lumde.models.card import model_card
from lumde.models.model import FORMAT, DepthModel, ModelConfig, require_format
from lumde.models.tensors import read_tensors, write_tensors
from lumde.nets import DEPTH_NETS, POSE_NETS
from lumde.nets.base import DepthNet, PoseNet
from lumde.registry import build

CONFIG, WEIGHTS, POSE_WEIGHTS, CARD = "config.json", "model.safetensors", "pose.safetensors", "README.md"
MAX_CONFIG_BYTES = 1 << 20
SHIPPED = Path(__file__).resolve().parents[1] / "shipped"  # model folders that travel with the package
DEFAULT_MODEL = "light"


def save(model: DepthModel, folder: Path, pose: nn.Module | None = None, half: bool = False) -> None:
    """Write a new model folder, all of it or nothing.

    Args:
        model: network and config; `config.training` goes to the card too.
        folder: must not exist.
        pose: the pose network that was trained beside it.
        half: store the weights as fp16; they are fp32 again once loaded.

    Raises:
        CheckpointError: a weight is not finite.
        ResourceError: `folder` exists or cannot be written.
    """
    with atomic_folder(folder) as temporary:
        write_model(model, temporary, half)
        if pose is not None:
            write_tensors(temporary / POSE_WEIGHTS, pose.state_dict())
        write_text(temporary / CARD, model_card(model))
        write_manifest(temporary, {"kind": "model"})


def write_model(model: DepthModel, folder: Path, half: bool = False) -> None:
    """Write config and weights into `folder`; the caller adds the manifest (checkpoints hold more files)."""
    values = to_dict(model.config)
    values["net"] = to_dict(model.config.net.architecture())
    write_json(folder / CONFIG, values)
    write_tensors(folder / WEIGHTS, model.net.state_dict(), half)


def load(path: str | Path | None = None) -> DepthModel:
    """Load a model, verified and in evaluation mode, on the CPU.

    Args:
        path: run folder (its model, else its newest checkpoint), checkpoint folder or model folder;
            None = the model that is shipped with the package.

    Raises:
        UsageError: an ONNX file.
        CheckpointError: nothing to load there, damaged, or not a model of ours.
    """
    folder = model_folder(None if path is None else Path(path))
    config = read_config(folder)
    with torch.device("meta"):
        net = build(DEPTH_NETS, config.net)
    net.load_state_dict(read_tensors(folder / WEIGHTS, net), assign=True)
    return DepthModel(config, net).eval()


def model_folder(path: Path | None) -> Path:
    """Find the folder with the weights of MODEL (None: the shipped one), checked against its manifest.

    A shipped model's name stands for its folder, unless a folder of that name lies here.
    """
    path = SHIPPED / DEFAULT_MODEL if path is None else path
    if not path.exists() and path.name == str(path) and (SHIPPED / path).is_dir():
        path = SHIPPED / path
    if path.suffix == ".onnx":
        raise UsageError(f"{path}: ONNX files are not read by this version; give the run or model folder")
    if not path.is_dir():
        raise CheckpointError(f"{path}: no such folder; a run, checkpoint or model folder is needed")
    candidates = [path, path / "model", *_checkpoints(path)]
    folder = next((c for c in candidates if (c / CONFIG).is_file()), None)
    if folder is None:
        raise CheckpointError(f"{path}: holds no {CONFIG}, model/ or checkpoints/; is it a run of lumde?")
    listed = verify_manifest(folder)["files"]
    if missing := {CONFIG, WEIGHTS} - set(listed):
        raise CheckpointError(f"{folder}: manifest.json does not list {', '.join(sorted(missing))}")
    return folder


def read_config(folder: Path) -> ModelConfig:
    """Read config.json strictly; weight files that it may name are ignored, the folder has its own.

    Raises:
        CheckpointError: not a model config of ours.
    """
    try:
        values = read_json(folder / CONFIG, MAX_CONFIG_BYTES)
        if isinstance(values, dict):
            require_format(values.get("format", FORMAT))  # first: another format has keys of its own
        config = parse(values, ModelConfig)
    except (ConfigError, DataError, ValueError) as error:
        raise CheckpointError(f"{folder / CONFIG}: {error}") from error
    config.net = config.net.architecture()
    return config


def build_net(config: DepthNet.Config) -> DepthNet:
    """Build a depth network with the start that its config asks for (`init`, `weights` or random)."""
    if config.init is None:
        return build(DEPTH_NETS, config)  # type: ignore[no-any-return]
    net: DepthNet = build(DEPTH_NETS, config.architecture())
    initialise(net, Path(config.init))
    return net


def build_pose_net(config: PoseNet.Config) -> PoseNet:
    """Build a pose network with the start that its config asks for."""
    net: PoseNet = build(POSE_NETS, config)
    if config.init is not None:
        initialise_pose(net, Path(config.init))
    return net


def initialise(net: DepthNet, path: Path) -> None:
    """Give `net` the weights of a model folder of the same network.

    Raises:
        CheckpointError: damaged, another network, or another depth range (outputs would mean other depths).
    """
    folder = model_folder(path)
    there, here = read_config(folder).net, net.config
    if (there.min_depth, there.max_depth) != (here.min_depth, here.max_depth):
        raise CheckpointError(
            f"init: {folder}: its depths run from {there.min_depth} to {there.max_depth}, "
            f"this network's from {here.min_depth} to {here.max_depth}; make them equal"
        )
    net.load_state_dict(read_tensors(folder / WEIGHTS, net, f"; init needs the same network: {_said(there)}"))


def initialise_pose(net: PoseNet, path: Path) -> None:
    """Give `net` the pose weights of a model folder; CheckpointError if not there or of another network."""
    folder = model_folder(path)
    if not (folder / POSE_WEIGHTS).is_file():
        raise CheckpointError(
            f"init: {folder}: holds no {POSE_WEIGHTS}; it was trained without a pose network"
        )
    net.load_state_dict(read_tensors(folder / POSE_WEIGHTS, net, "; init needs the same pose network"))


def _checkpoints(run: Path) -> list[Path]:
    """Checkpoint folders of a run, newest first."""
    found = [p for p in (run / "checkpoints").glob("step-*") if re.fullmatch(r"step-[0-9]{1,12}", p.name)]
    return sorted(found, key=lambda p: int(p.name.removeprefix("step-")), reverse=True)


def _said(config: object) -> str:
    return ", ".join(f"{key} {value}" for key, value in to_dict(config).items() if value is not None)


def shipped_models() -> dict[str, ModelConfig]:
    """Name and config of every model that travels with the package."""
    return {folder.name: read_config(folder) for folder in sorted(SHIPPED.iterdir()) if folder.is_dir()}
