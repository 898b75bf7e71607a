"""The rule of both directions, against loops and by hand."""

import pytest
import torch

from lumde.losses.arbiter import ArbiterConfig, judge

CONFIG = ArbiterConfig(window=3)
EARLIER = torch.tensor([True, False])


def maps(seed=0, size=(2, 2, 5, 6)):
    generator = torch.Generator().manual_seed(seed)
    student, teacher, unmoved, difference = torch.rand(4, *size, generator=generator)
    return (
        0.2 * student,
        0.3 * teacher,
        0.5 * unmoved,
        torch.rand(size, generator=generator) > 0.2,
        0.12 * difference,
    )


def loop_mean(errors, seen, row, column, radius):
    """Mean over the seen pixels of a square, cut at the border; 0 where none is seen."""
    values = [
        errors[r, c]
        for r in range(max(0, row - radius), min(errors.shape[0], row + radius + 1))
        for c in range(max(0, column - radius), min(errors.shape[1], column + radius + 1))
        if seen[r, c]
    ]
    return sum(values) / len(values) if values else torch.tensor(0.0)


def loop_judge(config, earlier, student, teacher, unmoved, seen, difference):
    b, s, h, w = student.shape
    doubt, rejected = torch.zeros(b, 1, h, w), torch.zeros(b, 1, h, w, dtype=torch.bool)
    for i, y, x in torch.cartesian_prod(torch.arange(b), torch.arange(h), torch.arange(w)).tolist():
        speaking = [k for k in range(s) if seen[i, k, y, x]]
        if {bool(earlier[k]) for k in speaking} != {True, False}:
            continue
        means = {
            k: [
                loop_mean(errors[i, k], seen[i, k], y, x, config.window // 2)
                for errors in (student, teacher, unmoved)
            ]
            for k in speaking
        }
        gains = [theirs - ours for ours, theirs, _ in means.values()]
        margins = [max(config.margin, config.share * theirs) for _, theirs, _ in means.values()]
        doubt[i, 0, y, x] = min(gains)
        rejected[i, 0, y, x] = (
            all(gain > margin for gain, margin in zip(gains, margins, strict=True))
            and all(difference[i, k, y, x] < config.difference for k in speaking)
            and all(still - ours > config.margin for ours, _, still in means.values())
        )
    return doubt, rejected


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("earlier", [[True, False], [True, True, False]])
def test_judgement_agrees_with_a_loop(seed, earlier):
    given = (torch.tensor(earlier), *maps(seed, (2, len(earlier), 5, 6)))
    answer, (doubt, rejected) = judge(CONFIG, *given), loop_judge(CONFIG, *given)
    torch.testing.assert_close(answer.doubt, doubt)
    assert torch.equal(answer.rejected, rejected) and rejected.any() and not rejected.all()


def flat(*values):
    """One pixel with the given value per source."""
    return torch.tensor(values).view(1, -1, 1, 1)


def rejected(student, teacher, unmoved=(0.5, 0.5), seen=(True, True), difference=(0.0, 0.0)):
    config = ArbiterConfig(window=1)
    maps = (flat(*values) for values in (student, teacher, unmoved, seen, difference))
    return judge(config, EARLIER, *maps).rejected.item()


def test_rule_by_hand():
    assert rejected((0.05, 0.05), (0.10, 0.08))
    assert rejected((0.05, 0.26), (0.07, 0.30))  # .02 of .01 needed, .04 of .03: each direction by itself
    assert not rejected((0.05, 0.09), (0.10, 0.08))  # better in one direction only: a mover, an occlusion
    assert not rejected((0.05, 0.05), (0.10, 0.08), seen=(True, False))  # nobody sees it from the other side
    assert not rejected((0.050, 0.050), (0.059, 0.059))  # less than the margin of .01
    assert not rejected((0.28, 0.28), (0.30, 0.30))  # less than a tenth of the teacher's error
    assert not rejected((0.05, 0.05), (0.10, 0.08), difference=(0.0, 0.2))  # the student contradicts itself
    assert not rejected((0.05, 0.05), (0.10, 0.08), unmoved=(0.055, 0.5))  # it moves along with the camera


@pytest.mark.parametrize("bad", [{"window": 4}, {"window": 0}, {"margin": -0.1}, {"after_steps": -1}])
def test_margins_that_mean_nothing_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        ArbiterConfig(**bad)
