"""A model that was trained here, as teacher."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from jaxtyping import Float
from torch import Tensor, nn

from lumde.models import DepthModel, load, resize_disparity
from lumde.registry import Named
from lumde.teachers.base import Frozen, Teacher


class RunTeacher(Teacher):
    """A run, checkpoint or model folder of ours: depth, encoder features and, with BatchNorm, statistics."""

    gives: tuple[str, ...] = ("maps", "depth", "features")

    @dataclass(kw_only=True)
    class Config(Named):
        """Where the teacher lies."""

        name: str = "run"
        path: str  # run, checkpoint or model folder

    def __init__(self, config: Config) -> None:
        """Load, verify and freeze."""
        super().__init__()
        model = load(Path(config.path))
        self.config = config
        self.unit = model.config.unit
        self.depth_range = (model.net.config.min_depth, model.net.config.max_depth)
        self.model = Frozen(model)
        if self.norm_layers():
            self.gives = (*self.gives, "statistics")

    def depth(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1 h w"]:
        """Depth at the images' size; the network sees them at its own."""
        return 1.0 / resize_disparity(self.model(images), (images.shape[-2], images.shape[-1]))

    def depth_and_features(
        self, images: Float[Tensor, "b 3 h w"]
    ) -> tuple[Float[Tensor, "b 1 h w"], tuple[Float[Tensor, "b _ _ _"], ...]]:
        """Depth at the images' size and encoder maps at the model's, from one pass."""
        model = cast(DepthModel, self.model.net)
        output = model.net(model.resized(images))
        disparity = 1.0 / model.net.depth(output.disp)
        return 1.0 / resize_disparity(disparity, (images.shape[-2], images.shape[-1])), output.features

    def features(self, images: Float[Tensor, "b 3 h w"]) -> tuple[Float[Tensor, "b _ _ _"], ...]:
        """Encoder maps at the model's input size, finest first."""
        return self.depth_and_features(images)[1]

    def norm_layers(self) -> tuple[nn.BatchNorm2d, ...]:
        """Every BatchNorm of the network, in its order."""
        return tuple(module for module in self.model.modules() if isinstance(module, nn.BatchNorm2d))
