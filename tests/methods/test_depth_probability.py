"""TIE-KD's terms, worked out by hand: KL from the teacher's distribution to the student's, and 1 - SSIM."""

import math

import pytest
import torch
from method_parts import FixedTeacher, frames_of

from lumde.losses.imitation import structural
from lumde.methods.depth_probability import DepthProbability
from lumde.nets.depth_small import DepthSmall
from lumde.structures import DepthOutput

DEPTH, BINS = 2.0, 4
SHARES = (0.1, 0.2, 0.3, 0.4)  # the student's, everywhere


def made(unit="relative", limits=(0.1, 100.0), **options):
    torch.manual_seed(0)
    student = DepthSmall(
        DepthSmall.Config(size="tiny", scales=1, bins=BINS, min_depth=limits[0], max_depth=limits[1])
    )
    teacher = FixedTeacher()
    teacher.unit = unit
    teacher.depth = lambda images: torch.full_like(images[:, :1], DEPTH)
    method = DepthProbability(
        DepthProbability.Config(name="depth_probability", **options), student, teacher
    ).eval()
    shares = torch.tensor(SHARES).view(1, BINS, 1, 1).expand(2, -1, 8, 16)
    answer = DepthOutput((torch.full((2, 1, 32, 64), 0.3),), probabilities=shares)
    method.run = lambda net, *_: answer
    return method


def divergence(densities):
    target = [density / sum(densities) for density in densities]
    return sum(p * math.log(p / q) for p, q in zip(target, SHARES, strict=True) if p > 1e-12)


def test_the_divergence_is_from_the_teacher_in_bins_of_log_depth():
    method = made(sigma_bins=1.5, distribution_weight=2.0, structure_weight=0.0)
    method.head.centres.copy_(torch.tensor([1.0, 2.0, 4.0, 8.0]))
    places = [math.log(c / DEPTH) / math.log(2) for c in (1, 2, 4, 8)]  # in distances between bins
    expected = 2.0 * divergence([math.exp(-0.5 * (place / 1.5) ** 2) for place in places])
    (term,) = method.terms({"main": frames_of(2)}, "student", 0).values()
    assert term.item() == pytest.approx(expected, rel=1e-4)


def test_the_papers_reading_has_its_sigma_in_metres_and_a_softmax_of_densities():
    method = made("metres", (1e-3, 80.0), paper=True, structure_weight=0.0)
    centres = [1e-3 + i * (80 - 1e-3) / (BINS - 1) for i in range(BINS)]
    assert method.head.centres.tolist() == pytest.approx(centres)
    method.head.centres.copy_(torch.tensor([1.5, 2.0, 2.5, 40.0]))
    densities = [
        math.exp(-0.5 * ((c - DEPTH) / 0.5) ** 2) / (0.5 * math.sqrt(2 * math.pi)) for c in (1.5, 2, 2.5)
    ]
    expected = divergence([math.exp(density) for density in densities] + [0.0])
    (term,) = method.terms({"main": frames_of(2)}, "student", 0).values()
    assert term.item() == pytest.approx(expected, rel=1e-3)


def test_the_papers_metres_may_be_nominal():
    """A relative teacher's 2.0 stands for 2.5 metres: 2.5 m is the bin that it speaks for."""
    terms = []
    for unit, depth in (("relative", DEPTH), ("metres", 2.5)):
        method = made(unit, (1e-3, 80.0), paper=True)
        method.teacher.depth = lambda images, depth=depth: torch.full_like(images[:, :1], depth)
        terms.append(method.terms({"main": frames_of(2)}, "student", 0))
        assert method.unit == unit
    torch.testing.assert_close(terms[0], terms[1])


@pytest.mark.parametrize("paper", [False, True])
def test_the_structure_has_its_weight_and_metres_only_in_the_paper(paper):
    """Ours takes the scale of the pictures out of SSIM's constants; the paper compares metres."""
    method = made("metres", (1e-3, 80.0), paper=paper, distribution_weight=0.0, structure_weight=3.0)
    teacher = 1 + torch.rand(2, 1, 32, 64)
    method.teacher.depth = lambda images: teacher
    student = method.student.depth(torch.full((2, 1, 32, 64), 0.3))
    (term,) = method.terms({"main": frames_of(2)}, "student", 0).values()
    torch.testing.assert_close(term, 3.0 * structural(student, teacher, frames_of(2).mask, not paper))
    other = structural(student, teacher, frames_of(2).mask, paper)
    assert (term - 3.0 * other).abs() > 1e-4
