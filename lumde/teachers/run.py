"""A model that was trained here, as teacher."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lumde.errors import ConfigError
from lumde.models import DepthModel, load, resize_disparity, resize_pictures, scaled
from lumde.teachers.base import Frozen, NetworkTeacherConfig, Teacher


class RunTeacher(Teacher):
    """A run, checkpoint or model folder of ours: depth, encoder features and, with BatchNorm, statistics."""

    gives: tuple[str, ...] = ("maps", "depth", "features")

    @dataclass(kw_only=True)
    class Config(NetworkTeacherConfig):
        """Where the teacher lies."""

        name: str = "run"
        path: str  # run, checkpoint or model folder
        # Better labels than one pass: log depth averaged over inputs of these sizes (times the network's
        # own) and over mirrored ones. Each costs a pass, in proportion to its area.
        sizes: tuple[float, ...] = (1.0,)
        flip: bool = False
        # Deviation of log depth between the passes above which a pixel teaches nothing; 0 = all pixels do.
        # 0.1 = passes a tenth apart. Not for data_free, whose pictures change.
        most_spread: float = 0.0
        # Deviation of log depth between the passes at which a pixel weighs half as much as where they agree;
        # 0 = all weigh alike. For plain imitation: response with loss log_l1.
        spread: float = 0.0
        # Metres of one unit of its depth, where somebody measured that (a tape will do): the student then
        # answers metres, within limits that are multiplied as well. 0 = as it is.
        metres: float = 0.0

        def __post_init__(self) -> None:
            """Refuse sizes that show nothing."""
            super().__post_init__()
            if not self.sizes or not all(0.25 <= size <= 4 for size in self.sizes):
                raise ValueError(f"sizes: one or more within 0.25..4, found {self.sizes}")
            passes = len(self.sizes) * (1 + self.flip)
            if self.metres < 0:
                raise ValueError(f"metres: of one unit of its depth, not negative, found {self.metres}")
            spreads = (self.most_spread, self.spread)
            if min(spreads) < 0 or (any(spreads) and passes < 2):
                raise ValueError(
                    "most_spread, spread: at least 0, and two passes or more (sizes, flip) that can differ"
                )

    def __init__(self, config: Config) -> None:
        """Load, verify and freeze."""
        super().__init__()
        model = load(Path(config.path))
        if config.metres:
            model = _in_metres(model, config.metres)
        self.config, self.weighs = config, config.spread > 0
        self._last: tuple[Tensor, Tensor] | None = None  # pictures and what the passes answered
        self.unit, self.affine = model.config.unit, model.config.affine
        self.depth_range = (model.net.config.min_depth, model.net.config.max_depth)
        self.model = Frozen(model)
        if self.norm_layers():
            self.gives = (*self.gives, "statistics")

    def depth(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1 h w"]:
        """Depth at the images' size; the network sees them at its own, once per pass of the config."""
        passes = self._passes(images)
        return passes[0] if len(passes) == 1 else passes.log().mean(0).exp()

    def labels(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1 h w"]:
        """The same, 0 where the passes differ by more than the config allows."""
        if not self.config.most_spread:
            return self.depth(images)
        logs = self._passes(images).log()
        sure = logs.std(0, correction=0) <= self.config.most_spread
        return torch.where(sure, logs.mean(0).exp(), 0.0)

    def certainty(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1 h w"]:
        """1 where the passes agree, 1/2 where they are the config's spread apart."""
        spread = self._passes(images).log().std(0, correction=0)
        return 1 / (1 + (spread / self.config.spread).square())

    def _passes(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "p b 1 h w"]:
        """Depth of every pass; what is asked of the same tensor twice is answered by the same ones."""
        if not self.weighs:
            return self._asked(images)
        if self._last is None or self._last[0] is not images:
            self._last = images, self._asked(images)
        return self._last[1]

    def _asked(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "p b 1 h w"]:
        passes = [self._pass(images, size) for size in self.config.sizes]
        if self.config.flip:
            passes += [self._pass(images.flip(-1), size).flip(-1) for size in self.config.sizes]
        return torch.stack(passes)

    @property
    def one_pass(self) -> bool:
        """False where its config asks for several passes."""
        return super().one_pass and self.config.sizes == (1.0,) and not self.config.flip

    def facts(self) -> str:
        """Sizes and mirroring of its passes, and how its network is fed."""
        fed = cast(DepthModel, self.model.net).config
        passes = f"{self.config.sizes} {self.config.flip} {self.config.most_spread}"
        return f"{passes} {fed.net.architecture()} {fed.height} {fed.width} {fed.fit}"

    def weight_facts(self) -> str:
        """The spread at which a pixel weighs half."""
        return f"weights {self.config.spread}"

    def _pass(self, images: Float[Tensor, "b 3 h w"], size: float) -> Float[Tensor, "b 1 h w"]:
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
