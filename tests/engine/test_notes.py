"""What is said before a run: terms that it is too short for, and what its teacher found."""

import pytest
import torch
from method_parts import frames_of

from lumde.config import parse
from lumde.engine.notes import late_terms, teacher_notes
from lumde.errors import ConfigError
from lumde.methods import METHODS
from lumde.methods.attentive_feature import AttentiveFeature
from lumde.nets.depth_small import DepthSmall
from lumde.teachers.base import Teacher, TeacherConfig
from lumde.teachers.maps import MapsTeacher


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


def response(teacher, **options):
    return METHODS["response"](
        parse({"name": "response", **options}, METHODS["response"].Config),
        DepthSmall(DepthSmall.Config(size="tiny")),
        teacher,
    )


def noted(teacher, folder, **options):
    return teacher_notes(response(teacher, **options), teacher, frames_of(2), folder)


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
        assert noted(Finds(), tmp_path) == ["found 1"]


def test_a_shift_that_is_learned_as_it_is_is_told(tmp_path):
    teacher = Finds()
    assert not any("shift" in note for note in noted(teacher, tmp_path))
    teacher.affine = True
    assert any("affine_invariant leaves them open" in note for note in noted(teacher, tmp_path))
    assert not any("shift" in note for note in noted(teacher, tmp_path, loss="affine_invariant"))


ROWS = torch.linspace(1, 4, 32)[:, None].expand(2, 1, 32, 64)  # far below


def test_depths_beyond_the_students_range_are_refused_where_the_loss_sees_it(tmp_path):
    teacher = Finds()
    teacher.look = lambda frames: 1000 * ROWS
    with pytest.raises(
        ConfigError, match=r"median 2.45e\+03\) lie outside of the student's range, 0.1 to 100"
    ):
        noted(teacher, tmp_path)
    noted(teacher, tmp_path, loss="affine_invariant")
    teacher.look = lambda frames: torch.zeros_like(ROWS)
    assert "teacher: knows no depth of the first frames" in noted(teacher, tmp_path)


class Stored(MapsTeacher):
    """Maps at hand."""

    def __init__(self, maps, answers=None):
        Teacher.__init__(self)
        self.maps, self.answers = maps, answers

    def look(self, frames):
        return self.maps

    def facts(self):
        return ""


def test_maps_upside_down_are_refused_unless_somebody_says_what_they_hold(tmp_path):
    with pytest.raises(ConfigError, match="teacher.answers=depth or disparity"):
        noted(Stored(ROWS), tmp_path)
    assert any("answers=disparity" in note for note in noted(Stored(ROWS, "depth"), tmp_path))
    sky = torch.where(torch.arange(32)[:, None] < 8, 0.0, ROWS.flip(2))
    assert not noted(Stored(sky), tmp_path)


def test_later_frames_do_not_stop_a_run_that_began(tmp_path):
    """Its config could not be changed any more."""
    assert not noted(Stored(ROWS.flip(2)), tmp_path)
    assert any("answers=depth or disparity" in note for note in noted(Stored(ROWS), tmp_path))
    assert any("student's range" in note for note in noted(Stored(1000 * ROWS.flip(2)), tmp_path))


def test_a_nominal_metre_stays_the_same_when_a_run_goes_on(tmp_path):
    """The first depths decide; later ones, however far, do not change what a unit stands for."""
    factors = []
    for farther in (1.0, 7.0):
        teacher = Stored(farther * ROWS.flip(2))
        noted(teacher, tmp_path)
        factors.append(teacher.metres_per_unit(100 * ROWS))
    assert factors == [pytest.approx(2.5 / float(ROWS.median()))] * 2
    teacher.unit = "metres"
    assert teacher.metres_per_unit(ROWS) == 1.0
    with pytest.raises(ValueError, match="typical_depth"):
        TeacherConfig(name="", typical_depth=0.0)


def test_a_nominal_metre_that_is_found_late_stays_the_same_too(tmp_path):
    """Frames without depth fix no metre; the first that have some do, and a run that goes on knows it."""
    teacher = Stored(torch.zeros_like(ROWS))
    method = response(teacher, loss="three_term")
    frames = frames_of(2)
    assert "teacher: knows no depth of the first frames" in teacher_notes(method, teacher, frames, tmp_path)
    for maps in (
        torch.zeros_like(ROWS),
        ROWS.where(ROWS > 2, 0.0).flip(2),
    ):  # holes fix nothing
        teacher.maps = maps
        known, valid = method.look(frames)
        method.imitation([torch.ones_like(known)], known, valid)
    factor = teacher.metres_per_unit(ROWS)
    assert factor == pytest.approx(2.5 / float(ROWS[ROWS > 2].median()))
    later = Stored(ROWS.flip(2))
    noted(later, tmp_path)
    assert later.metres_per_unit(7 * ROWS) == factor


def test_a_run_does_not_go_on_under_another_teacher(tmp_path):
    class Named(Finds):
        state, restore = Teacher.state, Teacher.restore

        def __init__(self, weights):
            super().__init__()
            self.register_buffer("learned", torch.tensor(weights))

    for _ in range(2):
        noted(Named([1.0]), tmp_path)
    with pytest.raises(ConfigError, match="resume: the teacher is not the one"):
        noted(Named([2.0]), tmp_path)


def test_metres_that_the_loss_leaves_open_are_told(tmp_path):
    teacher = Finds()
    teacher.unit = "metres"
    for loss in ("affine_invariant", "aligned_log_l1"):
        assert any("method.loss=log_l1" in note for note in noted(teacher, tmp_path, loss=loss))
    assert not any("log_l1" in note for note in noted(teacher, tmp_path))
