"""What a study may say: contrasts and claims with intervals, and verdicts on those declared beforehand."""

from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from jaxtyping import Float

from lumde.config import to_dict
from lumde.jobs.compare_run import FEWEST_WORLDS
from lumde.jobs.compare_store import Results
from lumde.jobs.study import KeepsConfig, StudyConfig
from lumde.metrics.paired import Contrast, contrast, holm

FEWEST_SEEDS = 5  # for a verdict: with fewer, an interval over seeds means little
POOR = "its teacher is no better than a trivial map, or than what it must beat"
NAMES = {"contrasts": "verdict", "keeps": "kept"}  # under which a verdict stands
WORDS = {"contrasts": ("helps", "harms", "neutral"), "keeps": ("yes", "no", "undecided")}
SURE = 0.05  # p-value after Holm below which there is a verdict


def declaration(study: StudyConfig) -> dict[str, Any]:
    """What a study asks, to be kept from before its first result on."""
    contrasts = {title: list(pair) for title, pair in study.contrasts.items()}
    return {
        "judged_on": study.judged_on,
        "seeds": list(study.seeds),
        "contrasts": contrasts,
        "keeps": to_dict(study.keeps),
    }


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
        `contrasts` and `keeps` by title: interval, p-value after Holm over all that was declared, contrasts
        and claims together, and the verdict; "exploratory" for what was asked when results were known.
    """
    now = declaration(study)
    compared = {title: _contrast(study, results, *pair) for title, pair in study.contrasts.items()}
    claimed = {title: _loss(study, results, claim) for title, claim in study.keeps.items()}
    differences: dict[tuple[str, str], Contrast] = {("contrasts", t): one for t, one in compared.items()}
    differences |= {("keeps", title): beyond for title, (_, beyond) in claimed.items()}
    known = set(study.seeds) <= set(declared.get("seeds", ()))
    family = [(kind, title) for kind in ("contrasts", "keeps") for title in declared.get(kind, {})]
    asked = {key for key in family if known and declared[key[0]][key[1]] == now[key[0]].get(key[1])}
    # Who declares eight and shows one has still looked at eight.
    adjusted = holm({key: differences[key].p if key in asked else 1.0 for key in family})
    few, interim = _too_few(study, results), _interim(study, declared)

    def verdict(kind: str, title: str, pair: tuple[str, str]) -> dict[str, Any]:
        if (kind, title) not in asked:
            return {"p_holm": None, NAMES[kind]: "exploratory"}
        p_holm, one = adjusted[kind, title], differences[kind, title]
        unfit = few or (POOR if set(pair) & set(poorly_taught) else "")
        return {"p_holm": p_holm, NAMES[kind]: unfit or _word(WORDS[kind], one, p_holm) + interim}

    return {
        "contrasts": {
            title: {
                "row": study.contrasts[title][0],
                "reference": study.contrasts[title][1],
                **asdict(one),
                "ratio": list(one.ratio),
                **verdict("contrasts", title, study.contrasts[title]),
            }
            for title, one in compared.items()
        },
        "keeps": {
            title: {
                "loss": loss.mean,
                "from": loss.low,
                "to": loss.high,
                "at_most": study.keeps[title].loss,
                **verdict("keeps", title, (study.keeps[title].row, study.keeps[title].reference)),
            }
            for title, (loss, _) in claimed.items()
        },
    }


def _word(words: tuple[str, str, str], one: Contrast, p_holm: float) -> str:
    """For a difference below zero, above it, or neither."""
    return words[2] if p_holm >= SURE else words[0 if one.mean < 0 else 1]


def _contrast(study: StudyConfig, results: Results, row: str, reference: str) -> Contrast:
    of_row, of_reference = (_per_world(study, results, name, "log_abs_rel") for name in (row, reference))
    return contrast(of_row, of_reference)


def _loss(study: StudyConfig, results: Results, claim: KeepsConfig) -> tuple[Contrast, Contrast]:
    """Share of the reference's a1 that a row loses, and by how much that is more than is claimed."""
    row, reference = (_per_world(study, results, name, "a1") for name in (claim.row, claim.reference))
    row, reference = -row / reference.mean(), -reference / reference.mean()
    return contrast(row, reference), contrast(row, reference + claim.loss)


def _per_world(
    study: StudyConfig, results: Results, row: str, measure: str
) -> Float[np.ndarray, "seeds worlds"]:
    """Mean of a measure over the frames of each test world under each seed."""
    worlds = [results[row, seed]["tests"][study.judged_on]["worlds"] for seed in study.seeds]
    return np.array([[by_world[world][measure] for world in worlds[0]] for by_world in worlds])


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
