"""Milliseconds per picture and per training step, of light networks and a large one.

usage: OMP_NUM_THREADS=2 python tools/bench_networks.py OUT.json

Answers pictures of 192x640 in fp32; learns from 16 of 96x160 with the number format that training picks here.
Rounds over all networks, medians over rounds: what slows the machine for a while slows all of them.
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lumde.config import parse
from lumde.engine.devices import network_dtype
from lumde.files import write_json
from lumde.metrics.cost import network_cost
from lumde.nets import DEPTH_NETS
from lumde.registry import build

NETWORKS: dict[str, dict[str, Any]] = {
    "depth_small, light": {"name": "depth_small", "size": "light"},
    "depth_small, base": {"name": "depth_small"},
    "depth_light": {"name": "depth_light"},
    "depth_light without attention": {"name": "depth_light", "attention": False},
    "depth_mobile (MobileNetV3-Large)": {"name": "depth_mobile"},
    "depth_resnet (ResNet-18)": {"name": "depth_resnet"},
}
PICTURE, BATCH = (1, 3, 192, 640), (16, 3, 96, 160)
ROUNDS = 15


def main(out: Path) -> None:
    """Time all networks in turns and write what was found."""
    nets = {name: _made(values) for name, values in NETWORKS.items()}
    found = {}
    for name, net in nets.items():
        cost = network_cost(net, *PICTURE[2:])
        found[name] = {"params": cost["params"], "gmacs": cost["gmacs"]}
    for key, job, shape in (("picture_ms", _answer, PICTURE), ("step_ms", _learn, BATCH)):
        images = torch.rand(shape).to(memory_format=torch.channels_last)
        times: dict[str, list[float]] = {name: [] for name in nets}
        for _ in range(ROUNDS):
            for name, net in nets.items():
                times[name].append(_milliseconds(job, net, images))
        for name in nets:
            found[name][key] = statistics.median(times[name][1:])
    dtype = str(network_dtype("auto", torch.device("cpu"))).removeprefix("torch.")
    write_json(out, {"threads": torch.get_num_threads(), "training": dtype, "networks": found})
    for name, row in found.items():
        print(
            f"{name:34}{row['gmacs']:6.2f} GMAC{row['picture_ms']:8.1f} ms{row['step_ms']:8.1f} ms per step"
        )


def _made(values: dict[str, Any]) -> nn.Module:
    config = parse({**values, "scales": 1}, DEPTH_NETS[values["name"]].Config)
    return build(DEPTH_NETS, config).to(memory_format=torch.channels_last)


def _milliseconds(job: Callable[[nn.Module, Tensor], None], net: nn.Module, images: Tensor) -> float:
    started = time.perf_counter()
    job(net, images)
    return 1000 * (time.perf_counter() - started)


def _answer(net: nn.Module, images: Tensor) -> None:
    with torch.inference_mode():
        net.eval()(images)


def _learn(net: nn.Module, images: Tensor) -> None:
    """Forward and backward, without the optimiser and without pictures being made."""
    dtype = network_dtype("auto", torch.device("cpu"))
    with torch.autocast("cpu", dtype=dtype, enabled=dtype != torch.float32):
        output = net.train()(images)
    output.disp.float().mean().backward()
    net.zero_grad()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
