"""The tables of a study as Markdown, CSV and one self-contained page with a figure: accuracy against cost."""

import csv
import io
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from lumde import files
from lumde.pictures.curves import scatter_plot
from lumde.report.page import html_page

COLUMNS = ("abs_rel", "abs_rel_std", "unscaled", "rmse", "a1", "agreement")
COSTS = (
    "params",
    "extra_params",
    "gmacs",
    "extra_gmacs",
    "ms",
    "steps",
    "seconds",
    "total_seconds",
    "peak_mb",
)
Table = Sequence[Mapping[str, Any]]


def write_study(out: Path, summary: Mapping[str, Any]) -> None:
    """Write `out`/study.md, study.csv and study.html from what study.json holds."""
    tables = {name: accuracy_table(summary, name) for name in summary["tests"]}
    about = (
        f"Means over {len(summary['seeds'])} seed(s). *unscaled*: abs_rel of depth in metres as it is; "
        "all else is median-scaled. *agreement*: mean log distance to the row's teacher. "
        "*extra_params*: what learns beside the student and is not shipped, e.g. a pose network; "
        "*extra_gmacs*: what its layers multiply per picture of the training, forward, mean over steps."
    )
    sections = {name: ("", table) for name, table in tables.items()} | {
        "Teachers from outside": (
            "abs_rel on frames that they teach, and of the best map that ignores these",
            [
                {"row": summary["rows"][name]["title"], **errors}
                for name, errors in summary["outside_teachers"].items()
            ],
        ),
        "Contrasts": (
            f"judged on {summary['judged_on']}; exploratory = asked after the first result, or of seeds that "
            "were not declared",
            contrast_table(summary),
        ),
        "Claims": ("what was found, and the limit that it is held against", claim_table(summary)),
        "Tuning": ("abs_rel on the validation set; each row ran with its best try", summary["tuning"]),
    }
    lines, body = [f"{about}\n"], ["<h1>Study</h1>", f"<p>{escape(about)}</p>", study_figure(summary)]
    for title, (note, table) in sections.items():
        if table:
            lines += [f"**{title}**{': ' if note else ''}{note}\n", markdown(table)]
            body += [f"<h2>{escape(title)}</h2><p>{escape(note)}</p>{_html(table)}"]
    files.write_text(out / "study.md", "\n".join(lines))
    files.write_text(
        out / "study.csv", _csv([{"test": name, **row} for name, table in tables.items() for row in table])
    )
    files.write_text(out / "study.html", html_page("lumde study", body))


def accuracy_table(summary: Mapping[str, Any], test: str) -> Table:
    """One line per row on a test set, the trivial ones first."""
    lines: list[dict[str, Any]] = [
        {"row": name.replace("_", " "), **{k: metrics.get(k) for k in COLUMNS}, **dict.fromkeys(COSTS)}
        for name, metrics in summary["trivial"][test].items()
    ]
    for row in summary["rows"].values():
        values = row["tests"][test]
        accuracy = {name: values.get(name) for name in COLUMNS}
        lines.append({"row": row["title"], **accuracy, **{name: row.get(name) for name in COSTS}})
    return lines


def contrast_table(summary: Mapping[str, Any]) -> Table:
    """Ratio of errors with its interval, p-value and verdict."""
    return [
        {
            "contrast": title,
            "error ratio": one["ratio"][0],
            "from": one["ratio"][1],
            "to": one["ratio"][2],
            "p (Holm)": one["p_holm"],
            "verdict": one["verdict"],
        }
        for title, one in summary["contrasts"].items()
    ]


def claim_table(summary: Mapping[str, Any]) -> Table:
    """What each claim limits, as found and with its interval, and whether the claim holds."""
    return [
        {
            "claim": title,
            **{key: one[key] for key in ("of", "limit", "found", "from", "to")},
            "p (Holm)": one["p_holm"],
            "holds": one["holds"],
        }
        for title, one in summary["claims"].items()
    ]


def markdown(table: Table) -> str:
    """A table whose numbers have three decimals, or none where they are large."""
    heads = list(table[0])
    lines = [heads, ["---"] * len(heads), *([_shown(row[head]) for head in heads] for row in table)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value.replace("|", "\\|")
    return f"{value:.3f}" if abs(value) < 100 and not isinstance(value, int) else f"{value:,.0f}"


def _html(table: Table) -> str:
    heads = "".join(f"<th>{escape(head)}</th>" for head in table[0])
    lines = "".join(
        "<tr>" + "".join(f"<td>{escape(_shown(value))}</td>" for value in row.values()) + "</tr>"
        for row in table
    )
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>"


def _csv(table: Table) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(table[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return text.getvalue()


def study_figure(summary: Mapping[str, Any]) -> str:
    """Error on the main test set against the training it took; points numbered in the tables' order."""
    points = [
        (row["title"], row["total_seconds"], row["tests"][summary["judged_on"]]["abs_rel"])
        for row in summary["rows"].values()
    ]
    return scatter_plot(
        points, "seconds of training, the teacher's among them", f"abs_rel on {summary['judged_on']}"
    )
