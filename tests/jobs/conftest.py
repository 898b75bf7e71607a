"""A small untrained model and a small clip for jobs that take either."""

import pytest
import torch
from PIL import Image

from lumde.models import DepthModel, ModelConfig, build_net, save
from lumde.nets import DepthSmall
from lumde.worlds.clips import FAMILIES
from lumde.worlds.render import render_clip


@pytest.fixture
def start(tmp_path):
    """Model folder of an untrained network."""
    torch.manual_seed(0)
    config = DepthSmall.Config(size="tiny", scales=1)
    path = tmp_path / "start"
    save(DepthModel(ModelConfig(net=config, height=48, width=64, fit="area"), build_net(config)), path)
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Folder of pictures: a room, filmed by hand."""
    folder = tmp_path_factory.mktemp("clip")
    for i, image in enumerate(render_clip(FAMILIES["rooms"](3), 64, 96, 44).images):
        Image.fromarray(image).save(folder / f"{i:03d}.png")
    return folder
