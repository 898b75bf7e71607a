"""Line plots as inline SVG text: sharp at any zoom, no plotting package."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from html import escape

# (x, y) in drawing order; points with a non-finite number are left out.
Series = Sequence[tuple[int | float, int | float]]

LINE_COLOURS = ("#2563eb", "#d9480f", "#0f8a5f", "#9333ea", "#b45309", "#64748b")
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 20, 34  # margins in pixels
_MAX_POINTS = 150


def line_plot(
    series: Mapping[str, Series], x_label: str, y_label: str, size: tuple[int, int] = (420, 240)
) -> str:
    """Draw named lines with axes, ticks and a legend; '' when no finite point is there.

    Args:
        series: name -> points; long ones are thinned to bin means, so that noise does not hide the course.
        x_label: text under the x axis.
        y_label: text over the y axis.
        size: (width, height) in pixels.
    """
    lines = {name: thin(points) for name, points in series.items()}
    lines = {name: points for name, points in lines.items() if points}
    if not lines:
        return ""
    parts, place = _frame(
        [x for points in lines.values() for x, _ in points],
        [y for points in lines.values() for _, y in points],
        (x_label, y_label),
        size,
    )
    for colour, points in zip(_colours(len(lines)), lines.values(), strict=True):
        path = " ".join("{:.1f},{:.1f}".format(*place(x, y)) for x, y in points)
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.8" points="{path}"/>')
    parts.append("</svg>")
    return "".join(parts) + _legend(lines)


def scatter_plot(
    points: Sequence[tuple[str, float, float]], x_label: str, y_label: str, size: tuple[int, int] = (640, 360)
) -> str:
    """Draw points (name, x, y) with axes and ticks, numbered as the legend is; '' when there is none.

    Other arguments as in `line_plot`.
    """
    if not points:
        return ""
    names, xs, ys = zip(*points, strict=True)
    parts, place = _frame(list(xs), list(ys), (x_label, y_label), size)
    for number, (name, x, y) in enumerate(points, 1):
        right, down = place(x, y)
        colour = LINE_COLOURS[(number - 1) % len(LINE_COLOURS)]
        parts.append(
            f'<circle cx="{right:.1f}" cy="{down:.1f}" r="4" fill="{colour}">'
            f"<title>{escape(name)}</title></circle>"
        )
        left = right > size[0] - 40  # no room on the other side
        parts.append(
            f'<text x="{right + (-7 if left else 7):.1f}" y="{down + 4:.1f}" fill="{colour}"'
            f' text-anchor="{"end" if left else "start"}">{number}</text>'
        )
    parts.append("</svg>")
    return "".join(parts) + _legend([f"{number} {name}" for number, name in enumerate(names, 1)])


def _frame(
    xs: list[float], ys: list[float], labels: tuple[str, str], size: tuple[int, int]
) -> tuple[list[str], Callable[[float, float], tuple[float, float]]]:
    """An opened drawing with grid, ticks and labels, and where in it a point lies."""
    width, height = size
    x_low, x_high = _limits(xs)
    y_low, y_high = _limits(ys)

    def place(x: float, y: float) -> tuple[float, float]:
        right = _LEFT + (x - x_low) / (x_high - x_low) * (width - _LEFT - _RIGHT)
        down = height - _BOTTOM - (y - y_low) / (y_high - y_low) * (height - _TOP - _BOTTOM)
        return right, down

    parts = [f'<svg class="plot" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(labels[1])}">']
    for value in ticks(y_low, y_high):
        _, down = place(x_low, value)
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{width - _RIGHT}" y1="{down:.1f}" y2="{down:.1f}"/>'
        )
        parts.append(f'<text x="{_LEFT - 6}" y="{down + 4:.1f}" text-anchor="end">{value:g}</text>')
    for value in ticks(x_low, x_high):
        right, _ = place(value, y_low)
        parts.append(
            f'<text x="{right:.1f}" y="{height - _BOTTOM + 16}" text-anchor="middle">{value:g}</text>'
        )
    parts.append(f'<text x="{width - _RIGHT}" y="{height - 4}" text-anchor="end">{escape(labels[0])}</text>')
    parts.append(f'<text x="{_LEFT}" y="{_TOP - 6}">{escape(labels[1])}</text>')
    return parts, place


def thin(points: Series, most: int = _MAX_POINTS) -> list[tuple[float, float]]:
    """Drop non-finite points and average the rest in at most `most` bins of equal count."""
    finite = [(float(x), float(y)) for x, y in points if math.isfinite(x) and math.isfinite(y)]
    per_bin = max(1, math.ceil(len(finite) / most))
    bins = [finite[i : i + per_bin] for i in range(0, len(finite), per_bin)]
    return [(sum(x for x, _ in part) / len(part), sum(y for _, y in part) / len(part)) for part in bins]


def ticks(low: int | float, high: int | float, count: int = 5) -> list[float]:
    """Round positions (1, 2 or 5 times a power of ten apart) within [low, high]."""
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [
        round(i * step, 12) for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    ]


def _limits(values: list[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _colours(count: int) -> list[str]:
    return [LINE_COLOURS[i % len(LINE_COLOURS)] for i in range(count)]


def _legend(names: Collection[str]) -> str:
    keys = (
        f'<span><i style="background:{colour}"></i>{escape(name)}</span>'
        for colour, name in zip(_colours(len(names)), names, strict=True)
    )
    return f'<div class="legend">{"".join(keys)}</div>'
