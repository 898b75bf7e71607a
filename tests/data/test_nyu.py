import sys

import numpy as np
import pytest
from scipy.io import savemat

from lumde.data.nyu import FILE_NAME, INTRINSICS, Nyu
from lumde.data.snippets import SnippetConfig, Snippets
from lumde.errors import ConfigError, DataError

h5py = pytest.importorskip("h5py", reason="the extra nyu (h5py) is not installed")

COUNT = 5


@pytest.fixture
def root(tmp_path):
    """The labelled file in small: [n, 3, width, height], names as references to characters."""
    random = np.random.default_rng(0)
    with h5py.File(tmp_path / FILE_NAME, "w") as file:
        file["images"] = random.integers(0, 256, (COUNT, 3, 640, 480), dtype=np.uint8)
        file["depths"] = random.uniform(0.7, 9.9, (COUNT, 640, 480)).astype(np.float32)
        file["rawDepths"] = np.zeros((COUNT, 640, 480), np.float32)
        names = file.create_dataset("rawRgbFilenames", (1, COUNT), dtype=h5py.ref_dtype)
        for i in range(COUNT):
            text = f"kitchen_000{i}/r-{i}.ppm"
            file[f"#refs#/{i}"] = np.array([[ord(c)] for c in text], np.uint16)
            names[0, i] = file[f"#refs#/{i}"].ref
    return tmp_path


def open_nyu(root, **config) -> Nyu:
    return Nyu(Nyu.Config(root=str(root), **config))


def positions(dataset: Nyu) -> list[int]:
    return [key.position for key in dataset.targets]


def test_pictures_and_depth_are_turned_upright(root):
    dataset = open_nyu(root / FILE_NAME, split="")
    assert (
        positions(dataset) == list(range(COUNT))
        and dataset.provides == ("depth",)
        and dataset.protocol == "nyu"
    )
    frame = dataset.read(dataset.targets[3])
    with h5py.File(root / FILE_NAME) as file:
        assert frame.image.shape == (480, 640, 3)
        assert frame.image[20, 500, 1] == file["images"][3, 1, 500, 20]
        assert frame.depth[20, 500] == file["depths"][3, 500, 20]
    assert frame.intrinsics is INTRINSICS and dataset.neighbour(dataset.targets[3], -1) is None
    assert not open_nyu(root, split="", depth="raw").read(dataset.targets[3]).depth.any()
    assert dataset.read_fields(dataset.targets[3], ()).depth is None


def test_snippets_of_single_pictures(root):
    sample = Snippets(open_nyu(root, split=""), SnippetConfig(height=48, width=64), ("depth",))[0]
    assert sample["image"].shape == (3, 48, 64) and sample["depth"].min() > 0.5


def test_lists_of_names_of_indices_and_of_matlab(root):
    names = root / "names.txt"
    names.write_text("kitchen_0004/r-4.ppm\nkitchen_0001/r-1.ppm\n")
    by_name = open_nyu(root, split=str(names))
    assert positions(by_name) == [4, 1] and by_name.expected == 2
    indices = root / "indices.txt"
    indices.write_text("1\n5\n")  # as MATLAB counts
    assert positions(open_nyu(root, split=str(indices))) == [0, 4]
    savemat(root / "splits.mat", {"testNdxs": np.array([[2], [3]]), "trainNdxs": np.array([[1], [4], [5]])})
    assert positions(open_nyu(root, split=str(root / "splits.mat"))) == [1, 2]
    assert positions(open_nyu(root, split=str(root / "splits.mat"), subset="train")) == [0, 3, 4]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "0\n", r"indices 1..5 expected"),
        ("a.txt", "6\n", r"indices 1..5 expected"),
        ("a.txt", "1\nkitchen_0009/r-9.ppm\n", r"a.txt:1: '1' is no picture"),
        ("a.txt", "kitchen_0009/r-9.ppm\n", r"a.txt:1: .* is no picture"),
        ("a.mat", "nonsense", r"a.mat: not the official splits.mat"),
    ],
)
def test_lists_that_do_not_fit_are_refused(root, name, text, message):
    (root / name).write_text(text)
    with pytest.raises(DataError, match=message):
        open_nyu(root, split=str(root / name))


def test_the_published_list_is_tried_by_name(root):
    with pytest.raises(
        DataError, match=r"eigen.txt:1: 'kitchen_0004/r-12"
    ):  # the small file holds none of them
        open_nyu(root)


def test_files_that_are_not_the_labelled_one_are_refused(root, tmp_path):
    with pytest.raises(DataError, match="no such file; download"):
        open_nyu(tmp_path / "nowhere")
    other = tmp_path / "other.mat"
    other.write_bytes(b"MATLAB 5.0")
    with pytest.raises(DataError, match="not an HDF5 file"):
        open_nyu(other)
    with h5py.File(tmp_path / "partial.mat", "w") as file:
        file["images"] = np.zeros((1, 3, 4, 4), np.uint8)
    with pytest.raises(DataError, match="rawDepths expected, found images"):
        open_nyu(tmp_path / "partial.mat")


def test_a_missing_h5py_names_the_extra(root, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ConfigError, match=r"pip install lumde\[nyu\]"):
        open_nyu(root)
