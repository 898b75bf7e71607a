"""A model that was trained here, as teacher."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from jaxtyping import Float
from torch import Tensor, nn

from lumde.errors import ConfigError
from lumde.models import DepthModel, load, resize_disparity, resize_pictures, scaled
from lumde.teachers.base import Frozen
from lumde.teachers.passes import PassesConfig, PassesTeacher


class RunTeacher(PassesTeacher):
    """A run, checkpoint or model folder of ours: depth, encoder features and, with BatchNorm, statistics."""

    gives: tuple[str, ...] = ("maps", "depth", "features")

    @dataclass(kw_only=True)
    class Config(PassesConfig):
        """Where the teacher lies."""

        name: str = "run"
        path: str  # run, checkpoint or model folder
        # Metres of one unit of its depth, where somebody measured that (a tape will do): the student then
        # answers metres, within limits that are multiplied as well. 0 = as it is.
        metres: float = 0.0

        def __post_init__(self) -> None:
            """Refuse what is no length."""
            super().__post_init__()
            if self.metres < 0:
                raise ValueError(f"metres: of one unit of its depth, not negative, found {self.metres}")

    def __init__(self, config: Config) -> None:
        """Load, verify and freeze."""
        super().__init__()
        model = load(Path(config.path))
        if config.metres:
            model = _in_metres(model, config.metres)
        self.config = config
        self.unit, self.affine = model.config.unit, model.config.affine
        self.depth_range = (model.net.config.min_depth, model.net.config.max_depth)
        self.model = Frozen(model)
        if self.norm_layers():
            self.gives = (*self.gives, "statistics")

    def facts(self) -> str:
        """Sizes and mirroring of its passes, and how its network is fed."""
        fed = cast(DepthModel, self.model.net).config
        return f"{self.pass_facts()}{fed.net.architecture()} {fed.height} {fed.width} {fed.fit}"

    def ask(self, images: Float[Tensor, "b 3 h w"], size: float) -> Float[Tensor, "b 1 h w"]:
        """Depth at the images' size; the network sees them at `size` times its own."""
        model = cast(DepthModel, self.model.net)
        if size == 1:
            disparity = model.disparity(images)
        else:
            sides = model.input_size(images.shape[-2], images.shape[-1])
            rows, columns = (max(model.net.smallest, round(side * size)) for side in sides)
            disparity = 1.0 / model.net.depth(model.net(resize_pictures(images, (rows, columns))).disp)
        return 1.0 / resize_disparity(disparity, (images.shape[-2], images.shape[-1]))

    def depth_and_features(
        self, images: Float[Tensor, "b 3 h w"]
    ) -> tuple[Float[Tensor, "b 1 h w"], tuple[Float[Tensor, "b _ _ _"], ...]]:
        """Depth at the images' size and encoder maps at the model's, from one plain pass."""
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


def _in_metres(model: DepthModel, metres: float) -> DepthModel:
    """The same network with its unit measured; ConfigError if it needs none, or a factor is not all."""
    if model.config.unit == "metres" or model.config.affine:
        why = "answers metres already" if model.config.unit == "metres" else "has an unknown shift too"
        raise ConfigError(f"teacher.metres: this teacher {why}; drop it")
    return scaled(model, metres, "metres")
