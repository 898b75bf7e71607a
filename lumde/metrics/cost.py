"""What a network costs: parameters, multiply-accumulates, time of one frame on this machine."""

import statistics
import time

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
