"""A network in another unit answers multiples, wherever its depth comes from."""

import pytest
import torch

from lumde.models import DepthModel, ModelConfig, build_net, save, scaled
from lumde.nets.depth_small import DepthSmall


@pytest.mark.parametrize("bins", [0, 16])
def test_a_scaled_model_answers_multiples(tmp_path, bins):
    config = DepthSmall.Config(size="tiny", scales=1, bins=bins)
    model = DepthModel(ModelConfig(net=config, height=32, width=64), build_net(config)).eval()
    if bins:
        model.net.bins.centres.copy_(torch.linspace(0.5, 3.0, bins))  # where its training moved them
    image = torch.rand(1, 3, 48, 64)
    metric = scaled(model, 2.5, "metres")
    assert metric.config.unit == "metres" and model.config.unit == "relative"
    torch.testing.assert_close(2.5 * metric.disparity(image), model.disparity(image))
    save(model, tmp_path / "start")
    model.config.net.init = str(tmp_path / "start")  # as that of a network just trained from a start
    torch.testing.assert_close(2.5 * scaled(model, 2.5, "metres").disparity(image), model.disparity(image))
