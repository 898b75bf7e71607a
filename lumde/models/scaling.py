"""The same network in another unit of depth."""

from dataclasses import replace

from lumde.models.folder import build_net
from lumde.models.model import DepthModel
from lumde.nets.bins import BinsHead
from lumde.structures import Unit


def scaled(model: DepthModel, factor: float, unit: Unit) -> DepthModel:
    """A copy whose depths are all multiplied, by way of its limits and bins."""
    own = model.config.net.architecture()  # it has its weights: where they began does not matter
    net = replace(own, min_depth=own.min_depth * factor, max_depth=own.max_depth * factor)
    config = replace(model.config, net=net, unit=unit)
    copy = DepthModel(config, build_net(net))
    copy.net.load_state_dict(model.net.state_dict())
    if isinstance(head := getattr(copy.net, "bins", None), BinsHead):
        head.centres.mul_(factor)
    return copy.eval()
