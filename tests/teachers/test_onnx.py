"""Small ONNX files made here are read, fed as told, and refused where they are no depth network."""

import numpy as np
import pytest
import torch

from lumde.errors import CheckpointError, ConfigError
from lumde.registry import build
from lumde.teachers import TEACHERS
from lumde.teachers.foreign import stretched
from lumde.teachers.onnx import OnnxTeacher

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def network(path, shape=("n", 3, "h", "w"), axis=1, keep=1, inputs=("pictures",), more=1.0, beside=""):
    """The mean over channels, plus 1: a map per picture. The 1 may lie in a file `beside` the graph."""
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("ReduceMean", [inputs[0], "axes"], ["mean"], keepdims=keep),
        helper.make_node("Add", ["mean", "one"], ["answer"]),
    ]
    constants = [
        helper.make_tensor("axes", onnx.TensorProto.INT64, [1], [axis]),
        helper.make_tensor("one", floats, [1], np.float32(more).tobytes(), raw=True),
    ]
    given = [helper.make_tensor_value_info(name, floats, shape) for name in inputs]
    graph = helper.make_graph(
        nodes, "g", given, [helper.make_tensor_value_info("answer", floats, None)], constants
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    options = {"save_as_external_data": True, "location": beside, "size_threshold": 0} if beside else {}
    onnx.save_model(model, str(path), **options)
    return path


def made(path, **options) -> OnnxTeacher:
    return build(TEACHERS, OnnxTeacher.Config(path=str(path), **options))


IMAGES = torch.rand(3, 3, 20, 30, generator=torch.Generator().manual_seed(0))


def test_metres_come_back_as_they_are_and_pictures_are_normalised(tmp_path):
    teacher = made(
        network(tmp_path / "a.onnx"), unit="metres", mean=(0.1, 0.2, 0.3), deviation=(0.5, 0.5, 2.0)
    )
    mean, deviation = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0.5, 0.5, 2.0])
    expected = ((IMAGES - mean.view(3, 1, 1)) / deviation.view(3, 1, 1)).mean(1, keepdim=True) + 1
    torch.testing.assert_close(teacher.depth(IMAGES), expected.clamp(min=1e-3))
    assert teacher.gives == ("maps", "depth") and "in metres" in teacher.begin(IMAGES)[0]


@pytest.mark.parametrize("keep", [0, 1])
def test_relative_disparity_is_stretched(tmp_path, keep):
    teacher = made(network(tmp_path / "a.onnx", keep=keep), answers="disparity")
    torch.testing.assert_close(teacher.depth(IMAGES), 1 / stretched(IMAGES.mean(1, keepdim=True) + 1))


def test_a_file_that_fixes_batch_and_size_is_fed_so(tmp_path):
    teacher = made(network(tmp_path / "a.onnx", shape=(2, 3, 10, 15)), unit="metres")
    small = torch.nn.functional.interpolate(IMAGES, (10, 15), mode="bilinear", antialias=True)
    wanted = torch.nn.functional.interpolate(small.mean(1, keepdim=True) + 1, (20, 30), mode="bilinear")
    torch.testing.assert_close(teacher.depth(IMAGES), wanted)
    with pytest.raises(ConfigError, match="sees 10 x 15"):
        made(tmp_path / "a.onnx", size=(20, 30))
    assert made(network(tmp_path / "b.onnx"), size=(10, 15)).size == (10, 15)


def test_another_file_or_preprocessing_has_its_own_cache(tmp_path):
    first = made(network(tmp_path / "a.onnx"), answers="depth")
    others = [
        made(network(tmp_path / "b.onnx", keep=0), answers="depth"),
        made(tmp_path / "a.onnx", answers="disparity"),
        made(tmp_path / "a.onnx", answers="depth", mean=(0.5, 0.5, 0.5)),
    ]
    assert len({teacher.facts() for teacher in (first, *others)}) == 4


def test_weights_beside_the_graph_are_part_of_it(tmp_path):
    facts = []
    for more in (1.0, 2.0):
        (tmp_path / "w.bin").unlink(missing_ok=True)
        path = network(tmp_path / "a.onnx", more=more, beside="w.bin")
        teacher = made(path, unit="metres")
        torch.testing.assert_close(teacher.depth(IMAGES), IMAGES.mean(1, keepdim=True) + more)
        facts.append((teacher.facts(), path.read_bytes()))
    assert facts[0][1] == facts[1][1] and facts[0][0] != facts[1][0]


def test_disparity_that_is_right_up_to_a_factor_is_taken_as_it_is(tmp_path):
    teacher = made(network(tmp_path / "a.onnx"), answers="disparity", affine=False)
    torch.testing.assert_close(teacher.depth(IMAGES), 1 / (IMAGES.mean(1, keepdim=True) + 1))
    assert not teacher.affine and teacher.begin(IMAGES)[0].endswith("read as disparity, up to scale")
    assert teacher.facts() != made(tmp_path / "a.onnx", answers="disparity").facts()
    depth = made(tmp_path / "a.onnx", answers="depth", affine=False).depth(IMAGES)
    torch.testing.assert_close(depth, IMAGES.mean(1, keepdim=True) + 1)


def test_what_is_no_depth_network_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no such file"):
        made(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"\x08\x01garbage")
    with pytest.raises(CheckpointError, match="no ONNX network"):
        made(tmp_path / "bad.onnx")
    with pytest.raises(CheckpointError, match="one input"):
        made(network(tmp_path / "two.onnx", inputs=("a", "b")))
    with pytest.raises(CheckpointError, match="one input"):
        made(network(tmp_path / "grey.onnx", shape=("n", 1, "h", "w")))
    with pytest.raises(CheckpointError, match="one map per picture"):
        made(network(tmp_path / "rows.onnx", axis=2), unit="metres").depth(IMAGES)
    with pytest.raises(ValueError, match="metres are depth"):
        OnnxTeacher.Config(path="x", unit="metres", answers="disparity")
    with pytest.raises(ValueError, match="deviation"):
        OnnxTeacher.Config(path="x", deviation=(1.0, 0.0, 1.0))
    with pytest.raises(ValueError, match="size"):
        OnnxTeacher.Config(path="x", size=(0, 5))


def test_pictures_that_it_cannot_take_are_told(tmp_path):
    teacher = made(network(tmp_path / "a.onnx"), unit="metres")
    teacher.session.run = lambda *_: (_ for _ in ()).throw(RuntimeError("bad shape\nmore"))
    with pytest.raises(CheckpointError, match=r"20 x 30 \(bad shape\); is teacher.size"):
        teacher.depth(IMAGES)


def test_passes_at_other_sizes_need_a_network_that_sees_them(tmp_path):
    """The mean over channels does not mind: bilinear there and back is all that differs."""
    free = made(network(tmp_path / "free.onnx"), unit="metres", sizes=(1.0, 0.5), flip=True)
    assert free.depth(IMAGES).shape == (3, 1, 20, 30)
    torch.testing.assert_close(free.ask(IMAGES, 1.0), free.ask(IMAGES.flip(-1), 1.0).flip(-1))
    assert not torch.allclose(free.ask(IMAGES, 0.5), free.ask(IMAGES, 1.0), atol=0.01)
    with pytest.raises(ConfigError, match=r"teacher.sizes: .* sees 20 x 30 and nothing else"):
        made(network(tmp_path / "fixed.onnx", shape=("n", 3, 20, 30)), sizes=(1.0, 1.5))
