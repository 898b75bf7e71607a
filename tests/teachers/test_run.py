"""Teachers do not change, whatever happens around them."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from lumde.errors import CheckpointError, ConfigError
from lumde.models import DepthModel, ModelConfig, build_net, load, save
from lumde.nets import DepthSmall
from lumde.registry import build
from lumde.structures import FrameBatch
from lumde.teachers import TEACHERS
from lumde.teachers.base import Frozen
from lumde.teachers.run import RunTeacher


@pytest.fixture
def teacher(tmp_path):
    torch.manual_seed(0)
    config = DepthSmall.Config(size="tiny", max_depth=80.0)
    model = DepthModel(ModelConfig(net=config, height=32, width=64, unit="metres"), build_net(config))
    model.train()(torch.rand(4, 3, 32, 64))  # running statistics that differ from the start
    save(model, tmp_path / "model")
    return build(TEACHERS, RunTeacher.Config(path=str(tmp_path)))


def test_depth_has_the_size_of_the_images(teacher):
    for size in ((32, 64), (48, 80), (16, 30)):
        depth = teacher.depth(torch.rand(2, 3, *size))
        assert depth.shape == (2, 1, *size)
        assert depth.min() >= 0.1 - 1e-5 and depth.max() <= 80.0 + 1e-3
    assert teacher.unit == "metres" and teacher.depth_range == (0.1, 80.0)


def test_it_gives_features_from_fine_to_coarse(teacher):
    assert teacher.gives == ("maps", "depth", "features", "statistics")
    assert [f.shape[-1] for f in teacher.features(torch.rand(1, 3, 48, 80))] == [32, 16, 8, 4, 2]


def test_a_teacher_never_learns(teacher):
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    parent = nn.ModuleDict({"teacher": teacher, "student": nn.Conv2d(3, 1, 1)}).eval().train()
    images = torch.rand(2, 3, 32, 64)
    (parent["student"](images) - teacher.depth(images)).abs().mean().backward()
    assert not any(p.requires_grad or p.grad is not None for p in teacher.parameters())
    assert not any(module.training for module in teacher.modules() if module is not teacher)
    assert all(torch.equal(before[name], tensor) for name, tensor in teacher.state_dict().items())


def test_gradients_pass_through_a_teacher(teacher):
    images = torch.rand(1, 3, 32, 64, requires_grad=True)
    teacher.depth(images).sum().backward()
    assert images.grad.abs().max() > 0


def test_frozen_stays_in_evaluation_mode_where_a_plain_network_would_not():
    plain = nn.BatchNorm2d(3)
    frozen = Frozen(nn.BatchNorm2d(3))
    parent = nn.ModuleList([plain, frozen]).train()
    parent[0](torch.rand(2, 3, 4, 4)), parent[1](torch.rand(2, 3, 4, 4))
    assert plain.running_mean.abs().max() > 0
    assert frozen.net.running_mean.abs().max() == 0


def test_a_missing_teacher_is_a_checkpoint_error(tmp_path):
    with pytest.raises(CheckpointError, match="nowhere"):
        RunTeacher(RunTeacher.Config(path=str(tmp_path / "nowhere")))


def test_several_passes_are_averaged_in_log_depth(teacher):
    path, images = teacher.config.path, torch.rand(2, 3, 32, 64)
    several = RunTeacher(RunTeacher.Config(path=path, sizes=(1.0, 1.5), flip=True))
    large = RunTeacher(RunTeacher.Config(path=path, sizes=(1.5,)))
    alone = [teacher.depth(images), large.depth(images)]
    alone += [one.depth(images.flip(-1)).flip(-1) for one in (teacher, large)]
    assert not torch.allclose(alone[0], alone[1])
    torch.testing.assert_close(several.depth(images), torch.stack(alone).log().mean(0).exp())
    torch.testing.assert_close(several.depth(images.flip(-1)).flip(-1), several.depth(images))


def test_sizes_that_show_nothing_are_refused():
    with pytest.raises(ValueError, match="sizes"):
        RunTeacher.Config(path="x", sizes=(0.0,))


def test_where_passes_differ_there_is_no_label(teacher):
    path, images = teacher.config.path, torch.rand(2, 3, 32, 64)
    plain = RunTeacher(RunTeacher.Config(path=path, flip=True))
    logs = torch.stack([teacher.depth(images), teacher.depth(images.flip(-1)).flip(-1)]).log()
    spread = (logs[0] - logs[1]).abs() / 2
    limit = float(spread.median())
    picky = RunTeacher(RunTeacher.Config(path=path, flip=True, most_spread=limit))
    expected = torch.where(spread <= limit, plain.depth(images), 0.0)
    assert 0.3 < (expected == 0).float().mean() < 0.7
    torch.testing.assert_close(picky.labels(images), expected)
    torch.testing.assert_close(picky.depth(images), plain.depth(images))
    assert plain.labels(images).equal(plain.depth(images))
    with pytest.raises(ValueError, match="most_spread"):
        RunTeacher.Config(path=path, most_spread=0.1)


def test_a_measured_unit_makes_it_a_teacher_of_metres(teacher, tmp_path):
    def again(metres=0.0, **facts):
        model, path = load(Path(teacher.config.path)), tmp_path / f"{metres} {facts}"
        save(DepthModel(replace(model.config, **facts), model.net), path)
        return RunTeacher(RunTeacher.Config(path=str(path), metres=metres))

    images = torch.rand(2, 3, 32, 64)
    relative, metric = again(unit="relative"), again(2.5, unit="relative")
    assert (metric.unit, relative.unit) == ("metres", "relative")
    torch.testing.assert_close(metric.depth(images), 2.5 * relative.depth(images))
    assert metric.depth_range == pytest.approx([2.5 * end for end in relative.depth_range])
    with pytest.raises(ConfigError, match="metres already"):
        again(2.5)
    with pytest.raises(ConfigError, match="unknown shift"):
        again(2.5, unit="relative", affine=True)


def test_where_passes_differ_labels_weigh_less(teacher):
    images = torch.rand(2, 3, 32, 64)
    logs = torch.stack([teacher.depth(images), teacher.depth(images.flip(-1)).flip(-1)]).log()
    apart = (logs[0] - logs[1]).abs() / 2
    scale = float(apart.median())
    unsure = RunTeacher(RunTeacher.Config(path=teacher.config.path, flip=True, spread=scale))
    asked, network = [], unsure.model.net.disparity
    unsure.model.net.disparity = lambda pictures: asked.append(len(pictures)) or network(pictures)
    batch = FrameBatch(images, images, torch.eye(3).expand(2, 3, 3))
    torch.testing.assert_close(unsure.look(batch), logs.mean(0).exp())
    torch.testing.assert_close(unsure.weights(batch), 1 / (1 + (apart / scale) ** 2))
    assert asked == [2, 2]  # both answers come of the same two passes
    assert teacher.weights(batch) is None
    with pytest.raises(ValueError, match="spread"):
        RunTeacher.Config(path="x", spread=0.1)


def test_how_far_passes_of_other_sizes_lie_is_told(teacher, tmp_path, monkeypatch):
    def begun(**options):
        return build(TEACHERS, RunTeacher.Config(path=str(tmp_path), **options)).begin(
            torch.rand(2, 3, 32, 64)
        )

    def asked(
        _self, images, size
    ):  # 1.5 is half a log away in half of every picture, 2 is twice as far everywhere
        answer = torch.ones_like(images[:, :1])
        if size == 1.5:
            answer[..., :30] *= math.exp(0.5)
        return 2 * answer if size == 2 else answer

    monkeypatch.setattr(RunTeacher, "ask", asked)
    assert begun(flip=True) == []
    enlarged, doubled = begun(sizes=(1.0, 1.5, 2.0))
    assert "at 1.5 times its size it answers 0.234 off" in enlarged  # .5 in 30 columns of 64
    assert "seems to know one size alone" in enlarged
    assert "answers 0.000 off" in doubled and "one size" not in doubled  # a factor is no matter
