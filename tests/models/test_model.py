"""Depth for anything a user holds: sizes, units, cameras, and the order of resizing and inverting."""

from types import GeneratorType

import numpy as np
import pytest
import torch
from PIL import Image

from lumde.errors import DataError
from lumde.media.cameras import camera_from_focal
from lumde.media.images import read_image
from lumde.models import DepthModel, ModelConfig, resize_disparity
from lumde.models.inputs import image_array
from lumde.nets import DepthSmall
from lumde.nets.base import DepthNet
from lumde.structures import DepthOutput


class Ramp(DepthNet):
    """Answers the red channel as disparity: what goes in is known, so what comes out is too."""

    def encode(self, image):
        return (image[:, :1] * 0.225 + 0.45,)

    def decode(self, features):
        return DepthOutput(disps=features)


@pytest.fixture
def model():
    net = Ramp(DepthNet.Config(name="ramp", min_depth=0.5, max_depth=50.0))
    net.scale = torch.nn.Parameter(torch.ones(1))
    return DepthModel(ModelConfig(net=net.config, height=8, width=16), net)


def picture(height=16, width=32) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_disparity_is_inverse_depth_in_the_range_of_the_network(model):
    images = torch.full((1, 3, 8, 16), 0.25)
    # 1/50 + (1/0.5 - 1/50) * 0.25 = 0.515
    torch.testing.assert_close(model.disparity(images), torch.full((1, 1, 8, 16), 0.515))


def test_disparity_is_resized_before_it_is_inverted(model):
    model.disparity = lambda images: torch.tensor([0.5] * 4 + [2.0] * 4).expand(1, 1, 4, 8)
    result = model.predict(picture(8, 16))
    np.testing.assert_allclose(result.disparity[3, 6:10], [0.5, 0.875, 1.625, 2.0])
    np.testing.assert_allclose(result.depth[3, 6:10], [2.0, 1 / 0.875, 1 / 1.625, 0.5], rtol=1e-6)


def test_all_kinds_of_pictures_give_the_same_depth(model, tmp_path):
    array = picture()
    Image.fromarray(array).save(tmp_path / "a.png")
    tensor = torch.from_numpy(array).permute(2, 0, 1)
    kinds = [
        array,
        array.astype(np.float32) / 255,
        Image.fromarray(array),
        tensor,
        tensor[None],
        tensor.float() / 255,
        tmp_path / "a.png",
        str(tmp_path / "a.png"),
    ]
    for kind in kinds:
        result = model.predict(kind)
        assert result.depth.dtype == np.float32 and result.unit == "relative"
        np.testing.assert_allclose(result.depth, model.predict(array).depth, rtol=1e-5)
    assert result.name == "a"


def test_a_folder_gives_a_generator_in_natural_order(model, tmp_path):
    for name in ("f10", "f2"):
        Image.fromarray(picture()).save(tmp_path / f"{name}.png")
    results = model.predict(tmp_path)
    assert isinstance(results, GeneratorType)
    assert [r.name for r in results] == ["f2", "f10"]


def test_intrinsics_travel_along_and_tell_their_origin(model):
    result = model.predict(picture())
    assert result.intrinsics_source.startswith("assumed")
    assert result.intrinsics == pytest.approx((27.7128, 27.7128, 15.5, 7.5), abs=1e-3)  # 16 / tan 30 degrees
    given = model.predict(picture(), camera=camera_from_focal(60.0, 64, 32))
    assert given.intrinsics == pytest.approx((30.0, 30.0, 15.5, 7.5))  # its pictures are twice as large


def test_predict_leaves_training_mode(model):
    model.train()
    model.predict(picture())
    assert not model.training


def test_any_source_size_works(model):
    for height, width in ((7, 5), (9, 16), (33, 65)):
        assert model.predict(picture(height, width)).depth.shape == (height, width)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.full((4, 4, 3), 200.0, np.float32), "divide"),
        (np.full((4, 4, 3), np.nan, np.float32), "divide"),
        (np.zeros((4, 4, 4), np.uint8), "RGB is needed"),
        (np.zeros((0, 4, 3), np.uint8), "RGB is needed"),
        (np.zeros((4, 4, 3), np.int32), "int32"),
        (torch.zeros(2, 3, 4, 4), "one picture"),
        (torch.zeros(4, 4, 3), "one picture"),
    ],
)
def test_wrong_pictures_are_explained(image, message):
    with pytest.raises(DataError, match=message):
        image_array(image)


def test_grey_becomes_rgb():
    assert image_array(np.full((2, 3), 7, np.uint8)).tolist() == [[[7] * 3] * 3] * 2
    assert image_array(Image.new("L", (3, 2), 7)).shape == (2, 3, 3)


def test_a_missing_source_is_a_data_error(model, tmp_path):
    with pytest.raises(DataError, match="nowhere"):
        model.predict(tmp_path / "nowhere.jpg")


def test_gradients_pass_through_disparity(model):
    images = torch.rand(1, 3, 10, 20, requires_grad=True)
    model.disparity(images).sum().backward()
    assert images.grad.abs().max() > 0


def test_resizing_uses_half_pixel_centres():
    small = torch.tensor([[[[0.0, 1.0]]]])
    assert resize_disparity(small, (1, 4)).flatten().tolist() == [0.0, 0.25, 0.75, 1.0]


@pytest.mark.parametrize(
    ("source", "seen"),
    [((480, 640), (160, 192)), ((375, 1242), (96, 320)), ((1280, 720), (224, 128)), ((40, 4000), (32, 1696))],
)
def test_a_model_may_keep_the_shape_of_its_pictures(source, seen):
    config = ModelConfig(net=DepthSmall.Config(size="tiny"), height=128, width=224, fit="area")
    model = DepthModel(config, DepthSmall(config.net)).eval()
    assert model.input_size(*source) == seen
    if source != (40, 4000):  # at the least side there is nothing to choose
        assert model.input_size(*seen) == seen  # what has been resized is not resized again
    assert model.disparity(torch.rand(1, 3, *source)).shape[-2:] == seen
    config.fit = "stretch"
    assert model.input_size(*source) == (128, 224)


@pytest.mark.parametrize(
    ("source", "seen"),
    [((480, 640), (96, 128)), ((375, 1242), (96, 320)), ((1280, 720), (160, 96)), ((96, 160), (96, 160))],
)
def test_a_model_may_keep_the_shorter_side(source, seen):
    config = ModelConfig(net=DepthSmall.Config(size="tiny"), height=96, width=224, fit="side")
    model = DepthModel(config, DepthSmall(config.net)).eval()
    assert model.input_size(*source) == seen == model.input_size(*seen)


def test_a_grey_picture_of_16_bits_is_seen_as_its_file_is(tmp_path):
    ramp = np.linspace(0, 65535, 48 * 64).astype(np.uint16).reshape(48, 64)
    Image.fromarray(ramp).save(tmp_path / "grey.png")
    with Image.open(tmp_path / "grey.png") as image:
        np.testing.assert_array_equal(image_array(image), read_image(tmp_path / "grey.png"))
