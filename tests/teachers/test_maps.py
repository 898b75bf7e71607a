"""Maps that `lumde predict` or another program wrote teach like the network that made them."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from lumde.errors import ConfigError, DataError
from lumde.media.depth_png import encode_depth
from lumde.structures import FrameBatch
from lumde.teachers.maps import MapsTeacher


def batch(keys, flipped=None, size=(4, 6)) -> FrameBatch:
    images = torch.rand(len(keys), 3, *size)
    flags = None if flipped is None else torch.tensor(flipped)
    return FrameBatch(images, images, torch.eye(3).expand(len(keys), 3, 3), flipped=flags, keys=tuple(keys))


def teacher(root, **options) -> MapsTeacher:
    return MapsTeacher(MapsTeacher.Config(path=str(root), **options))


@pytest.fixture
def depth():
    return np.random.default_rng(0).uniform(1, 9, (4, 6)).astype(np.float32)


def test_arrays_of_sequences_and_mirrored_frames(tmp_path, depth):
    (tmp_path / "a" / "npy").mkdir(parents=True)
    np.save(tmp_path / "a" / "npy" / "007.npy", depth)
    found = teacher(tmp_path).look(batch(["a/007", "a/007"], [False, True]))
    torch.testing.assert_close(found[0, 0], torch.from_numpy(depth))
    torch.testing.assert_close(found[1, 0], torch.from_numpy(depth).flip(-1))


def test_pictures_with_the_scale_and_unit_that_predict_wrote(tmp_path, depth):
    (tmp_path / "depth").mkdir()
    Image.fromarray(encode_depth(depth, 1000.0)[0]).save(tmp_path / "depth" / "007.png")
    (tmp_path / "index.json").write_text(json.dumps({"png16_scale": 1000.0, "unit": "metres"}))
    model = teacher(tmp_path)
    torch.testing.assert_close(
        model.look(batch(["clip/007"]))[0, 0], torch.from_numpy(depth), atol=1e-3, rtol=0
    )
    assert model.unit == "metres" and model.gives == ("maps",)
    (tmp_path / "index.json").unlink()
    with pytest.raises(ConfigError, match=r"teacher\.scale"):
        teacher(tmp_path).look(batch(["clip/007"]))
    assert teacher(tmp_path, scale=1000.0).unit == "relative"


def test_disparity_and_other_sizes(tmp_path, depth):
    np.save(tmp_path / "007.npy", 1 / depth)
    found = teacher(tmp_path, answers="disparity").look(batch(["007"]))
    torch.testing.assert_close(found[0, 0], torch.from_numpy(depth))
    assert teacher(tmp_path, answers="disparity").look(batch(["007"], size=(8, 12))).shape == (1, 1, 8, 12)


def test_holes_lie_far_away_and_stay_finite(tmp_path, depth):
    depth[0, 0], depth[0, 1] = 0, np.nan
    np.save(tmp_path / "007.npy", depth)
    found = teacher(tmp_path).look(batch(["007"]))
    assert found.isfinite().all() and found[0, 0, 0, :2].min() > 1e5


def test_what_cannot_teach_is_refused(tmp_path, depth):
    with pytest.raises(ConfigError, match="no such folder"):
        teacher(tmp_path / "none")
    with pytest.raises(DataError, match="no depth map of frame a/008"):
        teacher(tmp_path).look(batch(["a/008"]))
    np.save(tmp_path / "009.npy", depth[None])
    with pytest.raises(DataError, match="floats"):
        teacher(tmp_path).look(batch(["009"]))
    (tmp_path / "010.npy").write_bytes(b"\x80\x04junk")
    with pytest.raises(DataError, match="not a readable"):
        teacher(tmp_path).look(batch(["010"]))
    with pytest.raises(ConfigError, match="not for pictures"):
        teacher(tmp_path).depth(torch.rand(1, 3, 4, 6))
    with pytest.raises(DataError):
        teacher(tmp_path / "..").look(batch(["../../etc/passwd"]))
