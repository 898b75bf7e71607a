"""Model folders: what is written comes back, what is damaged or hostile is refused and named."""

import json
import random
import struct
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

import lumde
from lumde.errors import CheckpointError, ResourceError, UsageError
from lumde.files import write_manifest
from lumde.models import DepthModel, ModelConfig, build_net, build_pose_net, initialise, load, save
from lumde.models.folder import DEFAULT_MODEL, SHIPPED, read_config, shipped_models
from lumde.models.tensors import read_tensors
from lumde.nets import DepthMobile, DepthSmall, PoseSmall


def small_model(**values) -> DepthModel:
    torch.manual_seed(1)
    config = DepthSmall.Config(size="tiny", **values)
    return DepthModel(
        ModelConfig(net=config, height=32, width=64, training={"steps": 3}), build_net(config)
    ).eval()


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "run" / "model"
    path.parent.mkdir()
    save(small_model(), path, pose=PoseSmall(PoseSmall.Config()))
    return path


def rewritten(folder, change) -> None:
    """Change the stored weights and make the manifest agree, as an attacker or a bug would."""
    state = load_file(folder / "model.safetensors")
    change(state)
    save_file(state, folder / "model.safetensors")
    write_manifest(folder, {})


def test_the_same_depth_comes_back(folder):
    images = torch.rand(2, 3, 32, 64)
    for path in (folder, folder.parent, str(folder.parent)):
        loaded = lumde.load(path)
        assert torch.equal(loaded.disparity(images), small_model().disparity(images))
        assert not loaded.training and loaded.config.training == {"steps": 3}


def test_the_folder_holds_what_the_contract_names(folder):
    names = {p.name for p in folder.iterdir()}
    assert names == {"config.json", "model.safetensors", "README.md", "pose.safetensors", "manifest.json"}
    card = (folder / "README.md").read_text()
    assert "relative" in card and "Never read it as metres" in card and "64x32" in card


def test_a_checkpoint_folder_and_a_run_without_model_load(folder, tmp_path):
    run = tmp_path / "other"
    for step in (9, 10):  # natural order: 10 is the newer
        model = small_model()
        model.config.training = {"steps": step}
        (run / "checkpoints").mkdir(parents=True, exist_ok=True)
        save(model, run / "checkpoints" / f"step-{step}")
    assert load(run).config.training == {"steps": 10}
    assert load(run / "checkpoints" / "step-9").config.training == {"steps": 9}


def test_an_existing_folder_is_not_overwritten(folder):
    with pytest.raises(ResourceError, match="exists already"):
        save(small_model(), folder)


def test_every_flipped_bit_is_detected(folder):
    path = folder / "model.safetensors"
    sound = path.read_bytes()
    draw = random.Random(0)
    for _ in range(200):
        damaged = bytearray(sound)
        damaged[draw.randrange(len(sound))] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"model.safetensors: .*damaged"):
            load(folder)
    path.write_bytes(sound)
    load(folder)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-100],
        lambda data: data + b"junk",
        lambda data: data[:8192] + bytes(4096) + data[12288:],
        lambda data: b"",
    ],
    ids=["truncated", "junk", "hole", "empty"],
)
@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_damaged_files_are_refused(folder, damage, name):
    (folder / name).write_bytes(damage((folder / name).read_bytes()))
    with pytest.raises(CheckpointError, match=name):
        load(folder)


def test_missing_files_are_named(folder, tmp_path):
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="model.safetensors"):
        load(folder)
    with pytest.raises(CheckpointError, match="no such folder"):
        load(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="is it a run"):
        load(tmp_path / "empty")


def test_an_onnx_file_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="not read by this version"):
        load(tmp_path / "net.onnx")


def test_non_finite_weights_are_neither_saved_nor_loaded(folder, tmp_path):
    model = small_model()
    with torch.no_grad():
        model.net.heads[0][0].bias[0] = float("inf")
    with pytest.raises(CheckpointError, match=r"'heads.0.0.bias' holds non-finite"):
        save(model, tmp_path / "bad")
    assert not (tmp_path / "bad").exists() and not list(tmp_path.glob(".bad*"))
    rewritten(folder, lambda state: state["heads.0.0.bias"].fill_(float("nan")))
    with pytest.raises(CheckpointError, match="non-finite"):
        load(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("heads.0.0.bias"), "'heads.0.0.bias' is missing"),
        (lambda s: s.update(extra=torch.zeros(1)), "'extra' is not expected"),
        (
            lambda s: s.update({"heads.0.0.bias": torch.zeros(5)}),
            r"'heads.0.0.bias' is \(5,\), \(4,\) needed",
        ),
        (lambda s: s.update({"heads.0.0.bias": torch.zeros(4).double()}), "float64"),
    ],
)
def test_weights_of_another_shape_are_refused(folder, change, message):
    rewritten(folder, change)
    with pytest.raises(CheckpointError, match=message):
        load(folder)


@pytest.mark.parametrize(
    "head",
    [
        struct.pack("<Q", 11 << 20) + b" " * 64,  # beyond the cap
        struct.pack("<Q", 1 << 62) + b"{}",
        struct.pack("<Q", 10) + b'{"a": [1]}',
        struct.pack("<Q", 10) + b"not json!!",
        struct.pack("<Q", 10000) + b"[" * 10000,  # deep nesting
        b"short",
    ],
)
def test_hostile_headers_are_refused_before_allocation(tmp_path, head):
    path = tmp_path / "model.safetensors"
    path.write_bytes(head)
    with pytest.raises(CheckpointError, match="model.safetensors"):
        read_tensors(path, small_model().net)


def test_a_header_that_announces_a_giant_is_refused(tmp_path):
    header = json.dumps({"a": {"dtype": "F32", "shape": [1 << 20, 1 << 20], "data_offsets": [0, 4]}}).encode()
    (tmp_path / "x.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    with pytest.raises(CheckpointError, match="announces"):
        read_tensors(tmp_path / "x.safetensors", small_model().net)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", 2),
        ("height", 10**9),
        ("width", 0),
        ("height", True),
        ("unit", "feet"),
        ("net", {"name": "os.system"}),
        ("net", {"name": "depth_small", "size": "huge"}),
        ("net", {"name": "depth_resnet", "layers": 10**6}),
        ("net", {"name": "depth_small", "scales": 10**6}),
        ("_target_", "os.system"),
    ],
)
def test_hostile_configs_are_refused(folder, key, value):
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**values, key: value}))
    write_manifest(folder, {})
    with pytest.raises(CheckpointError, match="config.json"):
        load(folder)


def test_files_that_a_config_names_are_not_opened(tmp_path):
    config = DepthMobile.Config(encoder="mobilenet_v3_small")
    save(DepthModel(ModelConfig(net=config, height=32, width=64), build_net(config)), tmp_path / "m")
    values = json.loads((tmp_path / "m" / "config.json").read_text())
    values["net"] |= {"weights": "/etc/passwd", "init": "/etc"}
    (tmp_path / "m" / "config.json").write_text(json.dumps(values))
    write_manifest(tmp_path / "m", {})
    loaded = load(tmp_path / "m").config.net
    assert loaded.weights == "none" and loaded.init is None


def test_a_manifest_must_vouch_for_the_weights(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["files"]["model.safetensors"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError, match="does not list model.safetensors"):
        load(folder)


def test_init_starts_a_network_from_a_folder(folder):
    net = build_net(DepthSmall.Config(size="tiny", init=str(folder.parent)))
    assert all(
        torch.equal(a, b) for a, b in zip(net.parameters(), small_model().net.parameters(), strict=True)
    )
    assert all(p.requires_grad for p in net.parameters())
    stored = load_file(folder / "pose.safetensors")
    pose = build_pose_net(PoseSmall.Config(init=str(folder)))
    assert all(torch.equal(stored[name], tensor) for name, tensor in pose.state_dict().items())


def test_init_from_another_network_says_which(folder, tmp_path):
    with pytest.raises(CheckpointError, match="init needs the same network: name depth_small.*size tiny"):
        initialise(build_net(DepthSmall.Config(size="base")), folder)
    with pytest.raises(CheckpointError, match=r"depths run from 0.1 to 100.0.*from 0.1 to 10.0"):
        initialise(build_net(DepthSmall.Config(size="tiny", max_depth=10.0)), folder)
    save(small_model(), tmp_path / "lonely")
    with pytest.raises(CheckpointError, match="trained without a pose network"):
        build_pose_net(PoseSmall.Config(init=str(tmp_path / "lonely")))


def test_a_start_is_not_stored(folder, tmp_path):
    config = DepthSmall.Config(size="tiny", init=str(folder))
    save(DepthModel(ModelConfig(net=config, height=32, width=64), build_net(config)), tmp_path / "next")
    assert read_config(tmp_path / "next").net.init is None
    assert str(folder) not in (tmp_path / "next" / "config.json").read_text()


def test_half_size_weights_come_back_as_full_ones(tmp_path):
    model = small_model()
    save(model, tmp_path / "full")
    save(model, tmp_path / "half", half=True)
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("full", "half")]
    assert sizes[1] < 0.6 * sizes[0]
    loaded = load(tmp_path / "half")
    for name, tensor in loaded.net.state_dict().items():
        wanted = model.net.state_dict()[name]
        assert tensor.dtype == wanted.dtype
        torch.testing.assert_close(tensor, wanted, atol=1e-3, rtol=1e-3)


def test_the_shipped_model_needs_no_path():
    model = load()
    assert model.config.net.name == "depth_small" and model.config.unit == "relative"
    assert sum(p.numel() for p in model.net.parameters()) < 1.5e6
    size = sum(file.stat().st_size for file in SHIPPED.rglob("*") if file.is_file())
    assert size <= 6e6
    assert {"licence", "data", "commands", "weights", "runs"} <= set(model.config.training)
    assert list(shipped_models()) == [DEFAULT_MODEL]


def test_a_shipped_model_goes_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert torch.equal(next(load(DEFAULT_MODEL).parameters()), next(load().parameters()))
    started = build_net(replace(load().config.net, init=DEFAULT_MODEL))
    assert torch.equal(next(started.parameters()), next(load().parameters()))
    (tmp_path / DEFAULT_MODEL).mkdir()  # what lies here comes first
    for other in (DEFAULT_MODEL, "..", "", "nothing"):
        with pytest.raises(CheckpointError):
            load(other)
