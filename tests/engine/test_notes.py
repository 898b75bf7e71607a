"""What is said before a run: terms that it is too short for, and what its teacher found."""

import torch

from lumde.engine.notes import late_terms, teacher_notes
from lumde.methods.attentive_feature import AttentiveFeature
from lumde.nets.depth_small import DepthSmall
from lumde.teachers.base import Teacher


class Finds(Teacher):
    """A teacher that finds out something at its first look, each time something else."""

    found = 0
    looks = 0

    def depth(self, images):
        return images[:, :1]

    def begin(self, images):
        Finds.looks += 1
        self.found = self.found or Finds.looks
        return [f"found {self.found}"]

    def state(self):
        return {"found": self.found}

    def restore(self, state):
        self.found = state["found"]


def test_terms_that_a_run_never_reaches_are_told():
    config = AttentiveFeature.Config(name="attentive_feature", ghost_step=5, feature_step=10)
    teacher = Finds()
    teacher.gives = ("maps", "features")
    net = DepthSmall(DepthSmall.Config(size="tiny"))
    teacher.features = lambda images: net(images).features
    method = AttentiveFeature(config, net, teacher)
    assert late_terms(10, method) == ["feature: begins at step 10, which this run of 10 steps never reaches"]
    assert late_terms(11, method) == late_terms(0, method) == []


def test_what_a_teacher_found_stays_so_when_a_run_goes_on(tmp_path):
    for _ in range(2):
        assert teacher_notes(Finds(), torch.zeros(1, 3, 4, 4), tmp_path) == ["found 1"]
