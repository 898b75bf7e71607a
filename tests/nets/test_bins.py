import pytest
import torch

from lumde.geometry.depth import disp_to_depth
from lumde.methods.photometric import Photometric
from lumde.nets import DEPTH_NETS
from lumde.nets.bins import BinRange, BinsHead, bin_centres, start_bins
from lumde.nets.depth_small import DepthSmall
from lumde.nets.pose_small import PoseSmall
from lumde.registry import build


def test_centres_by_hand():
    torch.testing.assert_close(bin_centres(3, BinRange(1.0, 100.0)), torch.tensor([1.0, 10.0, 100.0]))
    torch.testing.assert_close(
        bin_centres(3, BinRange(1.0, 101.0, even=True)), torch.tensor([1.0, 51.0, 101.0])
    )


def test_depth_is_what_the_bins_expect():
    head = BinsHead(1, 2, DepthSmall.Config(min_depth=1.0, max_depth=9.0))
    with torch.no_grad():
        head.logits.weight.copy_(torch.tensor([0.0, 1.0]).view(2, 1, 1, 1))
    x = torch.tensor([0.0, 3.0]).log1p().view(1, 1, 1, 2)  # logits 0 and ln 4: shares 1/2 and 4/5 of bin 2
    disp, probabilities = head(x)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(1, 1, 2))
    torch.testing.assert_close(disp_to_depth(disp, 1.0, 9.0), torch.tensor([5.0, 7.4]).view(1, 1, 1, 2))


def test_moved_bins_stay_within_the_network_and_travel_with_the_weights():
    config = DepthSmall.Config(size="tiny", bins=8, min_depth=0.5, max_depth=50.0)
    net = build(DEPTH_NETS, config)
    net.bins.move(BinRange(0.1, 20.0))
    assert net.bins.centres[0] == pytest.approx(0.5) and net.bins.centres[-1] == pytest.approx(20.0)
    other = build(DEPTH_NETS, config)
    other.load_state_dict(net.state_dict())
    torch.testing.assert_close(other.bins.centres, net.bins.centres)


def test_bins_follow_the_first_batches_and_then_stay():
    head = BinsHead(1, 8, DepthSmall.Config(min_depth=0.1, max_depth=100.0))
    head.widen(torch.linspace(2.0, 4.0, 1000))
    assert 1.5 < head.centres[0] < 1.7 and 4.9 < head.centres[-1] < 5.1
    head.widen(torch.linspace(3.0, 20.0, 1000))
    assert 1.5 < head.centres[0] < 1.7 and 24 < head.centres[-1] < 25
    for _ in range(30):
        head.widen(torch.full((10,), 3.0))
    head.widen(torch.linspace(0.2, 90.0, 1000))
    assert 1.5 < head.centres[0] < 1.7 and 24 < head.centres[-1] < 25


def test_bins_follow_batches_of_any_size():
    head = BinsHead(1, 8, DepthSmall.Config(min_depth=0.1, max_depth=100.0))
    head.widen(torch.linspace(2.0, 4.0, (1 << 24) + 10))  # more than `quantile` takes at a time
    assert 1.5 < head.centres[0] < 1.7 and 4.9 < head.centres[-1] < 5.1


@pytest.mark.parametrize("name", ["depth_small", "depth_light"])
def test_networks_with_bins_learn_with_every_weight_and_end_at_a_quarter(name):
    torch.manual_seed(0)
    net = build(DEPTH_NETS, DEPTH_NETS[name].Config(bins=12, start_depth=4.0)).train()
    output = net(torch.rand(2, 3, 64, 96))
    assert output.probabilities.shape == (2, 12, 16, 24)
    assert net.depth(output.disp).mean().item() == pytest.approx(4.0, rel=0.1)  # start_depth
    (output.disp.mean() + output.probabilities[:, 0].mean()).backward()
    assert all(p.grad is not None for p in net.parameters())
    with torch.autocast("cpu", torch.bfloat16):
        assert net(torch.rand(2, 3, 64, 96)).probabilities.dtype == torch.float32


@pytest.mark.parametrize("name", ["depth_small", "depth_light"])
def test_who_learns_from_video_alone_begins_with_bins_as_without(name):
    torch.manual_seed(0)
    images = torch.rand(2, 3, 64, 96)

    def first(**options):
        net = build(DEPTH_NETS, DEPTH_NETS[name].Config(**options)).train()
        Photometric(Photometric.Config(name="photometric", pose=PoseSmall.Config(name="pose_small")), net)
        return net.depth(net(images).disp).mean().item(), net

    without, _ = first()
    begun, net = first(bins=64)
    assert without < begun < 2 * without  # the near end cuts a little off; an even start is 14
    told, _ = first(bins=64, start_depth=4.0)
    assert told == pytest.approx(4.0, rel=0.15)
    with torch.no_grad():
        net.bins.logits.bias.add_(torch.rand(64))
    learned = net.bins.logits.bias.clone()
    start_bins(net)
    assert torch.equal(net.bins.logits.bias, learned)
