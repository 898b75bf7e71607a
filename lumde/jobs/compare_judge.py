"""What a study may say: contrasts and claims with intervals, and verdicts on those declared beforehand."""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float

from lumde.config import to_dict
from lumde.jobs.claims import KINDS, SURE, Found
from lumde.jobs.compare_run import FEWEST_WORLDS
from lumde.jobs.compare_store import Results
from lumde.jobs.study import StudyConfig, ancestors
from lumde.metrics.paired import Contrast, contrast, holm

FEWEST_SEEDS = 5  # for a verdict: with fewer, an interval over seeds means little
POOR = "its teacher is no better than a trivial map, or than what it must beat"
SHIFT = "one of them is known only up to a shift, which median scaling leaves in"
NO_GAP = "no gap to close"
VERDICTS, ANSWERS = ("helps", "harms", "neutral"), ("yes", "no", "undecided")  # below zero, above it, neither


def declaration(study: StudyConfig) -> dict[str, Any]:
    """What a study asks, and of which rows, to be kept from before its first result on."""
    contrasts = {title: list(pair) for title, pair in study.contrasts.items()}
    return {
        "rows": {name: _definition(study, name) for name in study.rows},
        "judged_on": study.judged_on,
        "seeds": list(study.seeds),
        "contrasts": contrasts,
        **{kind: to_dict(getattr(study, kind)) for kind in KINDS},
    }


def still_asked(study: StudyConfig, declared: Mapping[str, Any]) -> dict[str, Any]:
    """What was declared, without questions about rows that are others now; before rates were chosen.

    They stay in number: who asked eight questions has asked eight. Earlier versions declared no rows.
    """
    known = declared.get("rows")
    if known is None:
        return dict(declared)
    changed = {name for name in study.rows if known.get(name) != _definition(study, name)}
    asked = dict(declared)
    of: dict[tuple[str, str], tuple[str, ...]] = {
        ("contrasts", t): pair for t, pair in study.contrasts.items()
    }
    of |= {key: claim.rows for key, claim in study.claims.items()}
    for (kind, title), rows in of.items():
        stands_on = set(rows).union(*(ancestors(study, row) for row in rows))
        if stands_on & changed and title in asked.get(kind, {}):
            asked[kind] = {**asked[kind], title: None}
    return asked


def _definition(study: StudyConfig, name: str) -> str:
    """Tells a row from another of that name."""
    row = to_dict(study.rows[name])
    row.pop("title", None)
    text = json.dumps([row, list(study.overrides), study.teacher_beats.get(name)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def judged(
    study: StudyConfig, results: Results, declared: Mapping[str, Any], poorly_taught: Collection[str] = ()
) -> dict[str, dict[str, Any]]:
    """Contrasts and claims of a study.

    Args:
        study: whose results they are.
        results: of every row and seed.
        declared: what `declaration` answered before the first result; {} where nobody knows.
        poorly_taught: rows whose teacher has nothing to teach: no verdict on them.

    Returns:
        `contrasts` and `claims` by title: interval, p-value after Holm over all that was declared, contrasts
        and claims together, and the verdict; "exploratory" for what was asked when results were known.
    """
    of = partial(_per_world, study, results)
    compared = {
        title: contrast(of(row, "log_abs_rel"), of(reference, "log_abs_rel"))
        for title, (row, reference) in study.contrasts.items()
    }
    claimed = {key: claim.measure(of) for key, claim in study.claims.items()}
    differences: dict[tuple[str, str], Contrast | None] = {("contrasts", t): c for t, c in compared.items()}
    differences |= {key: found.beyond for key, found in claimed.items()}
    adjusted = _adjusted(study, declared, differences)
    few, interim = _too_few(study, results), _interim(study, declared)

    def verdict(
        key: tuple[str, str], rows: Collection[str], words: tuple[str, str, str]
    ) -> tuple[float | None, str]:
        p_holm, one = adjusted.get(key), differences[key]
        if p_holm is None:
            return None, "exploratory"
        poor = POOR if set(rows) & set(poorly_taught) else ""
        shift = SHIFT if len({_affine(study, results, row) for row in rows}) > 1 else ""
        unfit = "; ".join(filter(None, (few, poor, shift)))
        if one is None:
            return None, unfit or NO_GAP + interim
        return p_holm, unfit or _word(words, one, p_holm) + interim

    contrasts: dict[str, Any] = {}
    for title, pair in study.contrasts.items():
        p_holm, word = verdict(("contrasts", title), pair, VERDICTS)
        one = compared[title]
        found = {"row": pair[0], "reference": pair[1], **asdict(one), "ratio": list(one.ratio)}
        contrasts[title] = found | {"p_holm": p_holm, "verdict": word}
    claims: dict[str, Any] = {}
    for key, claim in study.claims.items():
        p_holm, word = verdict(key, claim.rows, ANSWERS)
        claims[key[1]] = {"of": claim.says, **_shown(claimed[key]), "p_holm": p_holm, "holds": word}
    return {"contrasts": contrasts, "claims": claims}


def _adjusted(
    study: StudyConfig,
    declared: Mapping[str, Any],
    differences: Mapping[tuple[str, str], Contrast | None],
) -> dict[tuple[str, str], float]:
    """p-values after Holm of what was asked before the first result, as it was asked."""
    now = declaration(study)
    known = set(study.seeds) <= set(declared.get("seeds", ()))
    family = [(kind, title) for kind in ("contrasts", *KINDS) for title in declared.get(kind, {})]
    asked = {key for key in family if known and declared[key[0]][key[1]] == now[key[0]].get(key[1])}
    # Who declares eight and shows one has still looked at eight.
    values = {key: one.p if key in asked and (one := differences[key]) else 1.0 for key in family}
    return {key: p for key, p in holm(values).items() if key in asked}


def _shown(claim: Found) -> dict[str, float | None]:
    return {"found": claim.found, "from": claim.low, "to": claim.high, "limit": claim.limit}


def _word(words: tuple[str, str, str], one: Contrast, p_holm: float) -> str:
    """For a difference below zero, above it, or neither."""
    return words[2] if p_holm >= SURE else words[0 if one.mean < 0 else 1]


def _per_world(
    study: StudyConfig, results: Results, row: str, measure: str
) -> Float[np.ndarray, "seeds worlds"]:
    """Mean of a measure over the frames of each test world under each seed."""
    worlds = [results[row, seed]["tests"][study.judged_on]["worlds"] for seed in study.seeds]
    return np.array([[by_world[world][measure] for world in worlds[0]] for by_world in worlds])


def _affine(study: StudyConfig, results: Results, row: str) -> bool:
    return bool(results[row, study.seeds[0]]["tests"][study.judged_on].get("affine"))


def _too_few(study: StudyConfig, results: Results) -> str:
    """Why there can be no verdict; "" if there can."""
    if len(study.seeds) < FEWEST_SEEDS:
        return "too few seeds"
    first = results[next(iter(study.rows)), study.seeds[0]]["tests"][study.judged_on]
    if first.get("pieces"):  # frames of one clip are no independent witnesses
        return "pieces of a clip"
    return "too few worlds" if len(first["worlds"]) < FEWEST_WORLDS else ""


def _interim(study: StudyConfig, declared: Mapping[str, Any]) -> str:
    """What to add to verdicts on part of the declared seeds: whoever looks early may stop when it suits."""
    seeds = declared.get("seeds", ())
    return "" if len(study.seeds) >= len(seeds) else f" ({len(study.seeds)} of {len(seeds)} seeds)"
