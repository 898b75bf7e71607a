"""The photometric chain equals the reference program, value by value and gradient by gradient.

Tolerances are those of README.md: double precision, values 1e-5, gradients 1e-4 of the largest entry.
"""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lumde.geometry.depth import disp_to_depth
from lumde.geometry.pose import transform_from_motion
from lumde.geometry.warp import warp
from lumde.losses.photometric import minimum_reprojection, reprojection_error, ssim_map
from lumde.losses.smoothness import edge_aware_smoothness

SCALES, SOURCES = range(4), ("previous", "next")
INPUTS = [f"disp_{k}" for k in SCALES]
INPUTS += [f"{kind}_{name}" for kind in ("axis_angle", "translation") for name in SOURCES]
SINGLE_PRECISION = ("loss", "depth_0", "source_from_target", "grid")


def read(dtype):
    with np.load(Path(__file__).with_name("photometric.npz")) as archive:
        return {key: torch.from_numpy(archive[key]) for key in archive.files if "grad" not in key}, {
            key.removeprefix("grad_"): torch.from_numpy(archive[key]).to(dtype)
            for key in archive.files
            if "grad" in key
        }


def compute(dtype):
    """Run the whole loss on the stored inputs; answer every figure under its stored name."""
    stored, gradients = read(dtype)
    given = {key: value.to(dtype) for key, value in stored.items()}
    leaves = {key: given[key].clone().requires_grad_() for key in INPUTS}
    figures = {"ssim_previous": ssim_map(given["source_previous"], given["target"])}
    identity = torch.cat(
        [reprojection_error(given[f"source_{name}"], given["target"]) for name in SOURCES], 1
    )
    for index, name in enumerate(SOURCES):
        figures[f"identity_{name}"] = identity[:, index : index + 1]
        motion = leaves[f"axis_angle_{name}"], leaves[f"translation_{name}"]
        figures[f"source_from_target_{name}"] = transform_from_motion(*motion, invert=name == "previous")
    for k in SCALES:
        size = given["target"].shape[-2:]
        full = F.interpolate(leaves[f"disp_{k}"], size, mode="bilinear", align_corners=False)
        depth = disp_to_depth(full, 0.1, 100.0)
        errors = []
        for name in SOURCES:
            motion = figures[f"source_from_target_{name}"]
            warped = warp(given[f"source_{name}"], depth, motion, given["intrinsics"])
            errors.append(reprojection_error(warped.image, given["target"]))
            if k == 0:
                figures["depth_0"] = depth
                figures[f"grid_{name}"], figures[f"warped_{name}"] = warped.grid, warped.image
                figures[f"reprojection_{name}"] = errors[-1]
        result = minimum_reprojection(torch.cat(errors, 1), identity)
        figures[f"identity_wins_{k}"] = result.identity_wins[:, 0]
        figures[f"smoothness_{k}"] = edge_aware_smoothness(leaves[f"disp_{k}"], given[f"target_{k}"])
        figures[f"loss_{k}"] = result.loss + 1e-3 / 2**k * figures[f"smoothness_{k}"]
    figures["loss"] = torch.stack([figures[f"loss_{k}"] for k in SCALES]).mean()
    figures["loss"].backward()
    return SimpleNamespace(stored=stored, figures=figures, leaves=leaves, gradients=gradients)


@pytest.fixture(scope="module")
def double():
    return compute(torch.float64)


@pytest.fixture(scope="module")
def single():
    return compute(torch.float32)


def figure_names():
    with np.load(Path(__file__).with_name("photometric.npz")) as archive:
        given = {
            *INPUTS,
            "target",
            "intrinsics",
            *(f"source_{n}" for n in SOURCES),
            *(f"target_{k}" for k in SCALES),
        }
        return [key for key in archive.files if key not in given and "grad" not in key]


@pytest.mark.parametrize("name", figure_names())
def test_values(double, name):
    expected, ours = double.stored[name], double.figures[name].detach()
    if name.startswith("identity_wins"):
        assert torch.equal(ours, expected.bool())
    else:
        torch.testing.assert_close(ours, expected.to(ours.dtype), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", INPUTS)
def test_gradients(double, name):
    expected = double.gradients[name]
    tolerance = 1e-4 * expected.abs().max().item()
    torch.testing.assert_close(double.leaves[name].grad, expected, atol=tolerance, rtol=0)


@pytest.mark.parametrize("name", [name for name in figure_names() if name.startswith(SINGLE_PRECISION)])
def test_values_that_single_precision_keeps(single, name):
    ours = single.figures[name].detach().double()
    torch.testing.assert_close(ours, single.stored[name].double(), atol=1e-5, rtol=1e-5)
