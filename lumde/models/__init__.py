"""A network with its preprocessing, unit and input size, as one folder."""

from lumde.models.folder import (
    build_net,
    build_pose_net,
    initialise,
    initialise_pose,
    load,
    model_folder,
    save,
    shipped_models,
    write_model,
)
from lumde.models.model import DepthModel, DepthResult, ModelConfig, resize_disparity, resize_pictures
from lumde.models.scaling import scaled

__all__ = [
    "DepthModel",
    "DepthResult",
    "ModelConfig",
    "build_net",
    "build_pose_net",
    "initialise",
    "initialise_pose",
    "load",
    "model_folder",
    "resize_disparity",
    "resize_pictures",
    "save",
    "scaled",
    "shipped_models",
    "write_model",
]
