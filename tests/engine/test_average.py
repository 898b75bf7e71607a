"""What ships is an average, but for the places of depth bins."""

import torch

from lumde.engine.average import MovingAverage
from lumde.nets.bins import BinRange
from lumde.nets.depth_small import DepthSmall


def test_weights_and_statistics_are_averaged_and_bins_follow():
    net = DepthSmall(DepthSmall.Config(size="tiny", bins=8))
    averaged = MovingAverage(net, 0.9)
    names = ("bins.logits.weight", "bins.centres", "bins.batches")
    averaged.update_parameters(net)  # the first step is taken whole
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with torch.no_grad():
        net.bins.logits.weight += 1.0
    net.bins.move(BinRange(2.0, 8.0))
    net.bins.batches += 1
    averaged.update_parameters(net)
    own = averaged.module.state_dict()
    torch.testing.assert_close(own[names[0]], before[names[0]] + 0.1)
    for name in names[1:]:
        assert torch.equal(own[name], net.state_dict()[name])
