import torch
from torch import nn

from lumde.nets.depth_small import DepthSmall
from lumde.nets.local_global import LocalGlobal


def test_it_begins_as_the_convolution_alone():
    torch.manual_seed(0)
    local = nn.Conv2d(3, 8, 3, 2, padding=1)
    x = torch.rand(2, 3, 10, 14)
    assert torch.equal(LocalGlobal(local, 3, 8)(x), local(x))


def test_afterwards_a_far_pixel_matters_everywhere():
    torch.manual_seed(0)
    block = LocalGlobal(nn.Conv2d(3, 8, 3, padding=1), 3, 8)
    nn.init.normal_(block.back.weight)
    x = torch.rand(1, 3, 12, 12)
    changed = x.clone()
    changed[..., 0, 0] += 5
    moved = (block(x) - block(changed)).abs().amax(1)[0]
    assert moved[-1, -1] > 0 and (moved > 0).all()


def test_a_trained_encoder_starts_as_it_was_and_every_weight_learns():
    torch.manual_seed(0)
    plain = DepthSmall(DepthSmall.Config(size="tiny", scales=1)).eval()
    wrapped = DepthSmall(DepthSmall.Config(size="tiny", scales=1, local_global=True)).eval()
    names = {k.replace(".refine.", ".refine.local."): v for k, v in plain.state_dict().items()}
    missing, unexpected = wrapped.load_state_dict(names, strict=False)
    assert not unexpected and all(".refine." in name for name in missing)
    x = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(plain(x).disp, wrapped(x).disp)
    for parameter in wrapped.parameters():
        nn.init.normal_(parameter, std=0.1)
    wrapped.train()(torch.rand(2, 3, 64, 64)).disp.mean().backward()
    assert all(
        p.grad is not None and p.grad.abs().sum() > 0 for n, p in wrapped.named_parameters() if "back" in n
    )
