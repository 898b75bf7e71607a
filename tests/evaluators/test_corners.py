"""A network's error at triangulated corners is about its true one; scale that wanders is seen."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lumde.data.snippets import SnippetConfig, Snippets
from lumde.data.synthetic import Synthetic
from lumde.errors import ConfigError
from lumde.evaluators.corners import Corners, CornerScore, joint_score

SIZE = (96, 160)


@pytest.fixture(scope="module")
def world():
    return Synthetic(
        Synthetic.Config(families=("rooms",), worlds=4, frames=5, every=5, height=96, width=160, seed=5)
    )


@pytest.fixture(scope="module")
def corners(world):
    config = SnippetConfig(height=SIZE[0], width=SIZE[1], offsets=(-5, 5))
    return Corners(Snippets(world, config, ("sources",)), 12)


def answers(world, tilt=0.0, wander=0.0):
    """A stand-in for a network: finds each frame and answers its disparity, tilted, of wandering scale."""
    frames = [world.read_fields(key, ("depth",)) for key in world.targets]
    images = torch.from_numpy(np.stack([frame.image for frame in frames])).permute(0, 3, 1, 2) / 255
    slope = torch.linspace(1 - tilt, 1 + tilt, SIZE[1])

    def disparity(pictures):
        found = []
        for picture in pictures:
            i = int((images - picture).abs().mean((1, 2, 3)).argmin())
            found.append((1 + wander * (i % 2)) * slope / torch.from_numpy(frames[i].depth))
        return torch.stack(found)[:, None]

    return disparity


def true_abs_rel(world, tilt):
    """Of the same stand-in, over all pixels."""
    found = []
    for key in world.targets:
        truth = world.read_fields(key, ("depth",)).depth
        ratio = np.broadcast_to(1 / np.linspace(1 - tilt, 1 + tilt, SIZE[1]), truth.shape)
        depth = truth * ratio
        found.append(np.mean(np.abs(depth * np.median(truth) / np.median(depth) - truth) / truth))
    return float(np.mean(found))


def test_the_error_is_about_the_true_one(world, corners):
    scores = {tilt: corners.score(answers(world, tilt)) for tilt in (0.0, 0.3, 0.6)}
    assert len(scores[0.0].errors) >= 5 and scores[0.0].points >= 12
    assert scores[0.0].abs_rel < 0.1
    for tilt in (0.3, 0.6):
        assert scores[tilt].abs_rel == pytest.approx(true_abs_rel(world, tilt), rel=0.35)
    assert scores[0.6].abs_rel > scores[0.3].abs_rel > scores[0.0].abs_rel


def test_scale_does_not_matter_but_its_wandering_is_told(world, corners):
    steady, larger = (
        corners.score(lambda pictures, factor=factor: factor * answers(world)(pictures)) for factor in (1, 50)
    )
    assert larger.abs_rel == pytest.approx(steady.abs_rel, rel=1e-3)
    assert larger.drift == pytest.approx(steady.drift, rel=1e-3) and steady.drift < 0.05
    wandering = corners.score(answers(world, wander=0.5)).drift
    assert wandering == pytest.approx(np.log(1.5), rel=0.1)


def test_too_few_snippets_tell_nothing(world):
    config = SnippetConfig(height=SIZE[0], width=SIZE[1], offsets=(-5, 5))
    assert Corners(Snippets(world, config, ("sources",)), 2).score(answers(world)) is None


def test_worse_is_what_goes_beyond_the_scatter():
    score = CornerScore(0.2, 0.0, 50.0, (0.2, 0.2, 0.2))
    assert replace(score, errors=(0.21, 0.21, 0.21)).worse_than(score)
    assert not replace(score, errors=(0.25, 0.17, 0.21)).worse_than(score)
    assert not score.worse_than(score)
    assert replace(score, errors=(float("nan"), 0.1, 0.1)).worse_than(score)


def test_a_stereo_partner_is_refused(world):
    snippets = Snippets(world, SnippetConfig(height=SIZE[0], width=SIZE[1], offsets=(-5, 5)), ("sources",))
    snippets.config = replace(snippets.config, stereo=True)
    with pytest.raises(ConfigError, match="partner"):
        Corners(snippets, 4)


def test_joint_score_is_the_geometric_mean():
    assert joint_score(0.04, 0.25) == pytest.approx(0.1)
