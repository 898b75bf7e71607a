"""Fill the tables of the docs and README.md from docs/results/ (<!-- results:NAME --> markers).

Usage: python tools/make_results.py [DIR]   with DIR: copy the small JSON files of a finished run there first.
"""

import json
import re
import shutil
import sys
from pathlib import Path

from result_tables import DOCS, STORE, TABLES, read, study_tables

from lumde.report.study import study_figure

SVG = "http://www.w3.org/2000/svg"
STYLE = "text{font:11px sans-serif}.grid{stroke:#ddd}svg{background:#fff}"  # of drawings outside of a page
TRAINING_FACTS = ("method", "seed", "budget", "steps", "seconds", "skipped", "snippets")  # no paths


def collect(run: Path) -> None:
    """Copy the results of a study, of a demo (summary.json) or of tools/run_recordings.sh into the store."""
    if (run / "results").is_dir() or any(run.glob("*/declared.json")):
        shutil.rmtree(STORE / "studies" / run.name, ignore_errors=True)  # or results of two runs would mix
        collect_study(run, run.name)
        return
    if (run / "summary.json").exists():
        shutil.copy(run / "summary.json", STORE / "demo.json")
        return
    for file in run.glob("*.json"):
        shutil.copy(file, STORE / file.name)
    for file in run.glob("*/result.json"):
        facts = json.loads(file.read_text(encoding="utf-8"))
        kept = {key: facts[key] for key in TRAINING_FACTS}
        (STORE / f"{file.parent.name}.training.json").write_text(
            json.dumps(kept, indent=1) + "\n", encoding="utf-8"
        )


def collect_study(run: Path, name: str) -> None:
    """Copy all results of a study and of its parts, finished or not; with figures of what has ended."""
    for file in (*run.glob("*.json"), *run.glob("results/*.json")):
        place = STORE / "studies" / name / file.relative_to(run)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)
    if (run / "study.json").exists():
        drawing, _, _ = study_figure(read(f"studies/{name}/study")).partition("</svg>")
        styled = drawing.replace(">", f' xmlns="{SVG}"><style>{STYLE}</style>', 1) + "</svg>\n"
        picture = DOCS / "images" / f"study_{name.replace('/', '_')}.svg"
        picture.write_text(styled, encoding="utf-8")
    for part in sorted(run.glob("*/declared.json")):
        collect_study(part.parent, f"{name}/{part.parent.name}")


def filled(text: str) -> str:
    """Put every table between its markers."""

    def replace(match: re.Match[str]) -> str:
        if match[1] not in TABLES:  # its runs are not there yet
            return match[0]
        return f"<!-- results:{match[1]} -->\n{TABLES[match[1]]().strip()}\n<!-- /results -->"

    return re.sub(r"<!-- results:([A-Za-z0-9_-]+) -->.*?<!-- /results -->", replace, text, flags=re.DOTALL)


if __name__ == "__main__":
    STORE.mkdir(parents=True, exist_ok=True)
    for argument in sys.argv[1:]:
        collect(Path(argument))
    TABLES |= study_tables()
    for page in (DOCS / "results.md", DOCS / "distillation.md", DOCS.parent / "README.md"):
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")
