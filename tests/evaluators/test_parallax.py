"""The look at a clip without ground truth: the truth scores best, travel is told from turning."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lumde.data.snippets import SnippetConfig, Snippets
from lumde.data.synthetic import Synthetic
from lumde.evaluators.parallax import LEAST_TRAVEL, score_clip, unmoved_errors, view_error, view_of
from lumde.worlds.clips import FAMILIES
from lumde.worlds.render import render_clip

SIZE = (72, 96)


class World(Synthetic):
    """One room, filmed with a chosen motion; its depth is handed out instead of a network's."""

    def __init__(self, travel: float) -> None:
        super().__init__(Synthetic.Config(worlds=1, frames=20, height=8, width=8))
        room = FAMILIES["rooms"](3)
        poses = room.world_from_camera.copy()
        poses[:, :3, 3] = poses[0, :3, 3] + travel * (poses[:, :3, 3] - poses[0, :3, 3])
        clip = render_clip(replace(room, world_from_camera=poses), *SIZE, 20)
        self._clips = dict.fromkeys(self._clips, clip)
        self.clip = clip

    def answers(self, distort: float = 0.0):
        """A stand-in for a network: finds the frame, answers its disparity, tilted by a share."""
        images = torch.from_numpy(self.clip.images).permute(0, 3, 1, 2) / 255
        tilt = torch.linspace(1 - distort, 1 + distort, SIZE[1])

        def disparity(image):
            index = int((images - image).abs().mean((1, 2, 3)).argmin())
            return tilt / torch.from_numpy(self.clip.depth[index])[None, None]

        return disparity


def snippets(world: World) -> Snippets:
    return Snippets(world, SnippetConfig(height=SIZE[0], width=SIZE[1], offsets=(-5, 5)), ("sources",))


def test_the_truth_scores_best():
    world = World(travel=1.0)
    scores = [score_clip(world.answers(d), snippets(world)) for d in (0.0, 0.2, 0.5)]
    errors = [score.error for score in scores]
    assert errors == sorted(errors) and errors[2] > 1.1 * errors[0]
    assert errors[0] < 0.9 * scores[0].flat
    score = score_clip(world.answers(), snippets(world), most=4)
    assert score.count == 4 and score.error < 0.5 * score.unmoved


def test_scale_does_not_matter():
    world = World(travel=1.0)
    answer = world.answers()
    near, far = (score_clip(lambda image, f=f: f * answer(image), snippets(world)) for f in (0.1, 10.0))
    assert near.error == pytest.approx(far.error, rel=0.02)
    assert near.parallax == pytest.approx(far.parallax, rel=0.05)


def test_travel_is_told_from_turning():
    travelling, turning = World(travel=1.0), World(travel=0.0)
    with_travel, without = (score_clip(w.answers(), snippets(w), most=5) for w in (travelling, turning))
    assert with_travel.travel > 0.2 > LEAST_TRAVEL > without.travel
    poses, depth = travelling.clip.poses, travelling.clip.depth
    steps = np.linalg.norm(poses[5:, :3, 3] - poses[:-5, :3, 3], axis=1).mean()
    focal = travelling.clip.intrinsics[0, 0]
    assert with_travel.parallax < focal * steps / np.median(
        depth
    )  # all of it seen from the side, on both axes


class Bonnet(World):
    """The same, with something in the lower quarter of every picture that a mask takes out."""

    def read(self, key):
        frame = super().read(key)
        frame.mask = frame.mask.copy()
        frame.mask[-SIZE[0] // 4 :] = False
        return frame


def test_what_a_mask_takes_out_has_no_say():
    world = Bonnet(travel=0.2)
    answer = world.answers()
    near = torch.ones(SIZE)
    near[-SIZE[0] // 4 :] = 100  # times nearer
    shape = SnippetConfig(height=SIZE[0], width=SIZE[1], offsets=(-5, 5))
    views = Snippets(world, shape, ("sources", "mask"))
    scores = [score_clip(lambda image, f=f: f * answer(image), views, most=4) for f in (1.0, near)]
    assert scores[1].parallax == pytest.approx(scores[0].parallax, rel=0.1)
    view = view_of(views[3])
    found = []
    for grey in (0.0, 1.0):
        spoiled = view.sources.clone()
        spoiled[..., -SIZE[0] // 4 :, :] = grey
        found.append((view._replace(sources=spoiled), torch.eye(4).expand(2, 4, 4)))
    errors = [view_error(one, torch.ones(1, 1, *SIZE), still) for one, still in found]
    assert errors[0] == errors[1]
    assert torch.equal(*(unmoved_errors(one) for one, _ in found))


@pytest.mark.parametrize("factor", [0.7, 1.4])
def test_a_wrong_focal_length_makes_no_traveller_of_a_turning_camera(factor):
    turning = World(travel=0.0)
    turning.clip.intrinsics[:2, :2] *= factor
    assert score_clip(turning.answers(), snippets(turning), most=5).travel < LEAST_TRAVEL
