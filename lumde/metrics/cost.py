"""What a network costs: parameters, multiply-accumulates, time of one frame on this machine."""

import statistics
import time
from collections.abc import Iterable

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

TIMED_RUNS = 15


def network_cost(net: nn.Module, height: int, width: int) -> dict[str, int | float]:
    """Measure a network on one image of `height` x `width`.

    Returns:
        `params`; `gmacs` (10^9 multiply-accumulates of convolutions and matrix products, half of the FLOPs);
        `ms` (median time of one frame here, fp32).
    """
    net = net.eval()
    image = torch.rand(1, 3, height, width, device=next(net.parameters()).device)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net(image)
    return {
        "params": sum(p.numel() for p in net.parameters()),
        "gmacs": counter.get_total_flops() / 2e9,
        "ms": _milliseconds(net, image),
    }


class Multiplications:
    """Counts multiply-accumulates of convolutions and linear layers while they train, forward."""

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        """Listen to those of `modules` that are such layers, from now on."""
        self.total = 0
        kinds = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
        self._hooks = [m.register_forward_hook(self._heard) for m in modules if isinstance(m, kinds)]

    def stop(self) -> None:
        """Listen no more."""
        for hook in self._hooks:
            hook.remove()

    def _heard(self, layer: nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        if not layer.training:
            return
        weight = layer.weight
        assert isinstance(weight, torch.Tensor)
        # Each number that goes in (transposed) or comes out meets every weight of its channel once.
        places = inputs[0] if isinstance(layer, nn.ConvTranspose2d) else output
        self.total += places.numel() * weight[0].numel()


def _milliseconds(net: nn.Module, image: torch.Tensor) -> float:
    times = []
    with torch.inference_mode():
        for _ in range(TIMED_RUNS):
            started = time.perf_counter()
            net(image)
            if image.is_cuda:
                torch.cuda.synchronize()
            times.append(time.perf_counter() - started)
    return 1000 * statistics.median(times[3:])
