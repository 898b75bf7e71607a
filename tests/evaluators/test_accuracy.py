import numpy as np
import pytest
import torch

from lumde.errors import DataError
from lumde.evaluators.accuracy import evaluate_disparities, evaluate_frames, image_predictor, merge_flipped


def depths(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    return [rng.uniform(2.0, 20.0, (4, 6)) for _ in range(count)]


def test_frames_meet_their_own_prediction(memory_dataset):
    maps = depths(3)
    result = evaluate_frames(lambda image: 1.0 / maps[image[0, 3, 0]], memory_dataset(maps))
    assert result.summary["metrics"]["abs_rel"] == pytest.approx(0.0, abs=1e-12)
    assert [row["name"] for row in result.rows] == ["000", "001", "002"]
    assert result.summary["protocol"]["flip"] is False
    wrong = evaluate_frames(lambda image: 1.0 / maps[(image[0, 3, 0] + 1) % 3], memory_dataset(maps))
    assert wrong.summary["metrics"]["abs_rel"] > 0.1


def test_disparities_are_asked_for_by_number(memory_dataset):
    maps = depths(3)
    sources = {"right": lambda number, _: 1.0 / maps[number], "flat": lambda number, _: np.ones((1, 1))}
    results = evaluate_disparities(sources, memory_dataset(maps))
    assert results["right"].summary["metrics"]["a1"] == 1.0
    assert results["flat"].summary["metrics"]["abs_rel"] > 0.1


def test_a_dataset_without_depth_is_refused(memory_dataset):
    dataset = memory_dataset(depths(1))
    dataset.provides = ("mask",)
    with pytest.raises(DataError, match="no ground-truth depth"):
        evaluate_frames(lambda image: np.ones((2, 2)), dataset)


def test_progress_sees_every_key(memory_dataset):
    seen = []

    def progress(keys, what):
        for key in keys:
            seen.append(key.name)
            yield key

    evaluate_frames(lambda image: np.ones((2, 2)), memory_dataset(depths(2)), progress=progress)
    assert seen == ["000", "001"]


def test_flip_merge_by_hand():
    # 21 columns: x = 0, .05, .1 .. 1; ramps 1 at x <= .05, 0 from .1 on
    merged = merge_flipped(np.full((1, 21), 2.0), np.full((1, 21), 4.0))
    assert merged[0].tolist() == pytest.approx([4.0, 4.0] + [3.0] * 17 + [2.0, 2.0])


def test_flip_merge_ramps_between():
    # 41 columns: x = .075 at column 3 is half way down the ramp: .5 * 4 + .5 * 3
    merged = merge_flipped(np.full((1, 41), 2.0), np.full((1, 41), 4.0))
    assert merged[0, 3] == pytest.approx(3.5)
    assert merged[0, -4] == pytest.approx(2.5)


def test_flip_asks_for_the_mirrored_image_and_mirrors_back(memory_dataset):
    asked = []

    def predict(image):
        asked.append(image)
        return 0.1 + image[:, :, 0].astype(np.float32)  # marks the column that differs

    dataset = memory_dataset([np.full((4, 41), 8.0)])
    result = evaluate_frames(predict, dataset, flip=True)
    assert result.summary["protocol"]["flip"] is True
    np.testing.assert_array_equal(asked[1], asked[0][:, ::-1])
    plain = evaluate_frames(predict, dataset)
    assert result.rows[0]["abs_rel"] == pytest.approx(plain.rows[0]["abs_rel"], rel=1e-5)


def test_image_predictor_hands_over_rgb_in_0_1():
    predict = image_predictor(lambda images: images[:, 1:2] * 2.0)
    image = np.zeros((3, 5, 3), np.uint8)
    image[..., 1] = 255
    answer = predict(image)
    assert answer.shape == (3, 5)
    assert answer.dtype == np.float32
    assert np.all(answer == 2.0)
    assert torch.is_grad_enabled()


def test_an_own_list_does_not_stand_for_the_published_set(memory_dataset):
    maps = [np.full((40, 60), 8.0)] * 3
    own = memory_dataset(maps, protocol="kitti_eigen", expected=3)
    summary = evaluate_frames(lambda image: np.ones((2, 2)), own).summary
    assert (summary["count"], summary["expected"], summary["complete"]) == (3, 697, False)


def test_read_only_predictions_are_fine(memory_dataset, recwarn):
    fixed = np.broadcast_to(np.float32(0.5), (2, 3))
    evaluate_frames(lambda image: fixed, memory_dataset(depths(1)))
    assert len(recwarn) == 0
