import copy
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from lumde.report import depth_panel, write_report
from lumde.report.sections import METRICS, ROWS

ROW = {"abs_rel": 0.1234567, "sq_rel": 1.5, "rmse": 6.25, "rmse_log": 0.2, "a1": 0.8, "a2": 0.9, "a3": 0.95}
SUMMARY = {
    "seed": 7,
    "quick": True,
    "worlds": 3,
    "test_set": "streets-v1",
    "seconds": {"render": 2.5, "teacher": 262.9, "report": 0.125},
    "steps": {"teacher": 1685, "student": 501, "student_without_distillation": 502},
    "aims": [
        {"name": "teacher abs_rel", "target": 0.15, "value": 0.1461, "met": True},
        {"name": "student & teacher", "target": "<= 1.05", "value": 1.0714, "met": False},
        {"name": "speed", "target": 9.0, "value": None, "met": None},
    ],
    "notes": ["<script>alert(1)</script>"],
    "environment": {"torch": "2.15", "git": None},
    "pictures": {"world <1>": {"teacher": 0.0625, "student": 0.375}},
    **{name: dict(ROW, abs_rel=0.1 + 0.01 * i) for i, name in enumerate(ROWS)},
}
SUMMARY["teacher"] |= {"params": 1571234, "gmacs": 1.2345, "ms": 12.34}


class Page(HTMLParser):
    """Collects tags, exact values with their text, and the text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.values, self.text, self._open = [], [], "", None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._open = dict(attrs)["value"] if tag == "data" else None

    def handle_data(self, data):
        self.text += data
        if self._open is not None:
            self.values.append((json.loads(self._open), data))
            self._open = None


def numbers(value):
    if isinstance(value, dict | list):
        return [n for inner in (value.values() if isinstance(value, dict) else value) for n in numbers(inner)]
    return [value] if isinstance(value, int | float) else []


def panel(title="world <1>"):
    truth = np.full((8, 12), 10.0)
    truth[0] = 0
    image = np.zeros((8, 12, 3), np.uint8)
    return depth_panel(title, image, truth, {"teacher": truth + 1, "student": np.full((8, 12), 0.5)})


CURVES = {"teacher": [{"step": 0, "loss": 1.0}, {"step": 9, "loss": None}, {"step": 9, "val_abs_rel": 0.5}]}


@pytest.fixture
def text(tmp_path):
    write_report(tmp_path / "report.html", SUMMARY, [panel()], CURVES)
    return (tmp_path / "report.html").read_text()


def test_every_number_is_one_of_the_summary_and_is_its_rounding(text):
    known = numbers(SUMMARY)
    shown = Page(text).values
    assert {value for value, _ in shown} <= set(known)
    for value, written in shown:
        if re.fullmatch(r"[\d.,]+", written):
            digits = len(written.partition(".")[2])
            assert float(written.replace(",", "")) == pytest.approx(value, abs=0.51 * 10**-digits, rel=5e-4)


def test_the_table_holds_every_metric_of_every_row(text):
    for name, heading in ROWS.items():
        line = re.search(rf'<tr class="\w+" id="{name}">(.*?)</tr>', text)[1]
        values = [value for value, _ in Page(line).values]
        assert values[: len(METRICS)] == [SUMMARY[name][metric] for metric in METRICS], heading
    assert [v for v, _ in Page(re.search(r'id="teacher">(.*?)</tr>', text)[1]).values][-3:] == [
        1571234,
        1.2345,
        12.34,
    ]


def test_a_changed_summary_changes_the_page(tmp_path, text):
    other = copy.deepcopy(SUMMARY)
    other["student"]["rmse"] = 7.75
    write_report(tmp_path / "other.html", other, [panel()], CURVES)
    assert 7.75 in [value for value, _ in Page((tmp_path / "other.html").read_text()).values]
    assert 7.75 not in [value for value, _ in Page(text).values]


def test_verdicts_stand_beside_their_aims(text):
    verdicts = dict(
        re.findall(r'<td class="text">([^<]*)</td>.*?<span class="badge \w+">([^<]+)</span>', text)
    )
    assert verdicts == {"teacher abs_rel": "met", "student &amp; teacher": "not met", "speed": "not measured"}
    assert "some aims were missed" in text and "quick run" in text


def test_nothing_is_fetched_or_executed_and_texts_are_escaped(text):
    page = Page(text)
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "link", "iframe", "object", "embed", "form", "base"}
    assert "alert(1)" in page.text and "world <1>" in page.text
    for tag, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes)
        assert "href" not in attributes
        if "src" in attributes:
            assert tag == "img" and attributes["src"].startswith("data:image/png;base64,")
    policy = [a["content"] for t, a in page.tags if t == "meta" and "http-equiv" in a]
    assert len(policy) == 1 and policy[0].startswith("default-src 'none'")
    assert "url(" not in text and "@import" not in text


def test_panel_scales_by_the_median_and_leaves_out_missing_truth():
    made = panel()
    # 11 everywhere is the truth but for one factor; a constant of any unit is right where truth is constant.
    assert made.abs_rel == {"teacher": 0.0, "student": 0.0}
    truth = np.array([[2.0, 4.0, 8.0, 0.0]])
    uneven = depth_panel("a", np.zeros((1, 4, 3), np.uint8), truth, {"student": np.array([[1.0, 1, 1, 9]])})
    assert uneven.abs_rel["student"] == pytest.approx((1.0 + 0.0 + 0.5) / 3)  # scaled to 4, 4, 4


def test_all_aims_met_says_so(tmp_path):
    good = SUMMARY | {"aims": SUMMARY["aims"][:1], "quick": False}
    write_report(tmp_path / "good.html", good, [], {})
    text = (tmp_path / "good.html").read_text()
    assert "every aim was met" in text and "quick run" not in text and "Frames of unseen" not in text
