"""The page of a demo: verdicts first, then pictures, numbers, curves, and how to get the same again.

Every number shown stands in the summary; nothing is computed here but its rounding.
"""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from lumde import __version__, files
from lumde.pictures.curves import line_plot
from lumde.report import sections
from lumde.report.numbers import duration, number
from lumde.report.panels import Panel
from lumde.report.style import STYLE

# The page may show its own pictures and styles and do nothing else, whatever a file name contains.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_QUICK = (
    '<p><span class="badge unknown">quick run</span> A tiny run that only shows that every stage works.</p>'
)


def write_report(
    path: Path,
    summary: Mapping[str, Any],
    panels: Sequence[Panel],
    curves: Mapping[str, Sequence[Mapping[str, Any]]],
) -> None:
    """Write `path`, one HTML file that needs nothing beside it.

    Args:
        path: the file to write, atomically.
        summary: what summary.json holds: `seed`, `seconds`, `steps`, `aims`, one entry per row of
            `sections.ROWS`; optional `worlds`, `test_set`, `quick`, `command`, `notes` (texts), `environment`
            (name -> text) and `pictures` (panel title -> row -> abs_rel of that frame).
        panels: frames to show, in order.
        curves: run name -> rows of its metrics.jsonl.
    """
    body = [
        _head(summary),
        sections.heroes(summary),
        sections.aims(summary["aims"]),
        sections.story(summary),
        sections.pictures(panels, summary.get("pictures", {})),
        sections.results(summary),
        _plots(curves),
        _effort(summary),
        _reproduce(summary),
        _notes(summary),
    ]
    files.write_text(path, html_page("lumde demo report", body))


def html_page(title: str, parts: Sequence[str]) -> str:
    """A whole page from parts of its body; empty ones are left out."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>\n"
        + "\n".join(part for part in parts if part)
        + f"\n<footer>lumde {escape(__version__)}. This page contains no scripts and loads "
        "nothing.</footer>"
        "</main></body></html>\n"
    )


def _head(summary: Mapping[str, Any]) -> str:
    verdicts = [aim.get("met") for aim in summary["aims"]]
    if verdicts and all(verdicts):
        headline = "A light network learned depth from raw video, and every aim was met"
    elif any(verdicts):
        headline = "A light network learned depth from raw video; some aims were missed"
    else:
        headline = "Depth from raw video: the aims were missed in this run"
    return (
        f"<h1>{headline}</h1>"
        '<p class="lead">No ground truth, no labels, no pretrained weights: a teacher learned from the '
        "frames of moving cameras alone, and taught a much smaller student.</p>"
        + (_QUICK if summary.get("quick") else "")
    )


def _plots(curves: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    plots = []
    accuracy = {sections.title(run): _series(rows, "val_abs_rel") for run, rows in curves.items()}
    plots.append(("Validation error", line_plot(accuracy, "step", "abs_rel")))
    for run, rows in curves.items():
        lines = {"training loss": _series(rows, "loss"), "validation loss": _series(rows, "val_loss")}
        plots.append((f"Loss: {sections.title(run)}", line_plot(lines, "step", "loss")))
    cards = "".join(f'<div class="card"><h3>{escape(name)}</h3>{plot}</div>' for name, plot in plots if plot)
    return f'<h2>How the networks learned</h2><div class="plots">{cards}</div>' if cards else ""


def _series(rows: Sequence[Mapping[str, Any]], field: str) -> list[tuple[int | float, int | float]]:
    return [(row["step"], row[field]) for row in rows if row.get(field) is not None]


def _effort(summary: Mapping[str, Any]) -> str:
    seconds = [(name, duration(value)) for name, value in summary["seconds"].items()]
    steps = [(name, number(value)) for name, value in summary["steps"].items()]
    return (
        '<h2>Time and steps</h2><div class="plots">'
        f'<div class="card">{sections.pairs(("Stage", "Time"), seconds)}</div>'
        f'<div class="card">{sections.pairs(("Training", "Steps"), steps)}</div></div>'
    )


def _reproduce(summary: Mapping[str, Any]) -> str:
    command = summary.get("command") or (
        f"lumde demo --seed {summary['seed']}" + (" --quick" if summary.get("quick") else "")
    )
    facts = [
        (name, number(value)) for name, value in summary.get("environment", {}).items() if value is not None
    ]
    made_on = f'<div class="card">{sections.pairs(("Made with", ""), facts)}</div>' if facts else ""
    return (
        f"<h2>Get the same again</h2><pre>{escape(command)}</pre>"
        "<p>Worlds, order of frames, augmentation and initial weights follow from the seed "
        f"({number(summary['seed'])}). Step counts follow from the speed of the machine; the same counts "
        "on the same kind of machine give the same networks. All numbers of this page are in "
        "<code>summary.json</code>.</p>" + made_on
    )


def _notes(summary: Mapping[str, Any]) -> str:
    notes = [
        "Monocular video does not tell scale: each prediction, the trivial ones too, is multiplied by "
        "median(truth) / median(prediction) of its frame before it is compared.",
        "Training and test worlds are procedural streets from one generator. The test worlds are unseen, "
        "but they are not photographs: these figures say nothing about real recordings.",
        "This is one seed. Differences of a few thousandths in abs_rel are within the noise of a rerun.",
        "The two students have the same number of steps; given more time, the undistilled one may come "
        "closer.",
        "Times were measured on the machine that made this page, with whatever else ran on it.",
        *summary.get("notes", ()),
    ]
    items = "".join(f"<li>{escape(str(note))}</li>" for note in notes)
    return f"<h2>What to keep in mind</h2><ul>{items}</ul>"
