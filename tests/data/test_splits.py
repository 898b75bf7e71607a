import re
from pathlib import Path

import pytest

import lumde
from lumde.data.splits import find_split, read_split, split_names
from lumde.errors import DataError
from lumde.packaged import package_folder

README_ROW = re.compile(r"^\| (.+?) \| ([\d, ]+) \|", re.MULTILINE)


def counts_of_readme() -> dict[str, int]:
    counts = {}
    for names, numbers in README_ROW.findall((package_folder("splits") / "README.md").read_text()):
        first, *others = re.findall(r"`([^`]+)`", names)
        folder = first.rsplit("/", 1)[0]
        sizes = [int(number.replace(",", "")) for number in re.findall(r"\d+(?:,\d{3})*", numbers)]
        for name, size in zip([first, *(f"{folder}/{name}" for name in others)], sizes, strict=True):
            counts[name] = size
    return counts


def test_the_readme_names_every_list_with_its_count():
    found = {
        f"{dataset}/{name}": len(read_split(find_split(dataset, name)))
        for dataset in ("kitti_raw", "kitti_odometry", "nyu")
        for name in split_names(dataset)
    }
    assert found == counts_of_readme()
    assert found["kitti_raw/eigen"] == 697 and found["nyu/eigen"] == 654


def test_the_two_eigen_lists_agree_and_training_is_disjoint():
    def frames(name: str) -> set[tuple[str, int]]:
        lines = (text.split() for _, text in read_split(find_split("kitti_raw", name)))
        return {(folder, int(frame)) for folder, frame, _ in lines}

    test, training = frames("eigen"), frames("eigen_zhou/train") | frames("eigen_zhou/val")
    assert frames("eigen_benchmark") < test
    assert not {folder for folder, _ in test | frames("drive_0060")} & {folder for folder, _ in training}


def test_a_path_of_the_users_own_works_and_a_typo_is_helped(tmp_path):
    own = tmp_path / "mine.txt"
    own.write_text("# comment\na 1 l\n\nb 2 r\n")
    assert find_split("kitti_raw", str(own)) == own
    assert read_split(own) == [(2, "a 1 l"), (4, "b 2 r")]
    with pytest.raises(DataError, match="did you mean 'eigen'"):
        find_split("kitti_raw", "eigan")
    own.write_text("\n# nothing\n")
    with pytest.raises(DataError, match="an empty list"):
        read_split(own)


@pytest.mark.parametrize("name", ["../kitti_raw/eigen", "/etc/passwd_", "eigen.txt", ""])
def test_names_cannot_leave_the_folder(name):
    with pytest.raises(DataError, match="no file and no list"):
        find_split("nyu", name)


def test_lists_are_found_in_a_checkout_or_beside_the_package():
    package = Path(lumde.__file__).parent
    assert package_folder("splits") in (package / "splits", package.parent / "splits")
