"""The arbiter on a rendered room: planted errors of a teacher are found, what is right is believed."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from method_parts import FixedTeacher, frames_of

from lumde.config import parse
from lumde.data.augment import to_batch
from lumde.engine.run import train
from lumde.engine.run_config import TrainConfig
from lumde.errors import ConfigError
from lumde.geometry.alignment import find_motion
from lumde.losses.arbiter import ArbiterConfig
from lumde.media.images import read_image
from lumde.methods import METHODS
from lumde.methods.arbiter import Arbiter
from lumde.models import load
from lumde.nets.base import DepthNet
from lumde.nets.depth_small import DepthSmall
from lumde.structures import DepthOutput
from lumde.worlds.clips import Order, render_world


class Knows(DepthNet):
    """A student that knows the depth of every picture it was made for."""

    def __init__(self, images, depths):
        super().__init__(DepthNet.Config(name="knows"))
        self.images, self.depths = images, depths

    def encode(self, image):
        raise NotImplementedError

    decode = encode

    def forward(self, images):
        index = [int((self.images - image).abs().flatten(1).sum(1).argmin()) for image in images]
        return DepthOutput((1 / self.depths[index],))

    def depth(self, disp):
        return 1 / disp


@pytest.fixture(scope="module")
def room():
    clip = render_world(Order("rooms", 6, (0, 3, 6)), 72, 96)
    pictures = torch.from_numpy(clip.images).permute(0, 3, 1, 2)
    depths = torch.from_numpy(clip.depth).float()[:, None]
    samples = {
        "key": ["middle"],
        "image": pictures[1:2],
        "sources": pictures[None, [0, 2]],
        "intrinsics": torch.from_numpy(clip.intrinsics).float()[None],
    }
    frames = to_batch(samples, None, (), (-1, 1))
    return frames, Knows(pictures / 255, depths), depths[1:2]


def judged(room, teacher, **changes):
    frames, net, _ = room
    arbiter = Arbiter(ArbiterConfig(), net, lambda net, *x: net(*x))
    return arbiter.judge(replace(frames, **changes), teacher, None)


def test_planted_errors_are_found_and_a_right_teacher_is_believed(room):
    depth = room[2]
    assert not judged(room, 3 * depth).rejected.any()  # right in another unit
    wrong = depth.clone()
    wrong[..., 20:50, 30:70] *= 1.6
    rejected = judged(room, wrong).rejected[0, 0]
    inside = torch.zeros_like(rejected)
    inside[20:50, 30:70] = True
    assert rejected[inside].float().mean() > 0.3
    assert rejected[~inside].float().mean() < 0.05
    masks = torch.ones(1, 2, 72, 96, dtype=torch.bool)
    assert torch.equal(judged(room, wrong, source_masks=masks).rejected[0, 0], rejected)
    masks[:, 0] = False  # what one source alone says is no reason
    assert not judged(room, wrong, source_masks=masks).rejected.any()


@pytest.mark.parametrize(
    ("name", "options"),
    [("response", {}), ("adversarial", {"holistic_weight": 0, "video_weight": 0})],
)
def test_rejected_pixels_are_not_learned(name, options, monkeypatch):
    """The term is that of a mask without the rejected pixels; before `after_steps` nothing is rejected."""
    torch.manual_seed(0)
    values = {"name": name, **options, "arbiter": {"after_steps": 5}}
    student = DepthSmall(DepthSmall.Config(size="tiny", scales=1))
    method = METHODS[name](parse(values, METHODS[name].Config), student, FixedTeacher()).eval()
    assert method.needs == ("sources",)
    frames = frames_of(2)
    half = torch.zeros_like(frames.mask)
    half[..., :16] = True

    def believed(*_):
        method.arbiter.last = None
        return half

    monkeypatch.setattr(method.arbiter, "believed", believed)
    early, late = (method.terms({"main": frames}, "student", step) for step in (4, 5))
    frames.mask = half
    masked = method.terms({"main": frames}, "student", 0)
    assert {name: term.item() for name, term in late.items()} == {
        name: term.item() for name, term in masked.items()
    }
    assert any(early[name] != late[name] for name in late)


def test_a_run_stores_where_its_teacher_is_believed_in_the_end(tmp_path, monkeypatch):
    """Each frame's own map, at the size of the training, whatever order the frames were trained in."""
    data = {"name": "synthetic", "families": ["rooms"], "worlds": 2, "frames": 4, "height": 32, "width": 64}
    shared = {
        "student": {"name": "depth_small", "size": "tiny", "scales": 1},
        "data": data,
        "snippets": {"height": 32, "width": 64},
        "loader": {"batch": 2},
        "loop": {"steps": 2, "precision": "fp32"},
    }
    train(parse({"method": {"name": "supervised"}, **shared}, TrainConfig), tmp_path / "teacher", quiet=True)
    asked, weights = {}, []
    judge = Arbiter.judge

    def noted(self, frames, *more):
        found = judge(self, frames, *more)
        asked[frames.keys[0]] = found.rejected
        weights.append(next(self.net.parameters()).detach().clone())
        return found

    monkeypatch.setattr(Arbiter, "judge", noted)
    method = {"name": "response", "arbiter": {"after_steps": 9, "margin": 0.0, "share": 0.0}}
    values = {**shared, "method": method, "confidence": True}
    values["loop"] = {**shared["loop"], "ema": 0.9}
    values["teacher"] = {"name": "run", "path": str(tmp_path / "teacher")}
    train(parse(values, TrainConfig), tmp_path / "run", quiet=True)
    stored = {path.relative_to(tmp_path / "run" / "confidence") for path in tmp_path.glob("run/**/*.png")}
    assert len(asked) == 4 and {f"{key}.png" for key in asked} == {path.as_posix() for path in stored}
    for key, rejected in asked.items():
        picture = read_image(tmp_path / "run" / "confidence" / f"{key}.png")[..., 0]
        np.testing.assert_array_equal(picture, np.where(rejected[0, 0], 0, 255))
    shipped = next(load(tmp_path / "run").net.parameters())
    assert all(torch.equal(one, shipped) for one in weights)  # of the averaged weights, which users get
    values["method"] = {"name": "response"}
    with pytest.raises(ConfigError, match="confidence: needs an arbiter"):
        train(parse(values, TrainConfig), tmp_path / "other", quiet=True)


def test_the_log_shows_where_the_teacher_was_believed():
    values = {"name": "response", "arbiter": {"after_steps": 0}}
    student = DepthSmall(DepthSmall.Config(size="tiny", scales=1))
    method = METHODS["response"](parse(values, METHODS["response"].Config), student, FixedTeacher())
    batch = {"main": frames_of(2)}
    method.terms(batch, "student", 0)
    assert 0 <= method.monitors["rejected"] <= 1
    shown = method.eval().pictures(batch)["believed"]
    assert shown.shape == (3, 32, 64) and set(shown.unique().tolist()) <= {0.0, 1.0}


def test_to_be_asked_teaches_the_student_nothing():
    """Statistics are those of the target frames alone, as in every other row of a comparison."""
    states = []
    for options in ({}, {"arbiter": {"after_steps": 0}}):
        torch.manual_seed(0)
        student = DepthSmall(DepthSmall.Config(size="tiny", scales=1))
        method = METHODS["response"](
            parse({"name": "response", **options}, METHODS["response"].Config), student, FixedTeacher()
        ).train()
        frozen = next(module for module in student.modules() if isinstance(module, torch.nn.BatchNorm2d))
        frozen.eval()
        method.terms({"main": frames_of(2)}, "student", 0)
        assert student.training and not frozen.training
        states.append({name: value.clone() for name, value in student.state_dict().items()})
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_target_and_sources_are_asked_in_the_same_way():
    """A pair of frames that are one picture: their depths agree, whatever batch statistics say of others."""
    torch.manual_seed(0)
    frames = frames_of(4)
    frames = replace(frames, sources=frames.image[:, None].expand(-1, 2, -1, -1, -1))
    frames = replace(frames, jittered=frames.image, sources_jittered=frames.sources)
    student = DepthSmall(DepthSmall.Config(size="tiny", scales=1)).train()
    for p in student.parameters():
        p.data += 0.1 * torch.randn_like(p)
    found = []
    arbiter = Arbiter(ArbiterConfig(), student, lambda net, *x: found.append(net(*x)) or found[-1])
    arbiter.judge(frames, torch.ones(4, 1, 32, 64), None)
    (disp,) = found
    targets, sources = disp.disp.split((4, 8))
    torch.testing.assert_close(targets.repeat_interleave(2, 0), sources)
    assert (targets - student(frames.image).disp).abs().max() > 1e-3  # in training mode it says otherwise


def test_both_depths_share_the_motion_of_their_geometric_mean(room, monkeypatch):
    frames, net, depth = room
    given = []

    def spy(image, sources, depth, *more):
        given.append(depth)
        return find_motion(image, sources, depth, *more)

    monkeypatch.setattr("lumde.methods.arbiter.find_motion", spy)
    across = torch.linspace(0.5, 2.0, 96).expand(1, 1, 72, 96)
    judged(room, depth * across)
    factor = (1 / across).median()  # the teacher in the student's scale
    expected = (depth * depth * across * factor).sqrt().expand(2, -1, -1, -1)
    torch.testing.assert_close(given[0], expected, rtol=2e-2, atol=1e-3)
