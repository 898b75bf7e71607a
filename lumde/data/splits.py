"""The published lists of frames that come with the package, and reading such lists."""

from pathlib import Path

from lumde.config import nearest
from lumde.errors import DataError
from lumde.files import read_text
from lumde.packaged import package_folder

MAX_LIST_BYTES = 50_000_000


def split_names(dataset: str) -> list[str]:
    """Names of the lists for a dataset, e.g. `eigen`, `eigen_zhou/train`."""
    folder = package_folder("splits") / dataset
    return sorted(file.relative_to(folder).with_suffix("").as_posix() for file in folder.rglob("*.txt"))


def find_split(dataset: str, name: str) -> Path:
    """Answer the file of a list, by its name for this dataset or by a path of the user's own.

    Raises:
        DataError: neither; the message names the known lists.
    """
    if name in split_names(dataset):
        return package_folder("splits") / dataset / f"{name}.txt"
    own = Path(name)
    if own.is_file():
        return own
    raise DataError(f"split {name!r}: no file and no list of {dataset}{nearest(name, split_names(dataset))}")


def read_split(path: Path) -> list[tuple[int, str]]:
    """Read a list: (line number, text) of every line that is neither empty nor a # comment."""
    lines = enumerate(read_text(path, MAX_LIST_BYTES).splitlines(), start=1)
    entries = [(number, line.strip()) for number, line in lines if line.strip() and not line.startswith("#")]
    if not entries:
        raise DataError(f"{path}: an empty list")
    return entries
