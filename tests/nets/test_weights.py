"""Foreign weight files: read without running anything; wrong or missing ones are named."""

import hashlib
import os

import pytest
import torch
from safetensors.torch import save_file

from lumde.errors import CheckpointError, ConfigError
from lumde.nets import DepthMobile, DepthResnet, PoseResnet, weights
from lumde.nets.weights_child import read


class Evil:
    """Writes a file when it is unpickled by a loader that runs code."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.fixture
def evil(tmp_path):
    path, pwned = tmp_path / "evil.pth", tmp_path / "pwned"
    torch.save({"conv1.weight": torch.zeros(3), "extra": Evil(pwned)}, path)
    torch.load(path, weights_only=False)  # control: the file is dangerous
    assert pwned.exists()
    pwned.unlink()
    return path, pwned


def test_a_file_with_code_is_refused_and_leaves_nothing(evil):
    path, pwned = evil
    with pytest.raises(SystemExit, match=r"evil.pth: refused"):
        read(path)
    assert not pwned.exists()


def test_tensors_and_plain_values_arrive_unchanged(tmp_path):
    values = {"a": torch.rand(2, 3), "b": torch.arange(3).half(), "height": 192, "use_stereo": False}
    torch.save(values, tmp_path / "good.pth")
    tensors, facts = read(tmp_path / "good.pth")
    assert torch.equal(tensors["a"], values["a"]) and torch.equal(tensors["b"], values["b"])
    assert tensors["b"].dtype == torch.float16 and facts == {"height": 192, "use_stereo": False}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "refused"),
        (b"\x80\x02garbage", "refused"),
        (b"<html>not found</html>", "refused"),
        ([torch.zeros(2)], "dictionary of named tensors is needed, found list"),
        ({"state_dict": {"a": torch.zeros(2)}}, "'state_dict' is a dict"),
    ],
)
def test_other_contents_are_named(tmp_path, content, message):
    path = tmp_path / "odd.pth"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(SystemExit, match=message):
        read(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="nowhere.pth"):
        weights.read_foreign([tmp_path / "nowhere.pth"])


@pytest.mark.parametrize("version", ["2.9.1", "1.13.0+cpu", "2.0"])
def test_an_old_torch_is_refused(version):
    with pytest.raises(CheckpointError, match=r"torch >= 2\.10"):
        weights.check_torch_version(version)
    weights.check_torch_version("2.10.0+cu130")
    weights.check_torch_version("3.0")


def test_imagenet_without_a_file_says_where_to_put_it(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    for make in (
        lambda: DepthResnet(DepthResnet.Config(weights="imagenet")),
        lambda: PoseResnet(PoseResnet.Config(weights="imagenet")),
    ):
        with pytest.raises(ConfigError, match=rf"{tmp_path}/checkpoints/resnet18-.*pth is not there"):
            make()
    with pytest.raises(ConfigError, match=r"mobilenet_v3_large-.*pth is not there"):
        DepthMobile(DepthMobile.Config(weights="imagenet"))
    with pytest.raises(ConfigError, match=r"typo\.pth: no such file"):
        DepthResnet(DepthResnet.Config(weights=str(tmp_path / "typo.pth")))


def test_imagenet_file_of_another_hash_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(ConfigError) as error:
        weights.imagenet_file("resnet18")
    path = tmp_path / "checkpoints" / str(error.value).split("checkpoints/")[1].split(" ")[0]
    path.parent.mkdir()
    path.write_bytes(b"other")
    assert not path.stem.endswith(hashlib.sha256(b"other").hexdigest()[:8])
    with pytest.raises(CheckpointError, match="hash differs"):
        weights.imagenet_file("resnet18")


def test_a_weight_file_starts_both_encoders(tmp_path):
    given = DepthResnet(DepthResnet.Config()).encoder.state_dict()
    save_file({**given, "fc.weight": torch.zeros(1000, 512)}, tmp_path / "r18.safetensors")
    net = DepthResnet(DepthResnet.Config(weights=str(tmp_path / "r18.safetensors")))
    assert all(torch.equal(given[name], tensor) for name, tensor in net.encoder.state_dict().items())
    pose = PoseResnet(PoseResnet.Config(weights=str(tmp_path / "r18.safetensors")))
    image = torch.rand(1, 3, 8, 8)
    twice = pose.encoder.conv1(torch.cat((image, image), dim=1))
    torch.testing.assert_close(twice, net.encoder.conv1(image))  # two equal images look like one


def test_a_weight_file_of_another_network_is_refused(tmp_path):
    save_file(DepthResnet(DepthResnet.Config()).encoder.state_dict(), tmp_path / "r18.safetensors")
    with pytest.raises(
        CheckpointError, match=r"r18.safetensors: does not fit .*'layer1.0.conv3.weight' is missing"
    ):
        DepthResnet(DepthResnet.Config(layers=50, weights=str(tmp_path / "r18.safetensors")))


def test_a_file_without_batch_counters_as_torchvisions_own_are(tmp_path):
    given = {
        k: v
        for k, v in DepthResnet(DepthResnet.Config()).encoder.state_dict().items()
        if "num_batches" not in k
    }
    torch.save(
        {k: torch.nn.Parameter(v, requires_grad=False) for k, v in given.items()}, tmp_path / "r18.pth"
    )
    state = DepthResnet(DepthResnet.Config(weights=str(tmp_path / "r18.pth"))).encoder.state_dict()
    assert all(torch.equal(given[name], state[name]) for name in given)
    given.pop("conv1.weight")
    torch.save(given, tmp_path / "cut.pth")
    with pytest.raises(CheckpointError, match=r"conv1.weight.* is missing"):
        DepthResnet(DepthResnet.Config(weights=str(tmp_path / "cut.pth")))
