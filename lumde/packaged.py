"""Files that travel with the package: configs and splits, in a wheel as in a checkout."""

from pathlib import Path

from lumde.errors import UsageError


def package_folder(kind: str) -> Path:
    """Folder of files that travel with the package ("configs", "splits"), in a wheel or a checkout."""
    here = Path(__file__).resolve().parent
    return here / kind if (here / kind).is_dir() else here.parent / kind


def own_or_package_file(kind: str, name: str, suffix: str) -> Path:
    """A user's own file, or one that travels with the package, by name; UsageError as `package_file`."""
    own = Path(name)
    return own if own.is_file() else package_file(kind, name, suffix)


def package_file(kind: str, name: str, suffix: str) -> Path:
    """A file that travels with the package, by name, whatever lies in the current folder.

    Raises:
        UsageError: there is none; the message lists what there is.
    """
    folder = package_folder(kind)
    known = {file.relative_to(folder).with_suffix("").as_posix(): file for file in folder.rglob(f"*{suffix}")}
    wanted = name.removeprefix(f"{kind}/").removesuffix(suffix)
    if wanted in known:
        return known[wanted]
    raise UsageError(f"{name}: no such file, and not one of: {', '.join(sorted(known))}")
