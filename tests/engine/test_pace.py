from lumde.engine.pace import Pace


def totals(paces, minutes=10.0):
    """Answers of a budget over steps that take so many seconds: (step, total)."""
    pace, spent, found = Pace(minutes), 0.0, []
    for step, seconds in enumerate(paces, 1):
        spent += seconds
        if (total := pace.total(step, seconds, spent)) is not None:
            found.append((step, total))
        if found and step >= found[-1][1]:
            return found, spent
    return found, spent


def test_an_even_pace_fills_the_budget():
    found, spent = totals([0.5] * 3000)
    assert len(found) == 4 and 590 < spent <= 600.5


def test_a_slow_start_does_not_shorten_the_training():
    """Worlds are rendered in the background at first: steps of 2 s for 60 s, then of .5 s."""
    found, spent = totals([2.0] * 30 + [0.5] * 3000)
    assert found[1][1] > 1.3 * found[0][1] and 560 < spent <= 601


def test_a_busy_machine_at_first_does_not_end_it_early():
    """Steps of 2 s while something else ran, then of .1 s: the first guess, 300, is over in 163 s."""
    found, spent = totals([2.0] * 70 + [0.1] * 9000)
    assert 560 < spent <= 601 and found[-1][1] > 4000


def test_nor_one_that_is_busy_for_half_of_it():
    found, spent = totals([1.0] * 300 + [0.2] * 9000)
    assert 520 < spent <= 601 and found[-1][1] > 1200


def test_a_fast_start_does_not_lengthen_it():
    found, spent = totals([0.25] * 240 + [0.75] * 3000)
    assert found[1][1] < found[0][1] and spent < 680


def test_few_slow_steps_do_not_eat_the_budget():
    found, spent = totals([10.0] * 3000, minutes=10.0)
    assert found[0][0] == 20 and spent <= 610


def test_without_a_budget_nothing_is_said():
    assert totals([1.0] * 100, minutes=0.0)[0] == []
