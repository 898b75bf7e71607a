"""Parts of the page: verdicts, story, pictures, table."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from jaxtyping import UInt8

from lumde.media.images import encode_png
from lumde.pictures.depth import WORST_ERROR
from lumde.report.numbers import count, number
from lumde.report.panels import Panel

ROWS = {
    "teacher": "Teacher",
    "student": "Student",
    "student_without_distillation": "Same student, no teacher",
    "constant_depth": "Constant depth",
    "mean_depth": "Mean depth map",
    "median_depth": "Median depth map",
}
NETWORKS = ("teacher", "student", "student_without_distillation")
METRICS = {  # column -> (heading, decimals)
    "abs_rel": ("abs_rel &darr;", 3),
    "sq_rel": ("sq_rel &darr;", 3),
    "rmse": ("rmse [m] &darr;", 2),
    "rmse_log": ("rmse_log &darr;", 3),
    "a1": ("a1 &uarr;", 3),
    "a2": ("a2 &uarr;", 3),
    "a3": ("a3 &uarr;", 3),
}
_SHOWN_PANELS = 6  # the rest is folded away


def title(name: str) -> str:
    """Heading of a row or run."""
    return ROWS.get(name, name.replace("_", " "))


def heroes(summary: Mapping[str, Any]) -> str:
    """The three figures a reader takes away."""
    cards = []
    for name in NETWORKS:
        row = summary[name]
        facts = f"{count(row.get('params'))} parameters, {number(row.get('gmacs'))} GMACs"
        cards.append(
            f'<div class="card hero"><span>{title(name)}: abs_rel</span><b>{number(row["abs_rel"], 3)}</b>'
            f"<span>{facts}</span></div>"
        )
    return f'<div class="heroes">{"".join(cards)}</div>'


def aims(rows: Sequence[Mapping[str, Any]]) -> str:
    """Each aim with its verdict in words, not in colour alone."""
    verdicts = {True: ("met", "met"), False: ("missed", "not met"), None: ("unknown", "not measured")}
    lines = []
    for aim in rows:
        style, word = verdicts[aim.get("met")]
        lines.append(
            f'<tr><td class="text">{escape(str(aim["name"]))}</td><td>{number(aim["target"])}</td>'
            f'<td>{number(aim["value"])}</td><td><span class="badge {style}">{word}</span></td></tr>'
        )
    head = "<tr><th>Aim</th><th>Target</th><th>Measured</th><th></th></tr>"
    return f'<h2>Aims</h2><div class="card scroll"><table>{head}{"".join(lines)}</table></div>'


def story(summary: Mapping[str, Any]) -> str:
    """What was done, for a reader who knows none of it."""
    steps = {name: number(value) for name, value in summary["steps"].items()}
    test_set = (
        f" (test set <code>{escape(str(summary['test_set']))}</code>)" if summary.get("test_set") else ""
    )
    return f"""<h2>What happened here</h2>
<p>Procedural streets were rendered as short drives. The <b>teacher</b> saw only their frames: it guesses
depth and camera motion, redraws each frame from its neighbours with that guess, and is corrected by how the
redrawn frame differs from the real one ({steps["teacher"]} steps).</p>
<p>The <b>student</b> is a far smaller network. It learned from the teacher's depth and from the video itself
({steps["student"]} steps). The <b>same student without a teacher</b> had the same frames and only them
({steps["student_without_distillation"]} steps).</p>
<p>All were tested on {number(summary.get("worlds"))} worlds that none of them had seen{test_set}, against
exact depth, which the renderer knows and no network was shown. Three guesses that do not look at the picture
stand beside them: one depth everywhere, and each pixel's mean and median over the training worlds.</p>"""


def pictures(panels: Sequence[Panel], abs_rel: Mapping[str, Mapping[str, Any]]) -> str:
    """Frames of unseen worlds side by side; one colour scale per frame, fixed by the truth."""
    if not panels:
        return ""
    scales = (
        '<div class="scales"><span>Depth: far<i class="depth"></i>near</span>'
        f'<span>Error |prediction - truth| / truth: 0<i class="error"></i>{WORST_ERROR:g} and more</span>'
        "<span>Grey: no true depth (sky)</span><span>Each depth stands over its error</span></div>"
    )
    shown = [_panel(panel, abs_rel.get(panel.title, {})) for panel in panels]
    folded = shown[_SHOWN_PANELS:]
    more = f"<details><summary>More frames</summary>{''.join(folded)}</details>" if folded else ""
    return f"<h2>Frames of unseen worlds</h2>{scales}{''.join(shown[:_SHOWN_PANELS])}{more}"


def results(summary: Mapping[str, Any]) -> str:
    """The table: networks and trivial predictions, accuracy, size and speed."""
    rows = {name: summary[name] for name in ROWS}
    widest = max((row["abs_rel"] for row in rows.values() if row.get("abs_rel")), default=1.0)
    head = "".join(f"<th>{heading}</th>" for heading, _ in METRICS.values())
    lines = "".join(_result_row(name, row, widest) for name, row in rows.items())
    return (
        '<h2>Results on unseen worlds</h2><div class="card scroll"><table>'
        f"<tr><th></th>{head}<th>params</th><th>GMACs</th><th>ms</th></tr>{lines}</table></div>"
        "<p>Means over images; &darr; lower is better, &uarr; higher is better. "
        "GMACs and milliseconds are for one frame.</p>"
    )


def pairs(heads: tuple[str, str], rows: Iterable[tuple[str, str]]) -> str:
    """Two-column table; the second column is HTML already."""
    lines = "".join(
        f'<tr><td class="text">{escape(title(name))}</td><td>{shown}</td></tr>' for name, shown in rows
    )
    return f"<table><tr><th>{heads[0]}</th><th>{heads[1]}</th></tr>{lines}</table>"


def _result_row(name: str, row: Mapping[str, Any], widest: float) -> str:
    cells = []
    for metric, (_, digits) in METRICS.items():
        shown = number(row.get(metric), digits)
        if metric == "abs_rel":
            width = 100 * (row.get(metric) or 0) / widest
            cells.append(f'<td class="bar"><i style="width:{width:.0f}%"></i>{shown}</td>')
        else:
            cells.append(f"<td>{shown}</td>")
    cells += [f"<td>{count(row.get('params'))}</td>", f"<td>{number(row.get('gmacs'))}</td>"]
    cells.append(f"<td>{number(row.get('ms'), 1)}</td>")
    kind = "network" if name in NETWORKS else "trivial"
    return f'<tr class="{kind}" id="{name}"><td>{ROWS[name]}</td>{"".join(cells)}</tr>'


def _panel(panel: Panel, abs_rel: Mapping[str, Any]) -> str:
    figures = [_figure("Frame, and true depth below", "", panel.image, panel.truth)]
    for name, picture in panel.depths.items():
        caption = f"abs_rel {number(abs_rel[name], 3)}" if name in abs_rel else ""
        figures.append(_figure(title(name), caption, picture, panel.errors[name]))
    return f'<h3>{escape(panel.title)}</h3><div class="frames">{"".join(figures)}</div>'


def _figure(name: str, caption: str, *shown: UInt8[np.ndarray, "_ _ 3"]) -> str:
    images = "".join(f'<img alt="{escape(name)}" src="{_data_uri(picture)}">' for picture in shown)
    return (
        f"<figure><figcaption><span>{escape(name)}</span><span>{caption}</span></figcaption>{images}</figure>"
    )


def _data_uri(picture: UInt8[np.ndarray, "h w 3"]) -> str:
    return "data:image/png;base64," + base64.b64encode(encode_png(picture)).decode()
