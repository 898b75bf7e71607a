"""A network for checkpoints."""

import pytest

from lumde.models import DepthModel, ModelConfig
from lumde.nets.depth_small import DepthSmall


@pytest.fixture
def tiny_model() -> DepthModel:
    """An untrained network that saves quickly."""
    net = DepthSmall(DepthSmall.Config(size="tiny"))
    return DepthModel(ModelConfig(net=net.config, height=32, width=64), net)
