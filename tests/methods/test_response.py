import math

import pytest
import torch
from method_parts import FixedTeacher, frames_of

from lumde.errors import ConfigError
from lumde.losses.imitation import three_term
from lumde.methods.response import Response
from lumde.nets.depth_small import DepthSmall
from lumde.teachers.base import TeacherConfig


def made(**options) -> Response:
    torch.manual_seed(0)
    config = Response.Config(name="response", **options)
    return Response(config, DepthSmall(DepthSmall.Config(size="tiny", scales=1)), FixedTeacher())


def noted(method: Response) -> list[int]:
    """How many pictures the student sees per call."""
    seen = []
    method.student.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    return seen


@pytest.mark.parametrize(("ratio", "count"), [(0.0, 4), (0.25, 5), (0.5, 6), (1.0, 8)])
def test_auxiliary_pictures_join_in_the_stated_ratio(ratio, count):
    method = made(auxiliary_ratio=ratio)
    frames = frames_of(4)
    seen = noted(method)
    method.terms({"main": frames, "auxiliary": frames}, "student", 0)
    assert seen == [count]
    assert method.streams == (("main", "auxiliary") if ratio else ("main",))
    assert method.needs_of("auxiliary") == ()


def test_a_shift_that_is_left_open_is_told():
    assert made(loss="affine_invariant").affine and not made().affine
    foreign = made()
    foreign.teacher.affine = True
    assert foreign.affine


def test_a_validation_set_has_the_main_stream_alone():
    assert set(made(auxiliary_ratio=1.0).terms({"main": frames_of(2)}, "student", 0)) == {"imitation"}


def test_plain_imitation_by_hand():
    """A student that answers the teacher's depth times 2 everywhere is wrong by ln 2."""
    method, frames = made().eval(), frames_of(2)
    method.student.depth = lambda disp: 2 * method.teacher.depth(frames.image)
    assert method.terms({"main": frames}, "student", 0)["imitation"].item() == pytest.approx(
        math.log(2), abs=1e-5
    )


@pytest.mark.parametrize("hole", [0.0, -1.0, math.inf, math.nan])
def test_holes_of_a_teacher_are_not_learned(hole):
    method, frames = made().eval(), frames_of(2)
    depth = method.teacher.depth(frames.image)
    holed = depth.clone()
    holed[:, :, :9, :20] = hole
    method.teacher.depth = lambda images: holed
    found = method.terms({"main": frames}, "student", 0)["imitation"]
    frames.mask[:, :, :9, :20] = False
    method.teacher.depth = lambda images: depth
    torch.testing.assert_close(found, method.terms({"main": frames}, "student", 0)["imitation"])
    found.backward()
    assert all(p.grad.isfinite().all() for p in method.student.parameters() if p.grad is not None)


def test_labels_take_their_share_and_leave_the_scale_to_a_relative_teacher():
    frames = frames_of(2)
    whole = made().eval().terms({"main": frames}, "student", 0)["imitation"]
    method = made(label_weight=0.25).eval()
    assert method.needs == ("depth",)
    terms = method.terms({"main": frames}, "student", 0)
    torch.testing.assert_close(terms["imitation"], 0.75 * whole)
    frames.depth = 3 * frames.depth
    scaled = method.terms({"main": frames}, "student", 0)["label"]
    torch.testing.assert_close(scaled, terms["label"])


def test_pictures_without_labels_learn_from_the_teacher_in_full():
    frames, method = frames_of(2), made(label_weight=0.25).eval()
    first = frames.first(1)
    both = made().eval().terms({"main": frames}, "student", 0)["imitation"]
    one = made().eval().terms({"main": first}, "student", 0)["imitation"]
    frames.depth = frames.depth.clone()
    frames.depth[1] = 0
    terms = method.terms({"main": frames}, "student", 0)
    torch.testing.assert_close(terms["imitation"], both - 0.25 * one / 2)  # both pictures have as many pixels
    alone = method.terms({"main": first}, "student", 0)["label"]
    torch.testing.assert_close(terms["label"], alone / 2)


@pytest.mark.parametrize("label_weight", [0.0, 0.25])
def test_a_pixel_of_no_weight_teaches_nothing(label_weight):
    frames, method = frames_of(2), made(label_weight=label_weight, gradient_weight=0.5).eval()
    frames.depth[:, :, :, :32] = 0
    left = torch.ones(2, 1, 32, 64)
    left[..., 32:] = 0
    method.teacher.weights = lambda frames: left
    weighed = method.terms({"main": frames}, "student", 0)
    method.teacher.weights = lambda frames: None
    method.teacher.labels = lambda images: method.teacher.depth(images) * left
    masked = method.terms({"main": frames}, "student", 0)
    for name in ("imitation", "gradient"):
        torch.testing.assert_close(weighed[name], masked[name])


def test_three_terms_are_taken_in_nominal_metres():
    """The teacher's scale is arbitrary: ten times the depth of both costs the same."""
    method, frames = made(loss="three_term").eval(), frames_of(2)
    plain = method.terms({"main": frames}, "student", 0)["imitation"]
    method = made(loss="three_term").eval()
    depth, disp_to_depth = method.teacher.depth, method.student.depth
    method.teacher.depth = lambda images: 10 * depth(images)
    method.student.depth = lambda disp: 10 * disp_to_depth(disp)
    torch.testing.assert_close(method.terms({"main": frames}, "student", 0)["imitation"], plain)


def test_unit_and_missing_teacher():
    for loss, unit in (
        ("log_l1", "metres"),
        ("scale_invariant", "metres"),
        ("aligned_log_l1", "relative"),
        ("affine_invariant", "relative"),
    ):
        method = made(loss=loss)
        method.teacher.unit = "metres"
        assert method.unit == unit
    with pytest.raises(ConfigError, match="teacher: missing"):
        Response(Response.Config(name="response"), method.student, None)


def test_a_trimmed_distance_forgets_where_student_and_teacher_differ_most():
    frames = frames_of(2)
    found = {}
    for trim in (0.0, 0.1):
        method = made(trim=trim).eval()
        theirs = method.teacher.depth(frames.image)
        ours = 2 * theirs
        ours[..., :2, :] = 50 * theirs[..., :2, :]  # less than a tenth
        method.student.depth = lambda disp, ours=ours: ours
        found[trim] = method.terms({"main": frames}, "student", 0)["imitation"].item()
    assert found[0.1] == pytest.approx(math.log(2), abs=1e-5) and found[0.0] > 1.1 * found[0.1]
    for wrong in ({"trim": 1.0}, {"trim": -0.1}, {"trim": 0.1, "loss": "three_term"}):
        with pytest.raises(ValueError, match="trim: from 0 to below 1"):
            made(**wrong)


def test_three_terms_see_a_relative_teacher_at_its_typical_depth():
    """The constant of its logarithm is half a metre: what counts as a metre decides."""
    frames = frames_of(2)
    found = [made(loss="three_term").eval() for _ in range(2)]
    for method, metres in zip(found, (5.0, 0.5), strict=True):
        method.teacher.config = TeacherConfig(name="", typical_depth=metres)
        teacher = method.teacher.depth(frames.image)
        factor = metres / teacher.median()  # one for all pictures: what is farther stays farther
        student = method.student.depth(method.student(frames.jittered).disp)
        expected = three_term(student * factor, teacher * factor, frames.mask)
        term = method.terms({"main": frames}, "student", 0)["imitation"]
        torch.testing.assert_close(term, expected, rtol=1e-2, atol=1e-3)
    terms = [method.terms({"main": frames}, "student", 0)["imitation"].item() for method in found]
    assert abs(terms[0] - terms[1]) > 0.05


def test_gradient_matching_has_its_weight():
    found = [
        made(gradient_weight=weight).eval().terms({"main": frames_of(2)}, "student", 0)
        for weight in (0.5, 2.0)
    ]
    assert found[1]["gradient"].item() == pytest.approx(4 * found[0]["gradient"].item(), rel=1e-5)
    assert found[1]["imitation"] == found[0]["imitation"]


@pytest.mark.parametrize(
    "options", [{}, {"loss": "three_term"}, {"loss": "structural"}, {"gradient_weight": 0.5}]
)
def test_labels_are_learned_by_the_loss_that_the_teacher_is(options):
    frames, method = frames_of(2), made(label_weight=0.25, **options).eval()
    method.teacher.unit = "metres"
    found = method.terms({"main": frames}, "student", 0)["label"]
    method.teacher.depth = lambda images: frames.depth  # a teacher that says what was measured
    terms = method.terms({"main": frames}, "student", 0)
    taught = sum(term for name, term in terms.items() if name != "label")
    torch.testing.assert_close(found / 0.25, taught / 0.75)
