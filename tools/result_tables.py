"""The tables of the docs and README.md, each made from the results in docs/results/ (make_results.py)."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from lumde.report.study import accuracy_table, claim_table, contrast_table, markdown

DOCS = Path(__file__).resolve().parents[1] / "docs"
STORE = DOCS / "results"
METRICS = ("abs_rel", "sq_rel", "rmse", "rmse_log", "a1", "a2", "a3")
TRIVIAL = ("constant_depth", "mean_depth", "median_depth")
DEMO_ROWS = {
    "teacher": "teacher",
    "student": "student (LUMDE)",
    "student_without_distillation": "same student, no teacher",
    "constant_depth": "constant depth",
    "mean_depth": "per-pixel mean map",
    "median_depth": "per-pixel median map",
}
KITCHEN_ROWS = {
    "kitchen_pm1": "photometric, pose network, sources +-1, random start",
    "kitchen_pm3": "photometric, pose network, sources +-3, random start",
    "kitchen_pm3_init": "photometric, pose network, sources +-3, start from worlds",
    "kitchen_metric": "photometric, recorded poses, sources +-3, random start",
    "kitchen_worlds_teacher": "the worlds' teacher as it is (zero-shot)",
    "kitchen_oracle_base": "supervised oracle, teacher's size",
    "kitchen_oracle_tiny": "supervised oracle, student's size",
    "kitchen_student": "student, distilled (LUMDE terms)",
    "kitchen_undistilled": "same student, no teacher, equal steps",
}
UNSCALED_ROWS = {
    "kitchen_metric_unscaled": "photometric, recorded poses",
    "kitchen_oracle_base_unscaled": "supervised oracle, teacher's size",
    "kitchen_student_unscaled": "student, distilled",
}
DRIVE_ROWS = {
    "drive_0060_worlds": "the worlds' teacher as it is (zero-shot)",
    "drive_0060_drives": "trained on the four clips",
}


def table(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> str:
    """Rows as a Markdown table."""
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(_cell(row.get(column)) for column in columns) + " |" for row in rows]
    return "\n".join(lines)


def demo_table(columns: tuple[str, ...] = ("row", *METRICS, "params", "gmacs", "ms")) -> str:
    """The demo's rows, sizes and speeds."""
    summary = read("demo")
    rows = [{"row": title, **summary[name]} for name, title in DEMO_ROWS.items()]
    for row in rows:
        row["params"] = f"{row['params'] / 1e6:.2f} M" if "params" in row else None
    return table(rows, columns)


def aims_table() -> str:
    """What the demo aims at, and whether this run reached it."""
    rows = [{**aim, "met": "yes" if aim["met"] else "**no**"} for aim in read("demo")["aims"]]
    return table(rows, ("name", "target", "value", "met"))


def evaluation_table(names: dict[str, str]) -> str:
    """Evaluations of several models on one set, trivial rows last; rows that have not run are left out."""
    found = {name: read(name) for name in names if (STORE / f"{name}.json").exists()}
    rows = []
    for name, result in found.items():
        run = name.removesuffix("_unscaled").removeprefix("drive_0060_")  # what was evaluated
        training = STORE / f"{run}.training.json"
        facts = json.loads(training.read_text()) if training.exists() else {}
        rows.append(
            {
                "row": names[name],
                **result["metrics"],
                "steps": facts.get("steps"),
                "s": _whole(facts.get("seconds")),
            }
        )
    trivial = next(iter(found.values()))["trivial"]
    rows += [{"row": name.replace("_", " "), **trivial[name]} for name in TRIVIAL]
    return table(rows, ("row", *METRICS, "steps", "s"))


ZERO_SHOT_ROWS = {
    "zero_shot_streets-v1": "worlds: streets-v1",
    "zero_shot_rooms-v1": "worlds: rooms-v1",
    "zero_shot_shifted-v1": "worlds: shifted-v1 (shapes)",
    "zero_shot_shifted-v2": "worlds: shifted-v2 (streets of other things, surfaces, cameras, weather)",
    "zero_shot_drive_0060": "KITTI drive 0060, 13 frames (development)",
    "zero_shot_kitchen_development": "kitchen, frames 100-249 (development)",
    "zero_shot_xx_development": "KITTI odometry clip xx, triangulated points (development)",
    "zero_shot_06_final": "KITTI odometry clip 06, triangulated points (final, looked at since)",
    "zero_shot_kitchen_final": "kitchen, frames 0-49 (final, looked at since)",
}


ADAPT_ROWS = {
    **{f"kitchen_{block}": f"kitchen, block {block}" for block in range(5)},
    "kitchen_0_posed": "kitchen, block 0, recorded poses",
    "drive_0060": "KITTI drive 0060, frames 0-40",
    **{f"odometry_{clip}": f"KITTI odometry clip {clip}, triangulated points" for clip in ("06", "xx")},
    **{f"dashcam_{video}": f"dash-cam, {video}" for video in ("solidWhiteRight", "test_video")},
    "turning": "a camera that turns",
    "standing": "a camera that stands, in flickering light",
    "repeated": "one picture, repeated",
}


def zero_shot_table() -> str:
    """The shipped network's rows beside the constant's, one set per row."""
    rows = []
    for name, title in ZERO_SHOT_ROWS.items():
        result = read(name)
        shown = {key: result["metrics"][key] for key in ("abs_rel", "rmse", "a1")}
        trivial = {name: row["abs_rel"] for name, row in result["trivial"].items()}
        # Few points hardly ever fall on the same pixel twice: a map of them would be the truth itself.
        best = None if "triangulated" in title else min(trivial.values())
        rows.append({"set": title, **shown, "constant": trivial["constant_depth"], "best trivial": best})
    return table(rows, ("set", "abs_rel", "rmse", "a1", "constant", "best trivial"))


def adapt_table() -> str:
    """Before and after adaptation, one clip per row: means over seeds, the change of each seed."""
    rows = []
    for name, title in ADAPT_ROWS.items():
        files = [STORE / f"adapt_{name}.json", *sorted(STORE.glob(f"adapt_{name}_seed*.json"))]
        if not (seeds := [read(file.stem) for file in files if file.exists()]):
            continue
        mean = partial(_mean_of, seeds)
        before, after = mean("zero_shot", "abs_rel"), mean("after", "abs_rel")
        rows.append(
            {
                "clip": title,
                "minutes": seeds[0]["minutes"],
                "zero-shot": before,
                "adapted": after,
                "change": f"{after / before - 1:+.0%}" if before and after else None,
                "by seed": ", ".join(_changes(seeds)) if len(seeds) > 1 else None,
                "unscaled": mean("after_unscaled", "abs_rel"),
                "clip's own": mean("own", "abs_rel"),
                "own, unscaled": mean("own_unscaled", "abs_rel"),
                "error before": mean("score_before", "error"),
                "after": mean("score_after", "error"),
                "flat world": mean("score_after", "flat"),
                "kept": "yes" if all(one["adapted"] for one in seeds) else "no",
            }
        )
    return table(rows, tuple(rows[0]))


def _mean_of(seeds: list[dict[str, Any]], part: str, key: str) -> float | None:
    found = [one[part][key] for one in seeds if one.get(part)]
    return sum(found) / len(found) if found else None


def _changes(seeds: list[dict[str, Any]]) -> list[str]:
    return [f"{one['after']['abs_rel'] / one['zero_shot']['abs_rel'] - 1:+.0%}" for one in seeds]


def study_table(name: str) -> str:
    """Rows of a study on the set that it is judged on, numbered as its figure is."""
    summary = read(f"studies/{name}/study")
    rows = [dict(row) for row in accuracy_table(summary, summary["judged_on"])]
    trained = [row for row in rows if row["gmacs"] is not None]
    for row in rows:
        row["#"] = trained.index(row) + 1 if row in trained else None
        row["total s"], row["MB"] = (_whole(row[key]) for key in ("total_seconds", "peak_mb"))
        row["±"] = row["abs_rel_std"]
        row["extra params"], row["extra gmacs"] = row["extra_params"], row["extra_gmacs"]
    extra = tuple(
        name for name in ("extra params", "extra gmacs") if any(row[name] is not None for row in rows)
    )
    metric = ("unscaled",) if any(row["unscaled"] is not None for row in rows) else ()
    accuracy = ("#", "row", "abs_rel", "±", *metric, "rmse", "a1", "agreement")
    columns = (*accuracy, "params", *extra, "gmacs", "steps", "total s", "MB")
    return markdown([{column: row[column] for column in columns} for row in rows])


def sets_table(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Error of a study's rows on every set that it tests on."""
    rows: list[dict[str, Any]] = []
    for row in summary["rows"].values():
        errors = {name: row["tests"][name]["abs_rel"] for name in summary["tests"]}
        facts = {"params": row["params"], "gmacs": row["gmacs"], "s": _whole(row["seconds"])}
        rows.append({"row": row["title"], **errors, **facts})
    for name in TRIVIAL:
        errors = {test: found[name]["abs_rel"] for test, found in summary["trivial"].items()}
        rows.append({"row": name.replace("_", " "), **errors, **dict.fromkeys(("params", "gmacs", "s"))})
    return rows


def study_tables() -> dict[str, Callable[[], str]]:
    """Rows, contrasts, claims, tries and single test sets of every study in the store, parts included."""
    found: dict[str, Callable[[], str]] = {}
    for file in sorted(STORE.glob("studies/**/study.json")):
        place = file.parent.relative_to(STORE / "studies").as_posix()
        name, summary = place.replace("/", "-"), read(f"studies/{place}/study")
        found[f"study-{name}"] = partial(study_table, place)
        parts = {
            "contrasts": contrast_table(summary),
            "claims": claim_table(summary),
            "tries": summary["tuning"],
            "sets": sets_table(summary) if len(summary["tests"]) > 1 else [],
        }
        found |= {f"study-{name}-{part}": partial(markdown, rows) for part, rows in parts.items() if rows}
    return found


def worlds_table() -> str:
    """Statistics of worlds and recordings."""
    found = read("worlds")
    columns = ("mean", "std", "|dx| 50/90/99 %", "flat", "slope", "depth 5/25/50/75/95 %")
    return table(
        [
            {"set": name, **{key.replace("|", ""): row.get(key) for key in columns}}
            for name, row in found.items()
        ],
        ("set", *(key.replace("|", "") for key in columns)),
    )


TABLES = {
    "demo-short": lambda: demo_table(("row", "abs_rel", "a1", "params", "gmacs", "ms")),
    "demo": demo_table,
    "aims": aims_table,
    "kitchen": lambda: evaluation_table(KITCHEN_ROWS),
    "kitchen-metric": lambda: evaluation_table(UNSCALED_ROWS),
    "zero-shot": zero_shot_table,
    "worlds": worlds_table,
    "adapt": adapt_table,
    "drive-0060": lambda: evaluation_table(DRIVE_ROWS),
}


def read(name: str) -> dict[str, Any]:
    """A result of the store."""
    return json.loads((STORE / f"{name}.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)
