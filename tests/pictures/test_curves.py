import math
from xml.etree import ElementTree

import pytest

from lumde.pictures.curves import line_plot, scatter_plot, thin, ticks


def test_thinning_averages_bins_and_drops_what_is_not_finite():
    assert thin([(0, 1), (1, 3), (2, 5), (3, 7)], most=2) == [(0.5, 2.0), (2.5, 6.0)]
    assert thin([(0, math.nan), (1, 2)]) == [(1.0, 2.0)]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 10, [0, 2, 4, 6, 8, 10]), (0.11, 0.52, [0.2, 0.3, 0.4, 0.5]), (-1, 1, [-1, -0.5, 0, 0.5, 1])],
)
def test_ticks_are_round_and_inside(low, high, expected):
    assert ticks(low, high) == pytest.approx(expected)


def test_plot_is_well_formed_and_puts_the_lowest_value_lowest():
    text = line_plot({"a <b>": [(0, 1.0), (100, 3.0)], "b": [(0, 2.0), (100, 2.0)]}, "step", "loss & more")
    root = ElementTree.fromstring(f"<div>{text}</div>")
    lines = [
        [tuple(map(float, p.split(","))) for p in line.get("points").split()]
        for line in root.iter("polyline")
    ]
    assert len(lines) == 2
    (start, end), (left, right) = lines
    assert start[1] > left[1] > end[1]  # y grows downwards
    assert left[1] == right[1] and left[0] == start[0] and right[0] == end[0]
    assert "a <b>" in "".join(root.itertext())


def test_nothing_to_plot_is_nothing():
    assert line_plot({"a": [(0, math.inf)]}, "step", "loss") == ""
    assert "polyline" in line_plot({"a": [(5, 2.0)]}, "step", "loss")  # one point: no division by zero


def test_points_are_numbered_as_the_legend_is():
    text = scatter_plot([("near", 1.0, 2.0), ("far <b>", 3.0, 4.0)], "x", "y")
    drawing, _, legend = text.partition("</svg>")
    root = ElementTree.fromstring(drawing + "</svg>")
    circles = [e for e in root if e.tag == "circle"]
    numbers = [e for e in root if e.tag == "text" and e.get("fill")]
    assert [e.text for e in numbers] == ["1", "2"]
    assert float(circles[0].get("cx")) < float(circles[1].get("cx"))
    assert float(circles[0].get("cy")) > float(circles[1].get("cy"))
    assert numbers[1].get("text-anchor") == "end"  # at the right edge there is no room beyond the point
    assert "1 near" in legend and "2 far &lt;b&gt;" in legend
