"""Contract of every depth network, and the sizes that the zoo promises."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lumde.config import parse
from lumde.errors import ConfigError
from lumde.metrics.cost import network_cost
from lumde.models import DepthModel, ModelConfig, load, save
from lumde.nets import DEPTH_NETS, DepthMobile, DepthResnet, DepthSmall
from lumde.nets.base import pad_to_multiple
from lumde.nets.bins import start_bins
from lumde.registry import build

VARIANTS = [
    *({"name": name} for name in DEPTH_NETS),
    {"name": "depth_small", "size": "tiny"},
    {"name": "depth_small", "bins": 16},
    {"name": "depth_small", "local_global": True},
    {"name": "depth_light", "bins": 16},
    {"name": "depth_resnet", "layers": 50},
    {"name": "depth_mobile", "encoder": "mobilenet_v3_small", "size": "small"},
    {"name": "depth_mobile", "encoder": "mobilenet_v2", "size": "large"},
]


def made(values: dict) -> nn.Module:
    torch.manual_seed(0)
    return build(DEPTH_NETS, parse(values, DEPTH_NETS[values["name"]].Config))


def cost(config, height: int, width: int) -> tuple[int, float]:
    """Parameters, and multiply-accumulates of one picture."""
    net = build(DEPTH_NETS, config).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net(torch.rand(1, 3, height, width))
    return sum(p.numel() for p in net.parameters()), counter.get_total_flops() / 2


@pytest.mark.parametrize("values", VARIANTS, ids=lambda v: "-".join(map(str, v.values())))
def test_every_size_has_disparities_of_its_own_size(values):
    net = made(values).eval()
    for height, width in ((64, 96), (37, 61), (1, 1)):
        with torch.no_grad():
            output = net(torch.rand(1, 3, height, width))
        for scale, disp in enumerate(output.disps):
            expected = (1, 1, -(-height // 2**scale), -(-width // 2**scale))
            assert disp.shape == expected
            assert disp.min() > 0 and disp.max() < 1
        assert output.disp is output.disps[0] and len(output.disps) == 4


@pytest.mark.parametrize("values", VARIANTS, ids=lambda v: "-".join(map(str, v.values())))
def test_what_is_saved_answers_the_same(values, tmp_path):
    net, config = made(values).eval(), parse(values | {"start_depth": 3.0}, DEPTH_NETS[values["name"]].Config)
    save(DepthModel(ModelConfig(net=config, height=64, width=96), net), tmp_path / "model")
    images = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        assert torch.equal(load(tmp_path / "model").net(images).disp, net(images).disp)


@pytest.mark.parametrize("name", DEPTH_NETS)
def test_features_come_from_fine_to_coarse(name):
    net = made({"name": name}).eval()
    with torch.no_grad():
        features = net(torch.rand(1, 3, 64, 96)).features
    assert [f.shape[-2:] for f in features] == [(64 // stride, 96 // stride) for stride in net.strides]
    if name != "depth_dilated":  # dilated instead of halved
        assert net.strides == (2, 4, 8, 16, 32)


@pytest.mark.parametrize("name", DEPTH_NETS)
def test_every_parameter_learns_from_the_four_scales(name):
    net = made({"name": name}).train()
    output = net(torch.rand(2, 3, 64, 64))
    sum((disp - torch.rand_like(disp)).abs().mean() for disp in output.disps).backward()
    for key, parameter in net.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), key


@pytest.mark.parametrize("name", DEPTH_NETS)
def test_number_of_scales_is_configurable(name):
    net = made({"name": name, "scales": 1}).eval()
    assert len(net(torch.rand(1, 3, 64, 64)).disps) == 1
    with pytest.raises(ConfigError, match="scales: 1 to 4, found 5"):
        made({"name": name, "scales": 5})


@pytest.mark.parametrize("name", DEPTH_NETS)
def test_disparity_stays_fp32_under_autocast(name):
    net = made({"name": name}).eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        output = net(torch.rand(1, 3, 64, 64))
    assert all(disp.dtype == torch.float32 for disp in output.disps)
    assert output.features[-1].dtype == torch.bfloat16  # the body did run in bf16


@pytest.mark.parametrize("name", DEPTH_NETS)
def test_training_starts_near_flat_depth(name):
    net = made({"name": name}).train()
    start_bins(net)  # as those do who learn from video alone
    disp = net(torch.rand(4, 3, 64, 96)).disp
    assert 0.05 < disp.mean() < 0.95 and disp.std() < 0.2


@pytest.mark.parametrize("name", ["depth_small", "depth_mobile", "depth_resnet"])
def test_start_depth_is_what_an_untrained_network_answers(name):
    net = made({"name": name, "start_depth": 8.0}).eval()
    with torch.no_grad():
        depth = net.depth(net(torch.rand(1, 3, 64, 96)).disp)
    assert 5 < depth.median() < 13
    assert net.config.architecture().start_depth == 0  # trained weights need no start


def test_full_size_head_starts_without_checkerboard():
    disp = made({"name": "depth_small"}).train()(torch.rand(2, 3, 64, 96)).disp
    assert torch.equal(disp[..., 0::2, 0::2], disp[..., 1::2, 1::2])


def test_small_networks_have_the_promised_sizes():
    base, base_macs = cost(DepthSmall.Config(size="base"), 64, 192)
    tiny, tiny_macs = cost(DepthSmall.Config(size="tiny"), 64, 192)
    assert 1.4e6 < base < 1.6e6
    assert 0.09e6 < tiny < 0.12e6
    assert tiny_macs <= base_macs / 10


def test_medium_mobile_network_meets_the_ratios_of_lumde():
    teacher, teacher_macs = cost(DepthResnet.Config(layers=50), 256, 320)
    student, student_macs = cost(DepthMobile.Config(size="medium"), 256, 320)
    assert teacher == pytest.approx(32.52e6, rel=1e-3) and teacher_macs == pytest.approx(11.04e9, rel=1e-3)
    assert student_macs <= 0.048 * teacher_macs
    assert student <= 0.228 * teacher


def test_the_fusion_network_has_the_published_size():
    parameters, macs = cost(DEPTH_NETS["depth_fusion"].Config(), 256, 320)
    assert parameters == pytest.approx(1.674e6, rel=1e-3)
    assert macs * (228 * 304) / (256 * 320) == pytest.approx(4.0e9, rel=0.01)  # published for 228 x 304


def test_the_dilated_network_has_the_published_size():
    net = made({"name": "depth_dilated", "scales": 1})
    assert sum(p.numel() for p in net.parameters()) == pytest.approx(17.6e6, rel=5e-3)
    convolutions = [layer for layer in net.encoder.modules() if getattr(layer, "kernel_size", 0) == (3, 3)]
    depthwise = [layer for layer in convolutions if layer.groups > 1]
    blocks = (1, 2, 3, 4, 3, 3, 1)  # of MobileNetV2's stages
    assert [layer.stride[0] for layer in convolutions if layer.stride != (1, 1)] == [2, 2, 2]
    dilations = [d for d, count in zip((1, 1, 1, 2, 2, 4, 4), blocks, strict=True) for _ in range(count)]
    assert [layer.dilation[0] for layer in depthwise] == dilations
    with torch.no_grad():
        output = net.eval()(torch.rand(1, 3, 64, 96))
    assert output.probabilities.shape == (1, 257, 64, 96)
    with pytest.raises(ConfigError, match="bins: at least 2"):
        made({"name": "depth_dilated", "bins": 1})


def test_wrong_depth_range_is_refused():
    with pytest.raises(ConfigError, match="min_depth < max_depth"):
        made({"name": "depth_small", "min_depth": 5.0, "max_depth": 1.0})


def test_padding_repeats_the_last_pixels():
    image = torch.arange(6.0).view(1, 1, 2, 3)
    padded = pad_to_multiple(image, 2, smallest=4)
    assert padded[0, 0].tolist() == [[0, 1, 2, 2], [3, 4, 5, 5], [3, 4, 5, 5], [3, 4, 5, 5]]
    assert pad_to_multiple(padded, 4) is padded


@pytest.mark.parametrize("values", [{"name": "depth_light"}, {"name": "depth_small", "size": "light"}])
def test_light_networks_stay_light(values):
    assert network_cost(made({**values, "scales": 1}), 192, 640)["gmacs"] <= 0.8


def test_attention_lets_every_place_see_every_other():
    net = made({"name": "depth_light", "scales": 1}).eval()
    features = torch.rand(1, 128, 2, 20, requires_grad=True)
    net.attention(features)[..., 0].sum().backward()
    assert (features.grad.abs().amax((0, 1)) > 0).all()
