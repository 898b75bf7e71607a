import math

import numpy as np
import pytest

from lumde.errors import DataError, NumericsError
from lumde.evaluators import EVALUATORS
from lumde.evaluators.alignment import ALIGNMENTS
from lumde.evaluators.depth_accuracy import METRICS, DepthAccuracy, resize_disparity
from lumde.evaluators.protocols import PROTOCOLS, crop_window
from lumde.structures import Frame, FrameKey

GENERIC = PROTOCOLS["generic"]


def frame(depth, mask=None) -> Frame:
    size = (2, 2) if depth is None else depth.shape
    return Frame(np.zeros((*size, 3), np.uint8), np.eye(3), depth=depth, mask=mask)


def key(number: int = 0) -> FrameKey:
    return FrameKey("drive", number, f"{number:03d}")


def smooth_depth(height: int, width: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    depth = rng.uniform(1.0, 9.5, (height, width))
    depth[rng.random((height, width)) < 0.3] = 0.0
    return depth


@pytest.mark.parametrize("align", ALIGNMENTS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("evaluator", EVALUATORS)
def test_a_perfect_prediction_has_a_perfect_score(evaluator, protocol, align):
    size = (480, 640) if protocol == "nyu" else (48, 64)
    scorer = EVALUATORS[evaluator](PROTOCOLS[protocol], align)
    for number in range(2):
        depth = smooth_depth(*size, seed=number)
        disparity = 1.0 / np.where(depth > 0, depth, 3.0)
        scorer.update(disparity, frame(depth), key(number))
    metrics = scorer.result().summary["metrics"]
    for name, value in metrics.items():
        assert value == pytest.approx(1.0 if name in ("a1", "a2", "a3") else 0.0, abs=1e-9), name


def test_two_images_by_hand():
    scorer = DepthAccuracy(GENERIC, "none")
    scorer.update(np.array([[1 / 2.0, 1 / 4.0]]), frame(np.array([[4.0, 4.0]])), key(0))
    scorer.update(np.array([[1 / 5.0, 1 / 9.0]]), frame(np.array([[5.0, 0.0]])), key(1))
    summary, rows = scorer.result().summary, scorer.result().rows
    # image 0: errors 2 and 0 on truth 4; image 1: one perfect pixel. Mean over images, not over pixels.
    assert summary["metrics"]["abs_rel"] == pytest.approx((0.25 + 0.0) / 2)
    assert summary["metrics"]["sq_rel"] == pytest.approx((0.5 + 0.0) / 2)
    assert summary["metrics"]["rmse"] == pytest.approx(math.sqrt(2) / 2)
    assert summary["metrics"]["rmse_log"] == pytest.approx(math.log(2) / math.sqrt(2) / 2)
    assert summary["metrics"]["a1"] == pytest.approx((0.5 + 1.0) / 2)
    assert [row["valid_pixels"] for row in rows] == [2, 1]


def test_the_median_is_taken_before_the_clamp():
    # depths 1 3 100 200 (median 51.5) against 2 6 60 70 (median 33): ratio 33 / 51.5
    scorer = DepthAccuracy(GENERIC, "median")
    scorer.update(1 / np.array([[1.0, 3.0, 100.0, 200.0]]), frame(np.array([[2.0, 6.0, 60.0, 70.0]])), key())
    ratio = 33 / 51.5
    expected = [abs(ratio - 2) / 2, abs(3 * ratio - 6) / 6, abs(100 * ratio - 60) / 60, abs(80 - 70) / 70]
    assert scorer.result().summary["metrics"]["abs_rel"] == pytest.approx(np.mean(expected))


def test_scale_and_its_spread():
    scorer = DepthAccuracy(GENERIC, "median")
    for number, factor in enumerate((2.0, 4.0, 6.0)):
        scorer.update(np.full((1, 2), factor / 8.0), frame(np.full((1, 2), 8.0)), key(number))
    # ratios 2 4 6: median 4, std of 0.5 1 1.5
    assert scorer.result().summary["scale"] == pytest.approx({"median": 4.0, "std": math.sqrt(1 / 6)})
    assert scorer.result().summary["metrics"]["abs_rel"] == pytest.approx(0.0, abs=1e-12)


def test_dataset_scale_is_one_factor_for_all():
    scorer = DepthAccuracy(GENERIC, "dataset_scale")
    for number, factor in enumerate((2.0, 4.0, 6.0)):
        scorer.update(np.full((1, 2), factor / 8.0), frame(np.full((1, 2), 8.0)), key(number))
    # depths 4, 2, 4/3 times 4 = 16, 8, 16/3 against 8
    assert [row["abs_rel"] for row in scorer.result().rows] == pytest.approx([1.0, 0.0, 1 / 3])
    assert scorer.result().summary["metrics"]["abs_rel"] == pytest.approx(
        4 / 9
    )  # asking twice changes nothing


def test_disparity_is_resized_not_depth():
    # 2 -> 4 columns, half-pixel centres: weights 1, .75/.25, .25/.75, 1
    disparity = np.array([[1.0, 0.5]])
    assert resize_disparity(disparity, 1, 4).tolist() == [[1.0, 0.875, 0.625, 0.5]]
    scorer = DepthAccuracy(GENERIC, "none")
    scorer.update(disparity, frame(1 / np.array([[1.0, 0.875, 0.625, 0.5]])), key())
    assert scorer.result().summary["metrics"]["abs_rel"] == pytest.approx(0.0, abs=1e-12)
    scorer = DepthAccuracy(GENERIC, "none")
    scorer.update(disparity, frame(np.array([[1.0, 1.25, 1.75, 2.0]])), key())  # depth interpolated instead
    assert scorer.result().summary["metrics"]["abs_rel"] > 0.04


def oracle(disparity, depth, protocol) -> dict[str, float]:
    """The Eigen protocol for one image in loops."""
    (dh, dw), (h, w) = disparity.shape, depth.shape
    rows, columns = crop_window(protocol.crop, h, w)
    pairs = []
    for y in range(rows.start, rows.stop):
        for x in range(columns.start, columns.stop):
            if not protocol.min_depth < depth[y, x] < protocol.max_depth:
                continue
            v = min(max((y + 0.5) * dh / h - 0.5, 0.0), dh - 1.0)
            u = min(max((x + 0.5) * dw / w - 0.5, 0.0), dw - 1.0)
            top, left = min(int(v), dh - 2), min(int(u), dw - 2)
            a, b = v - top, u - left
            above = (1 - b) * disparity[top, left] + b * disparity[top, left + 1]
            below = (1 - b) * disparity[top + 1, left] + b * disparity[top + 1, left + 1]
            pairs.append((1.0 / ((1 - a) * above + a * below), depth[y, x]))
    n = len(pairs)
    middle = [sorted(values)[n // 2 - 1 : n // 2 + 1] if n % 2 == 0 else [sorted(values)[n // 2]] * 2
              for values in ([p for p, _ in pairs], [z for _, z in pairs])]  # fmt: skip
    ratio = sum(middle[1]) / sum(middle[0])
    pairs = [(min(max(p * ratio, protocol.min_depth), protocol.max_depth), z) for p, z in pairs]
    return {
        "abs_rel": sum(abs(p - z) / z for p, z in pairs) / n,
        "sq_rel": sum((p - z) ** 2 / z for p, z in pairs) / n,
        "rmse": math.sqrt(sum((p - z) ** 2 for p, z in pairs) / n),
        "rmse_log": math.sqrt(sum((math.log(p) - math.log(z)) ** 2 for p, z in pairs) / n),
        "a1": sum(max(p / z, z / p) < 1.25 for p, z in pairs) / n,
        "a2": sum(max(p / z, z / p) < 1.25**2 for p, z in pairs) / n,
        "a3": sum(max(p / z, z / p) < 1.25**3 for p, z in pairs) / n,
        "valid_pixels": n,
    }


@pytest.mark.parametrize("protocol", ["kitti_eigen", "generic"])
@pytest.mark.parametrize(("seed", "small"), [(0, (5, 9)), (1, (20, 31)), (2, (40, 64)), (3, (7, 90))])
def test_agrees_with_a_slow_oracle(protocol, seed, small):
    rng = np.random.default_rng(seed)
    depth = rng.uniform(0.5, 100.0, (38, 61)) * (rng.random((38, 61)) < 0.4)
    disparity = rng.uniform(0.01, 1.0, small)
    scorer = DepthAccuracy(PROTOCOLS[protocol], "median")
    scorer.update(disparity, frame(depth), key())
    row = scorer.result().rows[0]
    for name, value in oracle(disparity, depth, PROTOCOLS[protocol]).items():
        assert row[name] == pytest.approx(value, rel=1e-9), name


def test_images_without_ground_truth_are_left_out_and_counted():
    scorer = DepthAccuracy(GENERIC)
    for number, depth in enumerate([np.full((2, 2), 4.0), np.zeros((2, 2)), None, np.full((2, 2), np.nan)]):
        scorer.update(np.ones((2, 2)), frame(depth), key(number))
    result = scorer.result()
    assert (result.summary["count"], result.summary["excluded"]) == (1, 3)
    assert result.summary["complete"] is False
    assert "3 frames without usable ground truth" in result.notes[0]
    assert "drive/001" in result.notes[0]


def test_a_partial_set_is_called_partial():
    scorer = DepthAccuracy(PROTOCOLS["kitti_improved"])
    scorer.update(np.ones((2, 2)), frame(np.full((2, 2), 4.0)), key())
    result = scorer.result()
    assert (result.summary["count"], result.summary["expected"]) == (1, 652)
    assert result.summary["complete"] is False
    assert "PARTIAL SET: 1 of 652" in result.notes[0]


def test_a_whole_set_is_called_complete():
    scorer = DepthAccuracy(GENERIC, expected=1)
    scorer.update(np.ones((2, 2)), frame(np.full((2, 2), 4.0)), key())
    assert scorer.result().summary["complete"] is True
    assert scorer.result().notes == []


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_non_finite_predictions_stop_with_their_count(value):
    disparity = np.ones((4, 5))
    disparity[0, :3] = value
    with pytest.raises(NumericsError, match="drive/006: 3 of 20 predicted values"):
        DepthAccuracy(GENERIC).update(disparity, frame(np.full((2, 2), 4.0)), key(6))


def test_negative_disparity_needs_a_shift():
    disparity = np.array([[-0.1, 0.4]])
    with pytest.raises(NumericsError, match="--align scale_shift"):
        DepthAccuracy(GENERIC).update(disparity, frame(np.array([[2.0, 3.0]])), key())
    scorer = DepthAccuracy(GENERIC, "scale_shift")
    scorer.update(disparity, frame(np.array([[5.0, 2.0]])), key())
    assert scorer.result().summary["metrics"]["abs_rel"] == pytest.approx(0.0, abs=1e-12)
    assert scorer.result().summary["scale"] == {"median": None, "std": None}


@pytest.mark.parametrize("factor", [1000.0, 0.001])
def test_ground_truth_in_a_wrong_unit_is_refused(factor):
    scorer = DepthAccuracy(GENERIC)
    scorer.update(np.ones((2, 2)), frame(np.full((2, 2), 4.0 * factor)), key())
    with pytest.raises(DataError, match="depth_scale"):
        scorer.result()


def test_no_ground_truth_at_all_is_an_error():
    scorer = DepthAccuracy(GENERIC)
    scorer.update(np.ones((2, 2)), frame(None), key())
    with pytest.raises(DataError, match="none of 1 frames has ground truth"):
        scorer.result()


def test_truth_out_of_range_names_the_range():
    scorer = DepthAccuracy(GENERIC)
    scorer.update(np.ones((2, 2)), frame(np.full((2, 2), 90.0)), key())
    with pytest.raises(DataError, match="0.001 to 80 m"):
        scorer.result()


def test_log10_belongs_to_nyu_only():
    depth = smooth_depth(480, 640)
    for name in ("nyu", "generic"):
        scorer = DepthAccuracy(PROTOCOLS[name])
        scorer.update(np.ones((2, 2)), frame(depth), key())
        names = tuple(scorer.result().summary["metrics"])
        assert names == (METRICS + ("log10",) if name == "nyu" else METRICS)


def test_an_unknown_alignment_is_refused():
    with pytest.raises(ValueError, match="found 'mean'"):
        DepthAccuracy(GENERIC, "mean")
