import numpy as np
import pytest

from lumde.errors import DataError
from lumde.evaluators.accuracy import evaluate_trivial
from lumde.evaluators.protocols import PROTOCOLS
from lumde.evaluators.trivial import GRID, TrivialDepths, trivial_depths


def test_maps_by_hand():
    trivial = TrivialDepths((1, 2))
    for pair in ([2.0, 8.0], [4.0, 0.0], [9.0, 10.0]):
        depth = np.array([pair])
        trivial.add(depth, depth > 0)
    maps = trivial.maps()
    np.testing.assert_allclose(maps["mean_depth"], [[5.0, 9.0]])
    np.testing.assert_allclose(maps["median_depth"], [[4.0, 9.0]])
    np.testing.assert_allclose(maps["constant_depth"], 5.0)  # medians of the images: 5, 4, 9.5


def test_maps_of_several_sizes_share_a_grid():
    trivial = TrivialDepths((2, 2))
    for row in ([1.0, 1.0, 1.0, 3.0, 3.0, 3.0], [4.0, 1.0, 1.0, 3.0, 3.0, 3.0, 7.0]):
        depth = np.tile(np.array(row), (5, 1))
        trivial.add(depth, depth > 0)
    # cells hold 3 + 3 columns, then 3 + 4 (the middle one, centre 3.5 of 7, falls right)
    np.testing.assert_allclose(trivial.maps()["mean_depth"], [[(1 + 2) / 2, (3 + 4) / 2]] * 2)


def test_a_cell_never_measured_takes_its_neighbour():
    trivial = TrivialDepths((1, 3))
    depth = np.array([[2.0, 5.0, 0.0]])
    trivial.add(depth, depth > 0)
    assert trivial.maps()["median_depth"].tolist() == [[2.0, 5.0, 5.0]]


def test_no_ground_truth_is_an_error(memory_dataset):
    with pytest.raises(DataError, match="trivial"):
        trivial_depths(memory_dataset([np.zeros((2, 2)), None]), PROTOCOLS["generic"])


def test_large_ground_truth_goes_on_a_bounded_grid(memory_dataset):
    maps = trivial_depths(memory_dataset([np.full((480, 640), 3.0)]), PROTOCOLS["generic"])
    assert {depth.shape for depth in maps.values()} == {GRID}


def test_the_mean_map_is_perfect_where_every_frame_is_alike(memory_dataset):
    depth = np.tile(np.array([[2.0, 4.0, 8.0, 5.0]]), (3, 1))
    metrics = evaluate_trivial(memory_dataset([depth, 3 * depth]))
    assert list(metrics) == ["constant_depth", "mean_depth", "median_depth"]
    assert metrics["mean_depth"]["abs_rel"] == pytest.approx(0.0, abs=1e-6)
    # a constant becomes each image's median 4.5: |4.5 - z| / z over 2 4 8 5
    assert metrics["constant_depth"]["abs_rel"] == pytest.approx(np.mean([1.25, 0.125, 3.5 / 8, 0.1]))


def test_maps_come_from_the_training_set_when_there_is_one(memory_dataset):
    left_near, right_near = np.array([[2.0, 8.0]]), np.array([[8.0, 2.0]])
    same = evaluate_trivial(memory_dataset([right_near]))
    other = evaluate_trivial(memory_dataset([right_near]), training=memory_dataset([left_near]))
    assert same["median_depth"]["abs_rel"] == pytest.approx(0.0, abs=1e-6)
    assert other["median_depth"]["abs_rel"] == pytest.approx((6 / 8 + 6 / 2) / 2, rel=1e-6)


def test_the_constant_is_in_metres(memory_dataset):
    metrics = evaluate_trivial(memory_dataset([np.full((2, 2), 4.0), np.full((2, 2), 4.0)]), align="none")
    assert metrics["constant_depth"]["abs_rel"] == pytest.approx(0.0, abs=1e-6)


def test_constant_depth_on_drive_0060(recordings, memory_dataset):
    """About .335 over the drive's published ground truth."""
    from lumde.media.depth_png import read_depth

    drive = recordings / "kitti_raw" / "2011_09_26" / "2011_09_26_drive_0060_sync"
    files = sorted((drive / "expected_depth" / "image_02").glob("*.png"))[::6]
    dataset = memory_dataset([read_depth(file, 256.0) for file in files], protocol="kitti_eigen")
    metrics = evaluate_trivial(dataset)
    assert len(files) == 13
    assert metrics["constant_depth"]["abs_rel"] == pytest.approx(0.335, abs=0.01)
    assert metrics["median_depth"]["abs_rel"] < metrics["constant_depth"]["abs_rel"]  # in-sample
