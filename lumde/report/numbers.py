"""Numbers as HTML. Each carries its exact value: `<data value="0.151234">0.151</data>`."""

import json
import math
from html import escape
from typing import Any

NONE = '<span class="none">&ndash;</span>'


def number(value: Any, digits: int | None = None) -> str:
    """Show a number, rounded for the eye; text is escaped, a missing or non-finite value is a dash.

    Args:
        value: as it stands in the summary.
        digits: decimals; None keeps whole numbers whole and gives four significant figures else.
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return escape(value)
    if not isinstance(value, int | float) or not math.isfinite(value):
        return NONE
    return _data(value, _rounded(value, digits))


def count(value: Any) -> str:
    """Show a large count in thousands or millions."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        return NONE
    for size, unit in ((1e6, " M"), (1e3, " k")):
        if abs(value) >= size:
            return _data(value, f"{value / size:.3g}{unit}")
    return _data(value, f"{value:g}")


def duration(seconds: Any) -> str:
    """Show a time in seconds, or minutes and seconds."""
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not math.isfinite(seconds):
        return NONE
    whole = round(seconds)
    text = f"{seconds:.1f} s" if seconds < 60 else f"{whole // 60} min {whole % 60:02d} s"
    return _data(seconds, text)


def _rounded(value: int | float, digits: int | None) -> str:
    if digits is not None:
        return f"{value:.{digits}f}"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _data(value: int | float, text: str) -> str:
    return f'<data value="{json.dumps(value)}">{text}</data>'
