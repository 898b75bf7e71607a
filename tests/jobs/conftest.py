"""A small untrained model and a small clip for jobs that take either."""

import pytest
import torch
from PIL import Image

from lumde.models import DepthModel, ModelConfig, build_net, save
from lumde.nets import DepthSmall
from lumde.worlds.clips import FAMILIES
from lumde.worlds.render import render_clip

TINY_RUN = """
method: {name: supervised}
student: {name: depth_small, size: tiny, scales: 1}
data: {name: synthetic, families: [shapes], worlds: 2, frames: 3, height: 32, width: 64}
snippets: {height: 32, width: 64}
loader: {batch: 2}
loop: {steps: 2}
"""


@pytest.fixture
def base(tmp_path):
    """Training config of a moment, for the rows of studies beside it."""
    (tmp_path / "base.yaml").write_text(TINY_RUN)
    return tmp_path / "base.yaml"


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
