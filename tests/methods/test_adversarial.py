"""What LUMDE's method asks of its teacher, its critic and its scales."""

import math
from types import SimpleNamespace

import pytest
import torch
from method_parts import FixedTeacher, TwoPasses, frames_of

from lumde.config import parse
from lumde.errors import ConfigError
from lumde.losses.pairwise import pairwise_affinity
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


SLOPE, FACTOR = 2.5, 1.5  # of the critic; student's depth over the teacher's


class MeanCritic(torch.nn.Module):
    """Scores a map by SLOPE times its mean: what it must say can be worked out by hand."""

    def __init__(self):
        super().__init__()
        self.config = SimpleNamespace(channels=1)
        self.slope = torch.nn.Parameter(torch.tensor(SLOPE))

    def forward(self, maps):
        return self.slope * maps.mean((1, 2, 3))


def judged(**options):
    """A method whose student answers FACTOR times the teacher's depth, judged by MeanCritic."""
    torch.manual_seed(1)
    made = method(FixedTeacher(), critic={"name": "critic_transformer"}, warmup_steps=0, **options)
    made.critic = MeanCritic()
    frames = frames_of(2)
    teacher = made.teacher.depth(frames.image)
    made.student.depth = lambda disp: FACTOR * teacher + 0 * disp
    spread = teacher.log().flatten(1).std(1, correction=0)
    return made, {"main": frames}, (SLOPE * math.log(FACTOR) / spread).mean().item()


def test_critic_and_student_pull_in_opposite_directions():
    """In the teacher's statistics its own maps average 0, the student's log FACTOR / spread."""
    made, batch, fake = judged(holistic_weight=0.3, penalty_weight=7.0)
    student = made.terms(batch, "student", 0)
    assert student["holistic"].item() == pytest.approx(-0.3 * fake, rel=1e-4)  # wants to be scored high
    critic = made.terms(batch, "critic", 0)
    assert critic["critic"].item() == pytest.approx(fake - 0.0, rel=1e-4)  # wants fakes low, teachers high
    slope = SLOPE / math.sqrt(32 * 64)  # of a mean over so many pixels
    assert critic["penalty"].item() == pytest.approx(7.0 * (slope - 1) ** 2, rel=1e-4)


def test_slopes_are_those_between_maps_whatever_the_critic_sees_beside_them():
    made, batch, _ = judged(holistic_weight=0.3, penalty_weight=7.0)
    made.critic.config.channels = 4
    made.terms(batch, "student", 0)
    slope = SLOPE / (4 * math.sqrt(32 * 64))  # a mean over four channels, one of them the map
    assert made.terms(batch, "critic", 0)["penalty"].item() == pytest.approx(7.0 * (slope - 1) ** 2, rel=1e-4)


@pytest.mark.parametrize(
    ("weight", "term"), [("pixel_weight", "pixel"), ("pair_weight", "pair"), ("holistic_weight", "holistic")]
)
def test_a_weight_is_a_factor_of_its_term_alone(weight, term):
    found = []
    for value in (0.5, 1.0):
        made, batch, _ = judged(**({"holistic_weight": 0.1} | {weight: value}))
        found.append({name: one.item() for name, one in made.terms(batch, "student", 0).items()})
    assert found[0].pop(term) == pytest.approx(0.5 * found[1].pop(term), rel=1e-5) and found[0] == found[1]


def test_the_weight_of_the_video_is_a_factor_of_all_its_terms():
    found = []
    for value in (0.1, 0.4):
        torch.manual_seed(0)
        video = {"pose": {"name": "pose_small"}, "automask": False}
        made = method(FixedTeacher(), video_weight=value, video=video, pixel_weight=0.0, pair_weight=0.0)
        found.append(made.terms({"main": frames_of(2)}, "student", 0))
    for name, term in found[0].items():
        assert 4 * term.item() == pytest.approx(found[1][name].item(), rel=1e-5)


@pytest.mark.parametrize(("pixel", "expected"), [("log_l1", math.log(FACTOR)), ("inverse_l1", None)])
def test_pixels_are_compared_by_the_distance_asked_for(pixel, expected):
    made, batch, _ = judged(pixel=pixel, holistic_weight=0.1)
    if expected is None:
        teacher = made.teacher.depth(batch["main"].image)
        expected = ((1 / teacher) * (1 - 1 / FACTOR)).mean().item()
    assert made.terms(batch, "student", 0)["pixel"].item() == pytest.approx(expected, rel=1e-4)


def test_the_critic_begins_late_and_takes_every_nth_step():
    made = method(
        FixedTeacher(),
        critic={"name": "critic_transformer"},
        holistic_weight=0.1,
        warmup_steps=2,
        critic_every_steps=2,
    )
    batch = {"main": frames_of(2)}
    assert [bool(made.terms(batch, "critic", step)) for step in range(6)] == [False] * 3 + [True, False, True]
    assert ["holistic" in made.terms(batch, "student", step) for step in range(6)] == [False] * 3 + [
        True,
        False,
        True,
    ]


def test_pairs_are_those_of_the_deepest_maps():
    made, batch = method(FixedTeacher(), pixel_weight=0.0), {"main": frames_of(2)}
    seen = ((made.student, batch["main"].jittered), (made.teacher.net, batch["main"].image))
    maps = [net(image).features[-1] for net, image in seen]
    rows, columns = maps[0].shape[2:]
    assert (rows, columns) < made.config.pair_nodes  # the nodes are the map's own pixels
    expected = pairwise_affinity(*maps, (rows, columns))
    torch.testing.assert_close(made.terms(batch, "student", 0)["pair"], expected)
