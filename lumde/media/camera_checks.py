"""Are these intrinsics plausible for these pictures? Wrong ones train in silence, hence the refusal here."""

import numpy as np
from jaxtyping import Float

from lumde import files
from lumde.errors import DataError

MIN_FOV_DEG, MAX_FOV_DEG = 15.0, 150.0
MIN_VERTICAL_FOV_DEG = 5.0  # panoramic crops are low
CENTRE_TOLERANCE = 0.25  # between 2c and the size, as a share of the size
MAX_SQUEEZE = 1.25  # the same picture at another size keeps its shape, nearly
MAX_ASPECT = 3.0  # fx / fy beyond it is no picture anybody squeezes


def check_intrinsics(intrinsics: Float[np.ndarray, "3 3"], width: int, height: int, where: str) -> None:
    """Refuse intrinsics that cannot belong to pictures of this size, naming the likely mistake.

    Raises:
        DataError: not finite, wrong order or sign, normalised, for another size, field of view outside 15-150
            degrees, centre more than a quarter of the size off the middle.
    """
    mistake = _form_mistake(intrinsics) or _size_mistake(intrinsics, width, height)
    if mistake:
        fx, fy, cx, cy = focal_and_centre(intrinsics)
        found = f"fx {fx:g} fy {fy:g} cx {cx:g} cy {cy:g} for {width}x{height} pictures"
        raise DataError(f"{where}: {found}: {mistake}")


def focal_and_centre(intrinsics: Float[np.ndarray, "3 3"]) -> tuple[float, float, float, float]:
    """Take (fx, fy, cx, cy) out of the matrix."""
    fx, fy, cx, cy = intrinsics[[0, 1, 0, 1], [0, 1, 2, 2]].tolist()
    return fx, fy, cx, cy


def fov_deg(focal_px: int | float, pixels: int) -> float:
    """Tell the angle that `pixels` centred pixels cover."""
    return float(np.degrees(2 * np.arctan(pixels / 2 / focal_px)))


def finite_numbers(values: object, where: object) -> Float[np.ndarray, " n"]:
    """Turn what a file holds into float64 numbers; DataError, naming `where`, if it is anything else."""
    try:
        numbers = np.array(values, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError) as error:
        raise DataError(f"{where}: numbers expected, found {files.printable(str(values)[:80])}") from error
    if not np.isfinite(numbers).all():
        raise DataError(f"{where}: not finite: {numbers.tolist()}")
    return numbers


def _form_mistake(intrinsics: Float[np.ndarray, "3 3"]) -> str | None:
    if not np.isfinite(intrinsics).all():
        return "not finite"
    if intrinsics[2, 0] or intrinsics[2, 1]:
        return "the matrix looks transposed (written column by column); write it row by row"
    if not np.array_equal(intrinsics[2], [0, 0, 1]) or intrinsics[1, 0]:
        return "no pinhole matrix; rows [fx 0 cx], [0 fy cy], [0 0 1] are needed"
    fx, fy, cx, cy = focal_and_centre(intrinsics)
    if fx == 0 or fy == 0:
        return "a focal length is zero; fill in the calibrated value"
    if fx < 0 or fy < 0:
        return "a focal length is negative (OpenGL axes?); here y points down and both are positive"
    if abs(intrinsics[0, 1]) > 0.01 * fx:
        return "skew is not supported"
    if max(abs(cx), abs(cy)) <= 2 and max(fx, fy) < 20:
        return (
            "looks normalised by the picture size; multiply fx and cx by the width, fy and cy by the height"
        )
    return None


def _size_mistake(intrinsics: Float[np.ndarray, "3 3"], width: int, height: int) -> str | None:
    numbers = focal_and_centre(intrinsics)
    if _plausible(numbers, width, height):
        return None
    fx, fy, cx, cy = numbers
    readings = (
        ((cx, cy, fx, fy), "focal length and centre look swapped; the order is fx fy cx cy"),
        ((fx, cx, fy, cy), "looks like the order fx cx fy cy; the order is fx fy cx cy"),
        ((fy, fx, cy, cx), "x and y look swapped (row, column order); the order is fx fy cx cy"),
        ((fx / width, fy / height, cx / width, cy / height), "looks multiplied by the picture size twice"),
    )
    for reading, mistake in readings:
        if _plausible(reading, width, height):
            return mistake
    same_shape = cx > 0 and cy > 0 and 1 / MAX_SQUEEZE < cx / cy * height / width < MAX_SQUEEZE
    if same_shape and _plausible(numbers, round(2 * cx), round(2 * cy)):
        return (
            f"looks like the camera of {2 * cx:.0f}x{2 * cy:.0f} pictures; scale it by {width / 2 / cx:.3g} "
            f"and {height / 2 / cy:.3g}, or state image_width and image_height with it"
        )
    across = fov_deg(fx, width)
    if not MIN_FOV_DEG <= across <= MAX_FOV_DEG:
        return f"the field of view is {across:.3g} degrees, {MIN_FOV_DEG:g}-{MAX_FOV_DEG:g} expected"
    if max(fx / fy, fy / fx) > MAX_ASPECT:
        return "fx and fy differ too much; is one of them for another picture size?"
    return "the centre lies far from the middle; is the camera for a crop, or for another picture size?"


def _plausible(numbers: tuple[float, float, float, float], width: int, height: int) -> bool:
    fx, fy, cx, cy = numbers
    return (
        fx > 0
        and fy > 0
        and max(fx / fy, fy / fx) <= MAX_ASPECT
        and MIN_FOV_DEG <= fov_deg(fx, width) <= MAX_FOV_DEG
        and MIN_VERTICAL_FOV_DEG <= fov_deg(fy, height) <= MAX_FOV_DEG
        and abs(2 * cx - width) <= CENTRE_TOLERANCE * width
        and abs(2 * cy - height) <= CENTRE_TOLERANCE * height
    )
