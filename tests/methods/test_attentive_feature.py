"""The ghost decoder is copied once and stays; acclimation makes a teacher's features speak through it."""

import pytest
import torch
from method_parts import FixedTeacher, TwoPasses, frames_of

from lumde.methods.attentive_feature import AttentiveFeature
from lumde.nets.depth_small import DepthSmall


def made(teacher=FixedTeacher, net=None, **options) -> AttentiveFeature:
    torch.manual_seed(0)
    config = AttentiveFeature.Config(name="attentive_feature", **options)
    student = DepthSmall(DepthSmall.Config(size="tiny", scales=1, **(net or {})))
    return AttentiveFeature(config, student, teacher())


def test_phases_begin_at_their_steps():
    method, batch = made(ghost_step=3, feature_step=5).train(), {"main": frames_of(2)}
    assert method.terms(batch, "acclimate", 2) == {}
    assert set(method.terms(batch, "student", 4)) == {"imitation"}
    assert set(method.terms(batch, "acclimate", 3)) == {"acclimation"}
    assert set(method.terms(batch, "student", 5)) == {"imitation", "feature"}


def test_the_ghost_is_the_student_at_its_step_and_never_again():
    method, batch = made(ghost_step=1, feature_step=9).train(), {"main": frames_of(2)}
    with torch.no_grad():
        for p in method.student.parameters():
            p.add_(0.05)
    method.terms(batch, "acclimate", 1)
    copied = {k: v.clone() for k, v in method.ghost.net.state_dict().items()}
    assert all(torch.equal(copied[k], v) for k, v in method.student.state_dict().items())
    with torch.no_grad():
        for p in method.student.parameters():
            p.add_(0.05)
    statistics = {k: v.clone() for k, v in method.student.state_dict().items() if "running" in k}
    method.terms(batch, "acclimate", 2)
    assert all(torch.equal(copied[k], v) for k, v in method.ghost.net.state_dict().items())
    now = method.student.state_dict()
    assert all(torch.equal(v, now[k]) for k, v in statistics.items())  # acclimation leaves the student alone


def test_acclimation_brings_the_ghosts_depth_to_the_teachers():
    method, batch = made(ghost_step=0, feature_step=1).train(), {"main": frames_of(4)}
    optimizer = torch.optim.Adam(method.trainable("acclimate"), 1e-2)
    losses = []
    for step in range(60):
        (loss,) = method.terms(batch, "acclimate", step).values()
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.7 * losses[0]


def test_labels_of_several_passes_are_learned_and_their_holes_are_not():
    method, frames = made(TwoPasses, ghost_step=0, feature_step=1).eval(), frames_of(2)
    with torch.no_grad():
        ours = method.student.depth(method.student(frames.jittered).disp)
        gap = (ours.log() - (2 * method.teacher.depth(frames.image)).log()).abs()
        expected = (gap.sum() - gap[:, :, :8, :8].sum()) / (gap.numel() - 2 * 64)
    terms = method.terms({"main": frames}, "student", 1)
    torch.testing.assert_close(terms["imitation"].detach(), expected)
    assert (
        terms["feature"].isfinite()
        and method.terms({"main": frames}, "acclimate", 1)["acclimation"].isfinite()
    )


def test_features_of_masked_pixels_are_not_learned():
    method, frames = made(ghost_step=0, feature_step=1).eval(), frames_of(2)
    frames.mask = torch.arange(64)[None, None, None].expand(2, 1, 32, 64) < 32
    features = tuple(maps.detach().requires_grad_() for maps in method.student(frames.image).features)
    sum(method._gaps(method._asked(frames), features)).backward()
    for maps in (features[place] for place in method.places):
        left, right = maps.grad.abs().sum((0, 1, 2)).tensor_split([(maps.shape[3] + 1) // 2])
        assert left.sum() > 0 and right.sum() == 0


@pytest.mark.parametrize(("bins", "maps"), [(0, 5), (16, 4)])
def test_only_maps_that_the_decoder_reads_are_adapted(bins, maps):
    """A head of bins ends before the finest map: an adapter of that one would stay as it was drawn."""
    method = made(ghost_step=0, feature_step=1, net={"bins": bins, "local_global": True}).train()
    method.terms({"main": frames_of(2)}, "acclimate", 0)["acclimation"].backward()
    assert len(method.adapters) == maps
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in method.adapters.parameters())
    method.terms({"main": frames_of(2)}, "student", 1)["feature"].backward()
    assert method.student.down[0].halve[0].weight.grad is not None
