"""The values everyone passes."""

from dataclasses import fields

import torch

from lumde.structures import DepthOutput, FrameBatch


def batch() -> FrameBatch:
    image = torch.rand(2, 3, 4, 6)
    return FrameBatch(
        image=image,
        jittered=image,
        intrinsics=torch.eye(3).expand(2, 3, 3),
        sources=torch.rand(2, 1, 3, 4, 6),
        offsets=(-1,),
        mask=torch.ones(2, 1, 4, 6, dtype=torch.bool),
        keys=("a/1", "a/2"),
    )


def test_to_moves_every_tensor_and_keeps_the_rest() -> None:
    moved = batch().to("meta")
    tensors = [
        getattr(moved, f.name) for f in fields(moved) if isinstance(getattr(moved, f.name), torch.Tensor)
    ]
    assert len(tensors) == 5
    assert all(tensor.device.type == "meta" for tensor in tensors)
    assert (moved.offsets, moved.keys, moved.depth) == ((-1,), ("a/1", "a/2"), None)


def test_disp_is_the_finest_scale() -> None:
    fine, coarse = torch.rand(1, 1, 4, 6), torch.rand(1, 1, 2, 3)
    assert DepthOutput(disps=(fine, coarse)).disp is fine
