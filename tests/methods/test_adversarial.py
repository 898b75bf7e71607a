"""What LUMDE's method asks of its teacher, its critic and its scales."""

import pytest
import torch
from method_parts import FixedTeacher, TwoPasses, frames_of

from lumde.config import parse
from lumde.errors import ConfigError
from lumde.methods.adversarial import Adversarial
from lumde.nets.depth_small import DepthSmall


def method(teacher, **options):
    torch.manual_seed(0)
    values = {"name": "adversarial", "video_weight": 0.0, "holistic_weight": 0.0, **options}
    student = DepthSmall(DepthSmall.Config(size="tiny"))
    return Adversarial(parse(values, Adversarial.Config), student, teacher).eval()


def test_labels_are_the_teachers_even_where_its_features_are_read():
    torch.manual_seed(1)
    teacher, better, batch = FixedTeacher(), TwoPasses(), {"main": frames_of(2)}
    better.load_state_dict(teacher.state_dict())
    plain, labelled = (method(one).terms(batch, "student", 0) for one in (teacher, better))
    assert plain["pixel"] != labelled["pixel"] and labelled["pixel"].isfinite()
    alone = method(better, pair_weight=0.0).terms(batch, "student", 0)
    assert alone["pixel"] == labelled["pixel"]


@pytest.mark.parametrize("name", ["critic_transformer", "critic_convolutional"])
def test_a_critic_of_four_channels_sees_the_picture(name):
    critic = {"name": name, "channels": 4}
    judged = method(FixedTeacher(), critic=critic, holistic_weight=0.1, warmup_steps=0)
    frames = frames_of(2)
    judged.terms({"main": frames}, "student", 0)
    first = judged.terms({"main": frames}, "critic", 0)["critic"]
    frames.image = 1 - frames.image
    assert torch.isfinite(first) and judged.terms({"main": frames}, "critic", 0)["critic"] != first
    with pytest.raises(ConfigError, match="channels"):
        method(FixedTeacher(), critic={"name": name, "channels": 3}, holistic_weight=0.1)


def test_two_scales_at_once_are_refused():
    video = {"pose": {"name": "recorded"}}
    with pytest.raises(ConfigError, match="its depth is relative, the video's motion is in metres"):
        method(FixedTeacher(), video_weight=1.0, video=video).check()
    method(FixedTeacher(), video_weight=1.0, video=video, pixel_weight=0.0).check()
    metric = FixedTeacher()
    metric.unit = "metres"
    method(metric, video_weight=1.0, video=video).check()
    assert method(metric).unit == "metres"
    assert method(metric, pixel_weight=0.0).unit == "relative", "pairs know no scale"


def test_nothing_to_learn_from_is_refused():
    with pytest.raises(ConfigError, match="nothing to learn from"):
        method(FixedTeacher(), pixel_weight=0.0, pair_weight=0.0)
