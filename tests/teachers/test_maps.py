"""Maps that `lumde predict` or another program wrote teach like the network that made them."""

import json

import numpy as np
import pytest
import torch
from method_parts import frames_of
from PIL import Image

from lumde.config import parse
from lumde.engine.run import train
from lumde.engine.run_config import TrainConfig
from lumde.errors import ConfigError, DataError
from lumde.media.depth_png import encode_depth
from lumde.methods import METHODS
from lumde.nets.depth_small import DepthSmall
from lumde.structures import FrameBatch
from lumde.teachers.maps import MapsTeacher

ADVERSARIAL = {
    "critic": {"name": "critic_transformer"},
    "warmup_steps": 0,
    "video_weight": 0.0,
    "holistic_weight": 0.02,
}


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


def test_holes_are_no_measurement_and_mix_into_nothing(tmp_path):
    """A wall 3 m away, every third row a hole: at half the size a pixel says 3 m or nothing."""
    depth = np.full((12, 6), 3.0, np.float32)
    depth[::3], depth[0, 0] = 0, np.nan
    np.save(tmp_path / "007.npy", depth)
    found = teacher(tmp_path).look(batch(["007"], size=(6, 3)))[0, 0]
    assert set(found.unique().tolist()) <= {0.0, 3.0}
    same = teacher(tmp_path).look(batch(["007"], size=(12, 6)))[0, 0]
    torch.testing.assert_close(same, torch.from_numpy(np.nan_to_num(depth)))


def test_a_student_learns_nothing_from_holes(tmp_path):
    frames = frames_of(2)
    depth = np.full((32, 64), 4.0, np.float32)
    depth[:, 32:] = 0
    for key in frames.keys:
        (tmp_path / "a").mkdir(exist_ok=True)
        np.save(tmp_path / f"{key}.npy", depth)
    for name, options in (
        ("response", {"loss": "three_term"}),
        ("depth_probability", {}),
        ("adversarial", ADVERSARIAL),
    ):
        torch.manual_seed(0)
        config = parse({"name": name, **options}, METHODS[name].Config)
        student = DepthSmall(DepthSmall.Config(size="tiny", scales=1, bins=8 * (name == "depth_probability")))
        method = METHODS[name](config, student, teacher(tmp_path)).train()
        seen = []
        student.register_forward_hook(
            lambda _, __, output, seen=seen: seen.append(output.disp.retain_grad() or output.disp)
        )
        sum(method.terms({"main": frames}, "student", 1).values()).backward()
        assert all(p.grad is None or p.grad.isfinite().all() for p in student.parameters()), name
        if name == "response":  # losses look one pixel (Sobel) beyond
            assert not seen[0].grad[..., 34:].any() and seen[0].grad[..., :30].any()


def test_every_map_is_looked_for_before_training(tmp_path, depth):
    np.save(tmp_path / "007.npy", depth)
    model = teacher(tmp_path)
    model.check(["a/007"])
    with pytest.raises(DataError, match="no depth map of frame a/008"):
        model.check(["a/007", "a/008"])
    with pytest.raises(DataError, match="a folder for each"):
        model.check(["a/007", "b/007"])


def test_a_validation_set_without_maps_costs_nothing(tmp_path):
    """Maps answer for training frames alone: the run still ends with a model and its accuracy."""
    worlds = {
        "name": "synthetic",
        "families": ["shapes"],
        "worlds": 1,
        "frames": 3,
        "height": 32,
        "width": 64,
    }
    for i in range(3):
        (tmp_path / "maps" / "shapes-0-00000").mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / "maps" / "shapes-0-00000" / f"{i:03d}.npy", np.full((32, 64), 3.0, np.float32))
    config = {
        "method": {"name": "response"},
        "student": {"name": "depth_small", "size": "tiny", "scales": 1},
        "teacher": {"name": "maps", "path": str(tmp_path / "maps")},
        "data": worlds,
        "snippets": {"height": 32, "width": 64},
        "loader": {"batch": 2},
        "loop": {"steps": 2},
        "validation": {"data": {**worlds, "seed": 9}},
    }
    result = train(parse(config, TrainConfig), tmp_path / "run", quiet=True)
    assert "val_abs_rel" in result["validation"] and (tmp_path / "run" / "model").is_dir()


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


def test_a_damaged_header_is_a_data_error(tmp_path, depth):
    np.save(tmp_path / "007.npy", depth)
    data = bytearray((tmp_path / "007.npy").read_bytes())
    data[10:13] = b"((("  # numpy raises an error of its tokenizer here
    (tmp_path / "007.npy").write_bytes(data)
    with pytest.raises(DataError, match=r"007.npy: not a readable .npy file"):
        teacher(tmp_path).look(batch(["clip/007"]))


def test_one_map_does_not_serve_frames_of_two_streams(tmp_path, depth):
    np.save(tmp_path / "000.npy", depth)
    model = teacher(tmp_path, affine=True)
    assert model.affine and not teacher(tmp_path).affine  # nothing else tells it of bare maps
    model.check(["kitchen/000"])
    with pytest.raises(DataError, match="kitchen and photos; use a folder for each"):
        model.check(["photos/000"])
