"""What a long job tells on stderr."""

import sys

from lumde import progress


def ticking(monkeypatch, *times):
    clock = iter(times)
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))


def test_without_a_terminal_it_is_a_plain_line_now_and_then(capsys, monkeypatch):
    ticking(monkeypatch, 0.0, 0.0, 11.0, 12.0, 30.0)
    assert list(progress.shown([1, 2, 3, 4], "evaluate")) == [1, 2, 3, 4]
    assert capsys.readouterr().err.splitlines() == [
        "evaluate: 1/4 frames, ETA 33 s",
        "evaluate: 3/4 frames, ETA 10 s",
    ]


def test_what_has_no_length_has_no_end_in_sight(capsys, monkeypatch):
    ticking(monkeypatch, 0.0, 0.0, 11.0)
    assert list(progress.shown(iter("ab"), "render", unit="world")) == ["a", "b"]
    assert capsys.readouterr().err == "render: 1/unknown worlds\n"


def test_on_a_terminal_it_is_a_bar(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(progress, "BAR_AFTER_S", 0.0)
    assert list(progress.shown(iter([1, 2]), "predict: depth", 2)) == [1, 2]
    err = capsys.readouterr().err
    assert "predict: depth" in err
    assert "2/2" in err


def test_silence_hands_on_what_it_was_given(capsys):
    things = [1, 2]
    assert progress.silent(things, "evaluate") is things
    assert capsys.readouterr().err == ""
