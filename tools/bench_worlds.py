"""Frames per second of the generator on one core, and where its time goes: docs/results/world_speed.json.

usage: OMP_NUM_THREADS=1 python tools/bench_worlds.py OUT.json

96x320, ten frames of each of eight worlds per family, everything on (2 x 2 samples, shadows, movers, a look);
medians over worlds. A world is built once per clip: `build` counts for its ten frames.
"""

import cProfile
import pstats
import sys
import time
from pathlib import Path

import numpy as np

from lumde.files import write_json
from lumde.worlds import VERSION
from lumde.worlds.clips import FAMILIES
from lumde.worlds.look import make_look
from lumde.worlds.render import render_clip

SIZE = (96, 320)
WORLDS, FRAMES, FIRST_SEED = 8, 10, 770_000
SHOWN = 8  # functions


def main(out: Path) -> None:
    """Time every family, with and without a look."""
    _seconds("streets", FIRST_SEED - 1, look=True)  # what the first call loads is nobody's
    found = {"version": VERSION, "size": list(SIZE), "families": {}}
    for family in FAMILIES:
        times = np.array(
            [
                (
                    *_seconds(family, FIRST_SEED + i, look=True),
                    _seconds(family, FIRST_SEED + i, look=False)[1],
                )
                for i in range(WORLDS)
            ]
        )
        build, whole, plain = np.median(times, axis=0)
        found["families"][family] = {
            "build_ms": 1000 * build,
            "frames_per_s": FRAMES / whole,
            "frames_per_s_without_look": FRAMES / plain,
            "with_building": FRAMES / (build + whole),
        }
        print(family, found["families"][family])
    found["profile"] = _profile()
    print(found["profile"])
    write_json(out, found)


def _seconds(family: str, seed: int, look: bool) -> tuple[float, float]:
    """To build a world, and to render its frames."""
    started = time.perf_counter()
    world = FAMILIES[family](seed)
    built = time.perf_counter()
    render_clip(world, *SIZE, FRAMES, make_look(world) if look else None)
    return built - started, time.perf_counter() - built


def _profile() -> dict[str, float]:
    """Share of the rendering of wide streets by function, its own time alone."""
    profile = cProfile.Profile()
    worlds = [FAMILIES["wide_streets"](FIRST_SEED + i) for i in range(WORLDS)]
    profile.enable()
    for world in worlds:
        render_clip(world, *SIZE, FRAMES, make_look(world))
    profile.disable()
    stats = pstats.Stats(profile).stats  # (file, line, name) -> (calls, primitive calls, own time, ...)
    total = sum(values[2] for values in stats.values())
    rows = sorted(((values[2] / total, key[2]) for key, values in stats.items()), reverse=True)
    return {name: round(share, 3) for share, name in rows[:SHOWN]}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
