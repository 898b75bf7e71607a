import numpy as np
import pytest

from lumde.data.resize import at_centres
from lumde.errors import DataError, UsageError
from lumde.evaluators.protocols import (
    PROTOCOLS,
    counted,
    crop_window,
    measured,
    resolve_protocol,
)


def test_garg_crop_of_a_kitti_image_by_hand():
    # 375 * .40810811 = 153.04, 375 * .99189189 = 371.96; 1242 * .03594771 = 44.65, 1242 * .96405229 = 1197.35
    assert crop_window("garg", 375, 1242) == (slice(153, 371), slice(44, 1197))


def test_garg_crop_follows_the_size():
    # 370 * .40810811 = 151.0000007 and 370 * .99189189 = 366.9999993: truncated, not rounded
    assert crop_window("garg", 370, 1226) == (slice(151, 366), slice(44, 1181))


def test_nyu_crop_refuses_maps_of_another_size():
    assert crop_window("eigen", 480, 640) == (slice(45, 471), slice(41, 601))
    with pytest.raises(DataError, match="found 320x240"):
        crop_window("eigen", 240, 320)


def test_bad_ground_truth_never_counts():
    depth = np.array([[np.nan, np.inf, -1.0, 0.0, 1e-3, 5.0, 80.0, 81.0]])
    expected = [[False, False, False, False, False, True, False, False]]
    assert measured(PROTOCOLS["generic"], depth, None).tolist() == expected


def test_improved_ground_truth_has_neither_crop_nor_cap():
    depth = np.full((100, 300), 120.0)
    depth[0, 0] = 0.0
    assert counted(PROTOCOLS["kitti_improved"], depth, None).sum() == 100 * 300 - 1
    assert counted(PROTOCOLS["kitti_eigen"], depth, None).sum() == 0


def test_masked_pixels_do_not_count():
    mask = np.array([[True, False], [True, True]])  # at half the ground truth's size
    valid = counted(PROTOCOLS["generic"], np.ones((4, 4)), mask)
    assert valid.tolist() == [[True, True, False, False]] * 2 + [[True] * 4] * 2


def test_a_mask_is_taken_at_half_pixel_centres():
    assert at_centres(np.array([[True, False, False]]), (1, 2)).tolist() == [[True, False]]
    assert at_centres(np.array([[True, False]]), (2, 4)).tolist() == [[True, True, False, False]] * 2


def test_generic_takes_the_range_of_the_dataset(memory_dataset):
    dataset = memory_dataset([np.ones((2, 2))])
    assert resolve_protocol(None, dataset).max_depth == 80.0
    dataset.max_depth = 12.0
    assert resolve_protocol(None, dataset).max_depth == 12.0
    assert resolve_protocol("kitti_eigen", dataset).max_depth == 80.0
    with pytest.raises(UsageError, match="kitti_eigen"):
        resolve_protocol("kitti_eigne", dataset)


def test_the_published_conventions_word_for_word():
    """Name, crop, least and most depth, whether truth outside counts, images, log10: as their papers say."""
    found = {
        (p.name, p.crop, p.min_depth, p.max_depth, p.truth_in_range, p.expected, p.log10)
        for p in PROTOCOLS.values()
    }
    assert found == {
        ("kitti_eigen", "garg", 1e-3, 80.0, True, 697, False),
        ("kitti_improved", "none", 1e-3, 80.0, False, 652, False),
        ("nyu", "eigen", 1e-3, 10.0, True, 654, True),
        ("generic", "none", 1e-3, 80.0, True, None, False),
    }
