"""Colour maps as 256x3 tables, computed from published polynomials: no plotting package at run time."""

from functools import cache

import numpy as np
from jaxtyping import Float, UInt8

INVALID = (128, 128, 128)  # grey: in neither map, so "no value" cannot be read as a value

# Rows: red, green, blue; columns: powers 0, 1, 2, ... of the position in [0, 1].
_POLYNOMIALS = {
    # A. Mikhailov, "Turbo, an improved rainbow colormap", Google AI blog 2019; degree 5 fit by R. Du.
    "turbo": (
        (0.13572138, 4.61539260, -42.66032258, 132.13108234, -152.94239396, 59.28637943),
        (0.09140261, 2.19418839, 4.84296658, -14.18503333, 4.27729857, 2.82956604),
        (0.10667330, 12.64194608, -60.58204836, 110.36276771, -89.90310912, 27.34824973),
    ),
    # S. van der Walt, N. Smith, matplotlib 2015 (CC0); degree 6 fit by M. Zucker (CC0).
    "magma": (
        (-0.00213649, 0.25166054, 8.35371728, -27.66873309, 52.17613981, -50.76852536, 18.65570507),
        (-0.00074966, 0.67752324, -3.57771951, 14.26473078, -27.94360607, 29.04658282, -11.48977352),
        (-0.00538613, 2.49402660, 0.31446790, -13.64921319, 12.94416944, 4.23415299, -5.60196151),
    ),
}
COLOUR_MAPS = tuple(_POLYNOMIALS)


@cache
def colour_map(name: str) -> UInt8[np.ndarray, "256 3"]:
    """Compute one of `COLOUR_MAPS` as a table; the array is shared, do not write into it.

    Raises:
        ValueError: `name` is not in `COLOUR_MAPS`.
    """
    if name not in _POLYNOMIALS:
        raise ValueError(f"unknown colour map '{name}'; known: {', '.join(COLOUR_MAPS)}")
    position = np.linspace(0.0, 1.0, 256)
    channels = [np.polynomial.polynomial.polyval(position, row) for row in _POLYNOMIALS[name]]
    table = np.round(255 * np.clip(np.stack(channels, axis=-1), 0, 1)).astype(np.uint8)
    table.flags.writeable = False
    return table


def colour(values: Float[np.ndarray, "h w"], name: str) -> UInt8[np.ndarray, "h w 3"]:
    """Colour values of [0, 1]; beyond is clipped to the ends, non-finite becomes `INVALID`."""
    finite = np.isfinite(values)
    index = np.round(255 * np.clip(np.where(finite, values, 0), 0, 1)).astype(np.uint8)
    picture = colour_map(name)[index]
    picture[~finite] = INVALID
    return picture
