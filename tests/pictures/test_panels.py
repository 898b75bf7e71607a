import numpy as np
import pytest

from lumde.pictures.panels import grid, scale_to_width, side_by_side


def test_grid_places_every_picture_whole_and_labels_outside_them():
    red, blue = np.zeros((20, 30, 3), np.uint8), np.zeros((20, 30, 3), np.uint8)
    red[..., 0], blue[..., 2] = 255, 255
    sheet = grid([[red, blue], [blue, None]], columns=["frame", "depth"], labels=["a", "b"])
    assert (sheet == (255, 0, 0)).all(axis=2).sum() == 600
    assert (sheet == (0, 0, 255)).all(axis=2).sum() == 1200
    plain = grid([[red, blue], [blue, None]], columns=[], labels=[])
    assert plain.shape == (44, 64, 3)
    assert sheet.shape[0] > plain.shape[0] and sheet.shape[1] > plain.shape[1]
    assert (sheet[:20].min(axis=2) < 100).any()  # the headings left ink


def test_grid_refuses_pictures_of_two_sizes():
    with pytest.raises(ValueError, match="one size"):
        grid([[np.zeros((2, 2, 3), np.uint8), np.zeros((2, 3, 3), np.uint8)]], [], [])


def test_scaling_keeps_the_aspect_and_enlarges_without_blur():
    picture = np.zeros((2, 4, 3), np.uint8)
    picture[:, 2:] = 255
    large = scale_to_width(picture, 8)
    assert large.shape == (4, 8, 3) and set(np.unique(large)) == {0, 255}
    assert scale_to_width(picture, 2).shape == (1, 2, 3)
    assert side_by_side(picture, picture).shape == (2, 8, 3)
