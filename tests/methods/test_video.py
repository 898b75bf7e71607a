"""The joined photometric part against the reference's figures, and its behaviour at the edges."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lumde.config import parse
from lumde.geometry.warp import Warped
from lumde.losses.photometric import minimum_reprojection, reprojection_error
from lumde.methods.photometric import Photometric
from lumde.methods.video import VideoTerms, _clear_of_masks
from lumde.methods.video_config import FREE_DRIFT
from lumde.nets.depth_small import DepthSmall
from lumde.structures import RIGHT, DepthOutput, FrameBatch

GOLDEN = Path(__file__).parents[1] / "golden" / "photometric.npz"


def video(**options: object) -> VideoTerms:
    return VideoTerms(
        parse({"name": "photometric", "pose": {"name": "pose_small"}, **options}, Photometric.Config)
    )


def plain_run(net: nn.Module, *inputs: Tensor) -> object:
    return net(*inputs)


class FixedMotion(nn.Module):
    """Stands in for a pose network: one answer per pair, in the order of the sources."""

    def __init__(self, axis_angle: Tensor, translation: Tensor) -> None:
        super().__init__()
        self.answer = (axis_angle, translation)

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        self.first, self.second = first, second
        return self.answer


@pytest.fixture(scope="module")
def golden() -> dict[str, Tensor]:
    with np.load(GOLDEN) as figures:
        return {name: torch.from_numpy(np.asarray(figures[name], dtype=np.float64)) for name in figures}


def golden_batch(golden: dict[str, Tensor]) -> FrameBatch:
    sources = torch.stack([golden["source_previous"], golden["source_next"]], 1)
    return FrameBatch(
        image=golden["target"],
        jittered=golden["target"],
        intrinsics=golden["intrinsics"],
        sources=sources,
        sources_jittered=sources,
        offsets=(-1, 1),
    )


def golden_video(golden: dict[str, Tensor]) -> VideoTerms:
    terms = video().eval()  # evaluation: no tie-breaking noise, as in the figures
    terms.pose = FixedMotion(
        torch.cat([golden["axis_angle_previous"], golden["axis_angle_next"]]),
        torch.cat([golden["translation_previous"], golden["translation_next"]]),
    )
    return terms


def test_photometric_term_equals_the_reference(golden: dict[str, Tensor]) -> None:
    output = DepthOutput(disps=tuple(golden[f"disp_{k}"] for k in range(4)))
    net = DepthSmall(DepthSmall.Config())
    result = golden_video(golden)(net, output, golden_batch(golden), plain_run)
    expected = sum(golden[f"loss_{k}"] - 1e-3 / 2**k * golden[f"smoothness_{k}"] for k in range(4)) / 4
    torch.testing.assert_close(result.terms["photometric"], expected, atol=1e-8, rtol=0)
    smooth = sum(1e-3 / 2**k * golden[f"smoothness_{k}"] for k in range(4)) / 4
    torch.testing.assert_close(result.terms["smoothness"], smooth, atol=1e-8, rtol=0)
    assert torch.equal(result.identity_wins[:, 0], golden["identity_wins_0"] > 0)
    torch.testing.assert_close(result.warped[:, 1], golden["warped_next"], atol=1e-6, rtol=0)


def test_pairs_are_fed_in_temporal_order(golden: dict[str, Tensor]) -> None:
    terms, batch = golden_video(golden), golden_batch(golden)
    motions = terms.motions(batch, plain_run)
    b = batch.image.shape[0]
    assert torch.equal(terms.pose.first[:b], golden["source_previous"])
    assert torch.equal(terms.pose.second[:b], golden["target"])
    assert torch.equal(terms.pose.first[b:], golden["target"])
    assert torch.equal(terms.pose.second[b:], golden["source_next"])
    torch.testing.assert_close(motions[:, 0], golden["source_from_target_previous"], atol=1e-9, rtol=0)
    torch.testing.assert_close(motions[:, 1], golden["source_from_target_next"], atol=1e-9, rtol=0)


def small_batch(offsets: tuple[int | str, ...] = (-1, 1)) -> FrameBatch:
    generator = torch.Generator().manual_seed(3)
    s = len(offsets)
    image = torch.rand(2, 3, 32, 64, generator=generator)
    sources = torch.rand(2, s, 3, 32, 64, generator=generator)
    motion = torch.eye(4).repeat(2, s, 1, 1)
    motion[:, :, 0, 3] = -0.5
    return FrameBatch(
        image=image,
        jittered=0.8 * image + 0.1,
        intrinsics=torch.tensor([[40.0, 0, 31.5], [0, 40, 15.5], [0, 0, 1]]).repeat(2, 1, 1),
        sources=sources,
        sources_jittered=0.8 * sources + 0.1,
        offsets=offsets,
        source_from_target=motion,
    )


def test_recorded_poses_are_used_as_they_are() -> None:
    terms, batch = video(pose={"name": "recorded"}), small_batch()
    assert terms.needs == ("sources", "pose")
    assert torch.equal(terms.motions(batch, plain_run), batch.source_from_target)
    assert not list(terms.parameters())


def test_stereo_partner_keeps_its_baseline_beside_a_pose_network() -> None:
    batch = small_batch((-1, 1, RIGHT))
    motions = video().motions(batch, plain_run)
    assert torch.equal(motions[:, 2], batch.source_from_target[:, 2])
    assert not torch.equal(motions[:, 0], batch.source_from_target[:, 0])


def test_alignment_judges_depth_and_teaches_the_pose_network() -> None:
    batch, net = small_batch((-1, RIGHT, 1)), DepthSmall(DepthSmall.Config(size="tiny"))
    terms = video(align_steps=2)
    plain, aligned = (v(net, net(batch.jittered), batch, plain_run) for v in (video(), terms))
    assert set(aligned.terms) == {*plain.terms, "pose"}
    torch.testing.assert_close(
        aligned.warped[:, 1], plain.warped[:, 1]
    )  # the stereo partner's baseline stays
    aligned.terms["photometric"].backward()
    assert all(p.grad is None for p in terms.pose.parameters())
    aligned.terms["pose"].backward()
    assert all(p.grad.abs().sum() > 0 for p in terms.pose.parameters() if p.ndim > 1)


@pytest.mark.parametrize("options", [{"align_steps": 2}, {"pose": {"name": "aligned"}}])
def test_a_stereo_partner_alone_leaves_nothing_to_align(options: dict[str, object]) -> None:
    batch, net = small_batch((RIGHT,)), DepthSmall(DepthSmall.Config(size="tiny"))
    result = video(**options)(net, net(batch.jittered), batch, plain_run)
    assert "pose" not in result.terms and result.terms["photometric"].isfinite()


def test_aligned_motion_needs_no_network() -> None:
    batch, net = small_batch((-1, RIGHT, 1)), DepthSmall(DepthSmall.Config(size="tiny"))
    terms = video(pose={"name": "aligned"})
    assert terms.pose_net is None and terms.unit == "relative" and not list(terms.parameters())
    plain, result = (v(net, net(batch.jittered), batch, plain_run) for v in (video(), terms))
    torch.testing.assert_close(result.warped[:, 1], plain.warped[:, 1])  # the stereo partner's baseline stays
    assert "pose" not in result.terms
    result.terms["photometric"].backward()
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in net.parameters())


def test_a_scale_that_wanders_too_far_is_held() -> None:
    """Three times the first depth costs log 3 - FREE_DRIFT, little more nothing; it is kept."""
    batch, net = small_batch(), DepthSmall(DepthSmall.Config(size="tiny")).eval()
    terms = video(scale_weight=0.5, pose={"name": "recorded"}).train()
    resumed = video(scale_weight=0.5, pose={"name": "recorded"}).train()
    depth = net.depth

    def scale_term(video_terms: VideoTerms, factor: float) -> float:
        net.depth = lambda disp: factor * depth(disp)
        return video_terms(net, net(batch.jittered), batch, plain_run).terms["scale"].item()

    assert [scale_term(terms, factor) for factor in (1, 1.2, 1 / 1.2)] == [0, 0, 0]
    resumed.load_state_dict(terms.state_dict())
    for one, factor in itertools.product((terms, resumed), (3, 1 / 3)):
        assert scale_term(one, factor) == pytest.approx(0.5 * (math.log(3) - FREE_DRIFT), abs=1e-5)


@pytest.mark.parametrize("align_steps", [0, 2])
def test_a_broken_pose_is_counted_and_backward_survives(align_steps: int) -> None:
    batch, net = small_batch(), DepthSmall(DepthSmall.Config(size="tiny"))
    terms = video(align_steps=align_steps)
    axis_angle = torch.full((4, 3), torch.nan, requires_grad=True)
    terms.pose = FixedMotion(axis_angle, torch.zeros(4, 3))
    result = terms(net, net(batch.jittered), batch, plain_run)
    assert result.monitors["bad_grid"] > 0
    sum(result.terms.values()).backward()  # would end the process if NaN reached a border-padded sampler


def test_masked_pixels_enter_no_term() -> None:
    batch, net = small_batch(), DepthSmall(DepthSmall.Config(size="tiny")).eval()
    terms = video(automask=False, smoothness_weight=0.0, pose={"name": "recorded"}).eval()
    batch.mask = torch.ones(2, 1, 32, 64, dtype=torch.bool)
    batch.mask[..., :16] = False
    output = net(batch.jittered)
    first = terms(net, output, batch, plain_run).terms["photometric"]
    batch.image = batch.image.clone()
    batch.image[..., :16] = 0
    second = terms(net, output, batch, plain_run).terms["photometric"]
    torch.testing.assert_close(first, second)


def test_everything_masked_is_zero_with_a_gradient_of_zero() -> None:
    batch, net = small_batch(), DepthSmall(DepthSmall.Config(size="tiny"))
    batch.mask = torch.zeros(2, 1, 32, 64, dtype=torch.bool)
    loss = video()(net, net(batch.jittered), batch, plain_run).terms["photometric"]
    loss.backward()
    assert loss == 0
    assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)


class Slope(DepthSmall):
    """Depth 2 + x / 32 across every picture, whatever it shows."""

    def forward(self, images: Tensor) -> DepthOutput:
        self.asked = images
        across = torch.arange(64.0).expand(len(images), 1, 32, 64)
        self.free = torch.zeros(len(images), 1, 1, 1, requires_grad=True)
        return DepthOutput((1 / (2 + across / 32) + self.free,))

    def depth(self, disp: Tensor) -> Tensor:
        return 1 / disp


def test_geometry_consistency_compares_a_point_with_itself() -> None:
    """A camera that moves sideways: what is at x lands 20 / depth pixels away."""
    batch, net = small_batch(), Slope(DepthSmall.Config(size="tiny", scales=1))
    result = video(geometry_weight=0.5, pose={"name": "recorded"})(net, net(batch.jittered), batch, plain_run)
    depth = 2 + torch.arange(64.0) / 32
    landed = torch.arange(64.0) - 20 / depth  # focal length 40 times .5 m
    seen = (landed >= 0) & (landed <= 63)
    own = 2 + landed / 32
    expected = ((depth - own).abs() / (depth + own))[seen].mean()
    assert result.terms["geometry"].item() == pytest.approx(0.5 * expected.item(), rel=2e-2)


def test_weights_of_the_geometry_teach_the_sources_depth_nothing() -> None:
    batch, net = small_batch(), Slope(DepthSmall.Config(size="tiny", scales=1))
    output = net(batch.jittered)
    result = video(geometry_weight=0.5, pose={"name": "recorded"})(net, output, batch, plain_run)
    (gradient,) = torch.autograd.grad(result.terms["photometric"], net.free, allow_unused=True)
    assert gradient is None  # `free` now is that of the sources, which were asked last


def test_ties_with_a_source_that_did_not_move_are_broken_by_chance(monkeypatch) -> None:
    """Normal draws of 1e-5 on the errors of unwarped sources, in training alone."""
    given = []

    def spy(errors, identity, valid, noise, learned):
        given.append(noise)
        return minimum_reprojection(errors, identity, valid, noise, learned)

    monkeypatch.setattr("lumde.methods.video.minimum_reprojection", spy)
    torch.manual_seed(0)
    batch, net = small_batch(), DepthSmall(DepthSmall.Config(size="tiny", scales=1))
    for terms in (video().train(), video().eval()):
        terms(net, net(batch.jittered), batch, plain_run)
    assert given[0].std().item() == pytest.approx(1e-5, rel=0.05) and given[1] is None


def test_the_pose_term_has_its_weight() -> None:
    found = []
    for weight in (0.5, 1.5):
        torch.manual_seed(0)
        batch, net = small_batch(), DepthSmall(DepthSmall.Config(size="tiny"))
        result = video(align_steps=1, align_weight=weight)(net, net(batch.jittered), batch, plain_run)
        found.append(result.terms["pose"].item())
    assert found[1] == pytest.approx(3 * found[0], rel=1e-5) and found[0] > 0


@pytest.mark.parametrize("minimum", [True, False])
def test_masked_pixels_of_sources_enter_no_term(minimum: bool) -> None:
    """A bonnet that the target's own mask hides must not be compared with what moves onto it either."""
    net = DepthSmall(DepthSmall.Config(size="tiny")).eval()
    terms = video(automask=False, smoothness_weight=0.0, minimum=minimum, pose={"name": "recorded"}).eval()
    losses = []
    for colour in (0.0, 1.0):
        batch = small_batch()
        batch.source_masks = torch.ones(2, 2, 32, 64, dtype=torch.bool)
        batch.source_masks[..., 20:, :] = False
        batch.source_masks[:, 1, :, :9] = False
        batch.sources = torch.where(batch.source_masks[:, :, None], batch.sources, colour)
        losses.append(terms(net, net(batch.jittered), batch, plain_run).terms["photometric"])
    assert losses[0] > 0
    torch.testing.assert_close(losses[0], losses[1])
    batch.source_masks = None
    assert terms(net, net(batch.jittered), batch, plain_run).terms["photometric"] != losses[1]  # the control


@pytest.mark.parametrize("minimum", [True, False])
@pytest.mark.parametrize("out_of_view", ["border", "mask"])
@pytest.mark.parametrize("weighted", [True, False])
def test_the_photometric_term_agrees_with_a_loop(minimum: bool, out_of_view: str, weighted: bool) -> None:
    generator = torch.Generator().manual_seed(8)
    batch = small_batch()
    batch.mask = torch.rand(2, 1, 32, 64, generator=generator) > 0.01
    terms = video(minimum=minimum, out_of_view=out_of_view).eval()
    image = batch.sources.flatten(0, 1) * 0.7 + 0.3 * batch.image.repeat_interleave(2, 0)
    inside = torch.rand(4, 1, 32, 64, generator=generator) > 0.4
    identity = terms._identity(batch) * torch.rand(2, 2, 32, 64, generator=generator)
    trust = torch.rand(2, 2, 32, 64, generator=generator) if weighted else None
    unused = {"grid": torch.zeros(4, 32, 64, 2), "source_depth": inside.float(), "bad": torch.tensor(0)}
    warped, clear = Warped(image, inside, **unused), _clear_of_masks(batch)
    result = terms._compared(warped, identity, trust, terms._unmasked(warped, clear), clear)
    errors = reprojection_error(image, batch.image.repeat_interleave(2, 0)).view(2, 2, 32, 64)
    values = []
    for b, y, x in itertools.product(range(2), range(32), range(64)):
        around = batch.mask[b, 0, max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
        used = [s for s in range(2) if out_of_view == "border" or inside.view(2, 2, 32, 64)[b, s, y, x]]
        if not around.all() or not used:
            continue
        plain = [errors[b, s, y, x].item() for s in used]
        learned = [plain[i] * (trust[b, s, y, x].item() if weighted else 1) for i, s in enumerate(used)]
        still = [identity[b, s, y, x].item() for s in (range(2) if minimum else used)]
        if minimum:
            moved, rest, added = min(plain), min(still), learned[plain.index(min(plain))]
        else:
            moved, rest, added = (sum(found) / len(used) for found in (plain, still, learned))
        values.append(rest if rest < moved else added)
    assert result.loss.item() == pytest.approx(sum(values) / len(values), rel=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"align_steps": 1},
        {"minimum": False},
        {"out_of_view": "mask"},
        {"minimum": False, "out_of_view": "mask"},
    ],
)
def test_variants_are_finite_and_trainable(options: dict[str, object]) -> None:
    batch, net = small_batch(), DepthSmall(DepthSmall.Config(size="tiny"))
    result = video(**options)(net, net(batch.jittered), batch, plain_run)
    loss = result.terms["photometric"]
    loss.backward()
    assert 0 < loss < 1
    assert any(p.grad.abs().sum() > 0 for p in net.parameters())


def test_networks_in_bf16_leave_the_geometry_in_fp32() -> None:
    """A matrix product under autocast moves projections by pixels: motions and warp must not see it."""
    batch = small_batch()
    method = Photometric(video().config, DepthSmall(DepthSmall.Config(size="tiny")))
    method.eval()
    method.network_dtype = torch.bfloat16
    output = method.run(method.student, batch.jittered)
    assert output.disp.dtype == torch.float32
    result = method.video(method.student, output, batch, method.run)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = method.video(method.student, output, batch, plain_run_fp32(method))
    assert result.warped.dtype == inside.warped.dtype == torch.float32
    torch.testing.assert_close(result.warped, inside.warped, atol=2e-2, rtol=0)


def plain_run_fp32(method: Photometric):
    """Runs networks as the method does, whatever autocast surrounds the call."""
    return method.run
