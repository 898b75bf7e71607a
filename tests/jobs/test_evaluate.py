import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lumde.cli import main
from lumde.data import DATASETS
from lumde.data.base import FrameDataset
from lumde.data.recorded import parse_range
from lumde.errors import ConfigError, DataError, NumericsError, ResourceError, UsageError
from lumde.jobs import evaluate as job
from lumde.models import DepthModel, ModelConfig, build_net, save
from lumde.nets import DepthSmall
from lumde.registry import Named
from lumde.structures import Frame, FrameKey

RUN = Path("runs/a")
DEPTHS = [np.random.default_rng(i).uniform(2.0, 20.0, (4, 6)) for i in range(3)]


class Walls(FrameDataset):
    """Three small maps; the image's grey level is the frame's number."""

    provides = ("depth",)

    @dataclass(kw_only=True)
    class Config(Named):
        """As every recorded dataset."""

        root: str
        split: str = ""
        frames: str = ""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.targets = [FrameKey("drive", i, f"wall{i}") for i in range(3)]
        if config.frames:
            self.targets = self.targets[parse_range(config.frames)]
        if config.split == "published":
            self.expected = 697

    def neighbour(self, key: FrameKey, offset: int) -> FrameKey | None:
        return None

    def read(self, key: FrameKey) -> Frame:
        depth = DEPTHS[key.position]
        return Frame(np.full((*depth.shape, 3), key.position, np.uint8), np.eye(3), depth=depth)


class Perfect(torch.nn.Module):
    """A model that knows the answers, in units of `factor` metres."""

    def __init__(self, unit: str = "relative", factor: float = 7.0, affine: bool = False) -> None:
        super().__init__()
        self.config, self.factor = SimpleNamespace(unit=unit, affine=affine), factor

    def disparity(self, images: torch.Tensor) -> torch.Tensor:
        number = int((images[0, 0, 0, 0] * 255).round())
        return torch.from_numpy(self.factor / DEPTHS[number])[None, None].float()


@pytest.fixture
def walls(monkeypatch) -> Walls:
    monkeypatch.setitem(DATASETS, "walls", Walls)
    return job.open_dataset("walls", "/data")


@pytest.fixture
def predictions(tmp_path):
    path = tmp_path / "disparity.npy"
    np.save(path, (1 / np.stack(DEPTHS)).astype(np.float32))
    return path


def test_a_perfect_model(walls, monkeypatch):
    monkeypatch.setattr(job, "load", lambda path: Perfect())
    summary = job.evaluate_model(RUN, walls).summary
    assert summary["metrics"]["abs_rel"] == pytest.approx(0.0, abs=1e-6)
    assert summary["scale"] == pytest.approx({"median": 7.0, "std": 0.0}, abs=1e-4)
    assert summary["model"] == {"path": "runs/a", "unit": "relative"}


def test_relative_depth_is_not_compared_with_metres_unasked(walls, monkeypatch):
    monkeypatch.setattr(job, "load", lambda path: Perfect(factor=1.0))
    with pytest.raises(UsageError, match="not metres"):
        job.evaluate_model(RUN, walls, align="none")
    asked = job.evaluate_model(RUN, walls, align="none", assume_metres=True)
    assert asked.summary["metrics"]["abs_rel"] == pytest.approx(0.0, abs=1e-6)
    assert "read as metres because you said so" in asked.notes[-1]
    monkeypatch.setattr(job, "load", lambda path: Perfect("metres", 2.0))
    off = job.evaluate_model(RUN, walls, align="none")
    assert off.summary["metrics"]["abs_rel"] == pytest.approx(0.5)
    assert off.notes == []


def test_an_unknown_shift_asks_for_another_alignment(walls, monkeypatch):
    monkeypatch.setattr(job, "load", lambda path: Perfect(affine=True))
    assert "--align scale_shift" in job.evaluate_model(RUN, walls).notes[-1]
    assert job.evaluate_model(RUN, walls, align="scale_shift").notes == []


def test_a_model_that_answers_nan_is_named(walls, monkeypatch):
    monkeypatch.setattr(job, "load", lambda path: Perfect(factor=float("nan")))
    with pytest.raises(NumericsError, match="drive/wall0: 24 of 24"):
        job.evaluate_model(RUN, walls)


def test_predictions_from_a_file(walls, predictions):
    summary = job.evaluate_predictions(predictions, walls, align="none").summary
    assert summary["metrics"]["abs_rel"] == pytest.approx(0.0, abs=1e-6)


def test_predictions_may_be_depth(walls, tmp_path):
    np.save(tmp_path / "depth.npy", np.stack(DEPTHS))
    right = job.evaluate_predictions(tmp_path / "depth.npy", walls, "none", "depth").summary
    assert right["metrics"]["abs_rel"] == pytest.approx(0.0, abs=1e-6)
    wrong = job.evaluate_predictions(tmp_path / "depth.npy", walls, "none", "disparity").summary
    assert wrong["metrics"]["abs_rel"] > 0.5


def test_depth_predictions_must_be_positive(walls, tmp_path):
    maps = np.stack(DEPTHS)
    maps[1, 0, :2] = 0.0
    np.save(tmp_path / "depth.npy", maps)
    with pytest.raises(DataError, match="map 1: 2 of 24 depths"):
        job.evaluate_predictions(tmp_path / "depth.npy", walls, kind="depth")


@pytest.mark.parametrize("kind", ["depth", "disparity"])
def test_nan_in_a_file_is_counted(walls, tmp_path, kind):
    maps = np.stack(DEPTHS)
    maps[2, :, 0] = np.nan
    np.save(tmp_path / "maps.npy", maps)
    with pytest.raises(DataError, match=r"maps\.npy, map 2: 4 of 24 values"):
        job.evaluate_predictions(tmp_path / "maps.npy", walls, kind=kind)


@pytest.mark.parametrize("cut", [0, 5, 100, 200, -1])
def test_truncated_files_are_refused(predictions, cut):
    predictions.write_bytes(predictions.read_bytes()[:cut])
    with pytest.raises(DataError, match="complete"):
        job.read_predictions(predictions, 3)


def test_bytes_after_the_array_are_refused(predictions):
    predictions.write_bytes(predictions.read_bytes() + b"x")
    with pytest.raises(DataError, match="header promises"):
        job.read_predictions(predictions, 3)


def test_a_huge_header_allocates_nothing(predictions):
    data = predictions.read_bytes().replace(b"(3, 4, 6), ", b"(3,9**9,6),")
    predictions.write_bytes(data)
    with pytest.raises(DataError):
        job.read_predictions(predictions, 3)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (3, 10**6, 10**6)}
    )
    predictions.write_bytes(header.getvalue() + b"\0" * 1000)
    with pytest.raises(DataError, match="complete"):
        job.read_predictions(predictions, 3)


def test_objects_are_never_unpickled(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "pwned"), "w"))

    np.save(tmp_path / "evil.npy", np.array([Evil()], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="floats"):
        job.read_predictions(tmp_path / "evil.npy", 1)
    assert not (tmp_path / "pwned").exists()


def test_other_arrays_are_refused(tmp_path):
    np.save(tmp_path / "flat.npy", np.zeros((3, 4), np.float32))
    np.save(tmp_path / "whole.npy", np.zeros((3, 4, 6), np.int32))
    np.savez(tmp_path / "many.npz", a=np.zeros((3, 4, 6)))
    for name in ("flat.npy", "whole.npy"):
        with pytest.raises(DataError, match=r"floats \[N, h, w\] needed"):
            job.read_predictions(tmp_path / name, 3)
    with pytest.raises(DataError, match="archive"):
        job.read_predictions(tmp_path / "many.npz", 3)
    cut = (tmp_path / "many.npz").read_bytes()[:-30]
    (tmp_path / "cut.npz").write_bytes(cut)
    with pytest.raises(DataError, match=r"cut\.npz"):
        job.read_predictions(tmp_path / "cut.npz", 3)
    with pytest.raises(DataError, match="cannot be read"):
        job.read_predictions(tmp_path / "none.npy", 3)


def test_as_many_maps_as_frames(predictions):
    with pytest.raises(DataError, match="3 maps for 4 frames"):
        job.read_predictions(predictions, 4)


def test_unknown_data_and_options(walls):
    with pytest.raises(UsageError, match="did you mean 'walls'"):
        job.open_dataset("wals", "/data")
    with pytest.raises(ConfigError, match="root: missing"):
        job.open_dataset("walls")
    with pytest.raises(ConfigError, match="did you mean 'root'"):
        job.open_dataset("walls", options=["rot=/data"])
    with pytest.raises(UsageError, match="write key=value"):
        job.open_dataset("walls", options=["root"])
    assert job.open_dataset("walls", options=["root=/data"]).config.root == "/data"


def test_a_frozen_test_set_is_evaluated_whole_unless_asked():
    options = ["worlds=1", "height=16", "width=32"]
    dataset = job.open_dataset("synthetic", options=options)
    assert (dataset.config.test_set, dataset.config.worlds) == ("streets-v1", 1)
    perfect = {key: 1 / np.maximum(dataset.read(key).depth, 0.1) for key in dataset.targets}
    source = {"": lambda number, _: perfect[dataset.targets[number]]}
    result = job.add_context(job.evaluate_disparities(source, dataset)[""], dataset)
    assert result.summary["split"] == "streets-v1 (1 worlds)"
    assert result.summary["metrics"]["abs_rel"] == pytest.approx(0.0, abs=1e-5)
    assert result.summary["trivial"]["constant_depth"]["abs_rel"] > 0.2
    assert job.open_dataset("synthetic", options=options[1:]).config.worlds == 32
    few = job.open_dataset("synthetic", frames="0:5", options=options)
    assert {key.position for key in few.targets} == {0, 4}


def run(capsys, *arguments) -> tuple[int, str, str]:
    code = main(["evaluate", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_command_writes_what_the_contract_says(walls, predictions, tmp_path, capsys):
    target = tmp_path / "results" / "walls.json"
    code, out, err = run(
        capsys, "--predictions", predictions, "--data", "walls", "--root", "/d", "--json", target
    )
    assert code == 0, err
    result = json.loads(target.read_text())
    assert (result["data"], result["split"], result["align"]) == ("walls", "all", "median")
    assert (result["count"], result["expected"], result["complete"]) == (3, 3, True)
    protocol = {"name": "generic", "crop": "none", "min_depth": 0.001, "max_depth": 80.0, "flip": False}
    assert result["protocol"] == protocol
    names = ["abs_rel", "sq_rel", "rmse", "rmse_log", "a1", "a2", "a3"]
    assert list(result["metrics"]) == names
    assert set(result["scale"]) == {"median", "std"}
    assert list(result["trivial"]) == ["constant_depth", "mean_depth", "median_depth"]
    assert list(result["trivial"]["mean_depth"]) == names
    assert result["trivial"]["constant_depth"]["abs_rel"] > 0.3
    assert "constant_depth" in out
    assert "the evaluated frames themselves" in out
    assert err == ""


def test_a_result_that_cannot_be_saved_is_still_shown(walls, predictions, tmp_path, capsys, monkeypatch):
    def full(*_):
        raise ResourceError("a.json: cannot be written (file system is full)")

    monkeypatch.setattr(job, "write_json", full)
    target = tmp_path / "a.json"
    code, out, err = run(
        capsys, "--predictions", predictions, "--data", "walls", "--root", "/d", "--json", target
    )
    assert code == 6 and "constant_depth" in out and "file" in err


def test_per_image_csv(walls, tmp_path, capsys):
    maps = (1 / np.stack(DEPTHS)).astype(np.float32)
    maps[1] = 0.2
    np.save(tmp_path / "p.npy", maps)
    target = tmp_path / "walls.json"
    run(
        capsys, "--predictions", tmp_path / "p.npy", "--data", "walls", "--root", "/d", "--align", "none",
        "--json", target,
    )  # fmt: skip
    rows = list(csv.DictReader((tmp_path / "per_image.csv").open()))
    metrics = ["abs_rel", "sq_rel", "rmse", "rmse_log", "a1", "a2", "a3"]
    assert list(rows[0]) == ["name", "sequence", *metrics, "valid_pixels", "scale"]
    assert [(row["name"], row["sequence"], row["valid_pixels"]) for row in rows] == [
        ("wall0", "drive", "24"),
        ("wall1", "drive", "24"),
        ("wall2", "drive", "24"),
    ]
    assert float(rows[1]["abs_rel"]) == pytest.approx(np.mean(np.abs(5.0 - DEPTHS[1]) / DEPTHS[1]))
    means = json.loads(target.read_text())["metrics"]
    for name in metrics:
        assert means[name] == pytest.approx(np.mean([float(row[name]) for row in rows])), name


def test_a_partial_set_is_said_aloud(walls, predictions, tmp_path, capsys):
    target = tmp_path / "walls.json"
    arguments = ["--predictions", predictions, "--data", "walls", "--root", "/d", "--split", "published"]
    code, out, err = run(capsys, *arguments, "--json", target)
    assert code == 0
    assert "PARTIAL SET: 3 of 697" in err
    assert "3 of 697 images, PARTIAL" in out
    assert json.loads(target.read_text())["complete"] is False


def test_frames_and_training_frames(walls, predictions, tmp_path, capsys):
    np.save(predictions, 1 / np.stack(DEPTHS[:1]))
    target = tmp_path / "walls.json"
    arguments = ["--predictions", predictions, "--data", "walls", "--root", "/d", "--frames", "0:1"]
    run(capsys, *arguments, "--json", target)
    in_sample = json.loads(target.read_text())
    assert (in_sample["count"], in_sample["split"]) == (1, "0:1")
    assert in_sample["trivial"]["median_depth"]["abs_rel"] == pytest.approx(0.0, abs=1e-6)
    run(capsys, *arguments, "--trivial-frames", "1:3", "--json", target)
    outside = json.loads(target.read_text())
    assert outside["trivial"]["median_depth"]["abs_rel"] > 0.2
    assert outside["trivial_from"] == "1:3"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--data", "walls", "--root", "/d"], 2, "MODEL folder or --predictions"),
        (["m", "--predictions", "p.npy", "--data", "walls", "--root", "/d"], 2, "one of them"),
        (["--predictions", "p.npy", "--flip", "--data", "walls", "--root", "/d"], 2, "--flip needs a MODEL"),
        (["--predictions", "missing.npy", "--data", "walls", "--root", "/d"], 3, "missing.npy"),
        (["--predictions", "p.npy", "--data", "walls"], 2, "root"),
        (["m", "--data", "walls", "--root", "/d", "--align", "mean"], 2, "median"),
    ],
)
def test_mistakes_end_in_one_message(walls, capsys, arguments, code, message):
    found, out, err = run(capsys, *arguments)
    assert found == code
    assert message in err
    assert "Traceback" not in err
    assert out == ""


def test_results_do_not_tell_where_the_files_lay(walls, predictions):
    dataset = job.open_dataset("walls", "/data", split="/home/somebody/lists/scanned.txt")
    result = job.add_context(job.evaluate_predictions(predictions, dataset), dataset)
    assert result.summary["split"] == "lists/scanned.txt"
    assert result.summary["model"]["path"].endswith("disparity.npy")
    assert str(predictions.parent) not in json.dumps(result.summary)


@pytest.fixture
def model(tmp_path) -> Path:
    torch.manual_seed(0)
    config = DepthSmall.Config(size="tiny")
    save(DepthModel(ModelConfig(net=config, height=32, width=64), build_net(config)), tmp_path / "model")
    return tmp_path / "model"


def test_a_model_folder_from_the_command_line(walls, model, tmp_path, capsys):
    results = {}
    for name, flags in (("plain", []), ("flip", ["--flip"])):
        target = tmp_path / f"{name}.json"
        code, out, err = run(capsys, model, "--data", "walls", "--root", "/d", "--json", target, *flags)
        assert (code, err) == (0, "")
        results[name] = json.loads(target.read_text())
    assert results["plain"]["model"]["unit"] == "relative"
    assert results["flip"]["protocol"]["flip"] is True
    assert results["flip"]["metrics"]["abs_rel"] != results["plain"]["metrics"]["abs_rel"]
    assert results["flip"]["trivial"] == results["plain"]["trivial"]
    assert "flip" in out


def test_a_damaged_model_is_exit_4(walls, model, capsys):
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    code, _, err = run(capsys, model, "--data", "walls", "--root", "/d")
    assert code == 4
    assert "model.safetensors" in err


def test_drive_0060_from_the_command_line(recordings, tmp_path, capsys):
    """Ground truth from the scans; constant depth scores about .335."""
    scans = "".join(f"2011_09_26/2011_09_26_drive_0060_sync {number:010d} l\n" for number in range(0, 78, 6))
    (tmp_path / "scanned.txt").write_text(scans)
    np.save(tmp_path / "flat.npy", np.full((13, 3, 10), 0.1, np.float32))
    target = tmp_path / "result.json"
    code, out, err = run(
        capsys, "--predictions", tmp_path / "flat.npy", "--data", "kitti_raw",
        "--root", recordings / "kitti_raw", "--split", tmp_path / "scanned.txt", "--json", target,
    )  # fmt: skip
    assert code == 0, err
    result = json.loads(target.read_text())
    assert (result["count"], result["expected"], result["complete"]) == (13, 697, False)
    assert result["protocol"]["crop"] == "garg"
    assert result["metrics"]["abs_rel"] == pytest.approx(0.3354, abs=0.001)
    assert result["trivial"]["constant_depth"] == pytest.approx(result["metrics"])
    assert "PARTIAL SET: 13 of 697" in err


def test_the_kitchen_from_the_command_line(recordings, tmp_path, capsys):
    """The test split of the indoor recording: constant depth .227, median map of the training frames .252."""
    np.save(tmp_path / "flat.npy", np.full((5, 3, 10), 0.5, np.float32))
    code, out, err = run(
        capsys, "--predictions", tmp_path / "flat.npy", "--data", "frames", "--root", recordings / "indoor",
        "--frames", "0:5", "--trivial-frames", "60:65", "--json", tmp_path / "result.json",
    )  # fmt: skip
    assert code == 0, err
    result = json.loads((tmp_path / "result.json").read_text())
    assert (result["count"], result["split"], result["trivial_from"]) == (5, "0:5", "60:65")
    assert 0.2 < result["metrics"]["abs_rel"] < 0.4
