"""Files survive crashes and hostile input: all or nothing, damage found, nothing outside the folder."""

import json
import os
import random
import resource
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumde import files
from lumde.errors import CheckpointError, ConfigError, DataError, LumdeError, ResourceError, UsageError
from lumde.packaged import own_or_package_file, package_file

WRITER = """
import sys
from pathlib import Path
from lumde.files import atomic_folder, write_bytes, write_manifest
root = Path(sys.argv[1])
for step in range(10**6):
    content = str(step % 10).encode() * 2_000_000
    write_bytes(root / "file", content)
    with atomic_folder(root / f"step-{step}") as folder:
        (folder / "weights").write_bytes(content)
        write_manifest(folder, {"step": step})
    print(step, flush=True)
"""


def test_a_write_replaces_the_whole_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    files.write_text(tmp_path / "a", "long old content")
    files.write_text(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "new"
    assert [file.name for file in tmp_path.iterdir()] == ["a"]


def test_written_files_are_readable_by_colleagues(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        files.write_text(tmp_path / "a", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644


def test_a_link_stays_a_link_and_a_device_a_device(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    files.write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"
    (tmp_path / "null").symlink_to("/dev/null")
    files.write_text(tmp_path / "null", "gone")
    assert (tmp_path / "null").is_symlink()


def test_a_full_disk_keeps_the_old_file(tmp_path: Path) -> None:
    files.write_bytes(tmp_path / "a", b"old")
    code = (
        "import resource, signal, sys; from pathlib import Path; from lumde import files\n"
        "from lumde.errors import ResourceError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))\n"
        "try: files.write_bytes(Path(sys.argv[1]), bytes(10**6))\n"
        "except ResourceError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a")],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "cannot be written (File too large)" in done.stdout
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("name", ["missing/a", "x" * 300, "folder"])
def test_a_place_that_cannot_be_written_is_a_resource_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ResourceError, match="cannot be written"):
        files.write_text(tmp_path / name, "x")


def kill_writer(root: Path, wait: float) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(root)], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    writer.stdout.readline()
    time.sleep(wait)
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdout.close()


@pytest.mark.parametrize("tries", [3, pytest.param(60, marks=pytest.mark.slow)])
def test_kill_9_at_any_moment_leaves_whole_files_only(tmp_path: Path, tries: int) -> None:
    generator = random.Random(0)
    for attempt in range(tries):
        root = tmp_path / str(attempt)
        root.mkdir()
        kill_writer(root, generator.uniform(0, 0.1))
        content = (root / "file").read_bytes()
        assert content == content[:1] * 2_000_000
        steps = list(root.glob("step-*"))
        assert steps
        for folder in steps:
            files.verify_manifest(folder)


def test_an_atomic_folder_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), files.atomic_folder(tmp_path / "a") as folder:
        (folder / "x").write_text("half")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


DEAD = 1 << 30  # no process has such a number


def test_an_atomic_folder_overwrites_nothing_and_sweeps_what_a_crash_left(tmp_path: Path) -> None:
    for name in (f".a.{DEAD}.tmp", f".a.b.{DEAD}.tmp", f".a.{os.getppid()}.tmp"):
        (tmp_path / name).mkdir()
    with files.atomic_folder(tmp_path / "a") as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "x").write_text("1")
    left = {file.name for file in tmp_path.iterdir()}
    assert left == {f".a.b.{DEAD}.tmp", f".a.{os.getppid()}.tmp", "a"}  # the latter's process lives
    with pytest.raises(ResourceError, match="exists already"), files.atomic_folder(tmp_path / "a"):
        pass
    assert (tmp_path / "a" / "deep" / "x").read_text() == "1"


def test_json_has_no_nan_and_takes_numpy(tmp_path: Path) -> None:
    value = {"a": float("nan"), "b": [np.float32(1.5), np.int64(3), np.array([1.0, np.inf])], 3: (True, None)}
    files.write_json(tmp_path / "a.json", value)
    assert files.read_json(tmp_path / "a.json") == {"a": None, "b": [1.5, 3, [1.0, None]], "3": [True, None]}


def test_reads_are_bounded_whatever_the_size_says() -> None:
    with pytest.raises(DataError, match="more than 1,000,000 bytes"):
        files.read_text(Path("/dev/zero"))


@pytest.mark.parametrize("content", [b"", b"{", b"[1,]", b"\xff\xfe", b"[" * 100_000, b"1" * 5000])
def test_bad_json_is_a_data_error_that_names_the_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.json"):
        files.read_json(tmp_path / "a.json")


@pytest.mark.parametrize("name", ["missing", "folder", "a\0b", "x" * 300])
def test_unreadable_text_is_a_data_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError):
        files.read_text(tmp_path / name)


def test_a_byte_order_mark_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbf700 700")
    assert files.read_text(tmp_path / "a") == "700 700"


def manifest_folder(root: Path) -> Path:
    folder = root / "model"
    (folder / "inner").mkdir(parents=True)
    (folder / "weights").write_bytes(random.Random(0).randbytes(5000))
    (folder / "inner" / "manifest.json").write_text("{}")
    files.write_manifest(folder, {"step": 7})
    return folder


def test_a_whole_folder_verifies(tmp_path: Path) -> None:
    manifest = files.verify_manifest(manifest_folder(tmp_path))
    assert manifest["step"] == 7
    assert sorted(manifest["files"]) == ["inner/manifest.json", "weights"]


def test_every_flipped_bit_is_found(tmp_path: Path) -> None:
    folder = manifest_folder(tmp_path)
    clean = (folder / "weights").read_bytes()
    generator = random.Random(1)
    for _ in range(1000):
        damaged = bytearray(clean)
        damaged[generator.randrange(len(clean))] ^= 1 << generator.randrange(8)
        (folder / "weights").write_bytes(damaged)
        with pytest.raises(CheckpointError, match="weights: content differs"):
            files.verify_manifest(folder)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: data[:100] + bytes(400) + data[500:],
        lambda data: b"",
    ],
)
def test_cut_padded_and_holed_files_are_found(tmp_path: Path, damage: Any) -> None:
    folder = manifest_folder(tmp_path)
    (folder / "weights").write_bytes(damage((folder / "weights").read_bytes()))
    with pytest.raises(CheckpointError, match="weights: content differs"):
        files.verify_manifest(folder)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    folder = manifest_folder(tmp_path)
    (folder / "weights").unlink()
    with pytest.raises(CheckpointError, match="weights: cannot be read"):
        files.verify_manifest(folder)


@pytest.mark.parametrize(
    "manifest",
    [
        "",
        "[]",
        "{}",
        '{"files": 3}',
        '{"files": {"a": 3}}',
        '{"files": {"a": {}}}',
        '{"files": {"../a": {"bytes": 1, "sha256": "x"}}}',
        '{"files": {"\\ud800": {"bytes": 1, "sha256": "x"}}}',
        json.dumps({"files": {"x" * 300: {"bytes": 1, "sha256": "x"}}}),
        '{"files": {".": {"bytes": 4096, "sha256": "x"}}}',
    ],
)
def test_a_manifest_that_makes_no_sense_is_a_checkpoint_error(tmp_path: Path, manifest: str) -> None:
    (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(CheckpointError):
        files.verify_manifest(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "/etc/passwd",
        "../a",
        "a/../../b",
        "a/..",
        "..\\a",
        "a\\b",
        "a\0b",
        "a\nb",
        "link/x",
        "loop/x",
        "\ud800",
    ]
    + ["x" * 256, "a/" + "é" * 128],
)
def test_names_that_leave_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    (root / "loop").symlink_to(root / "loop")
    with pytest.raises(DataError):
        files.inside(root, name)


@pytest.mark.parametrize("name", ["a", "a/b c.png", "ü/\u3000x\u202fy.png", "..a/b..", "a//b", "./a", "-rf"])
def test_odd_but_plain_names_are_accepted(tmp_path: Path, name: str) -> None:
    assert files.inside(tmp_path, name).relative_to(tmp_path)


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(), max_size=20) | st.text("./\\a \0", max_size=12))
def test_no_name_leaves_the_folder(name: str) -> None:
    root = Path("/nowhere/root")
    try:
        path = files.inside(root, name)
    except DataError:
        return
    assert path.resolve().is_relative_to(root)
    assert path.resolve() != root


def test_numbers_in_names_sort_by_value() -> None:
    names = ["10", "9", "frame10", "frame2", "frame02", "a", "²", "frame2b", "", "١", "1" * 5000]
    assert sorted(names, key=files.natural_key) == [
        "",
        "9",
        "10",
        "1" * 5000,
        "a",
        "frame02",
        "frame2",
        "frame2b",
        "frame10",
        "²",
        "١",
    ]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(), max_size=6))
def test_any_names_can_be_sorted(names: list[str]) -> None:
    assert sorted(sorted(names, key=files.natural_key)) == sorted(names)


def test_an_output_folder_is_made_once(tmp_path: Path) -> None:
    out = files.claim_output(tmp_path / "a" / "b")
    assert list(out.iterdir()) == []
    files.claim_output(out)
    (out / "x").write_text("")
    with pytest.raises(UsageError, match="exists and is not empty"):
        files.claim_output(out)
    assert files.claim_output(out, resume=True) == out
    with pytest.raises(UsageError, match="is a file"):
        files.claim_output(out / "x")
    with pytest.raises(ResourceError, match="cannot be written"):
        files.claim_output(Path("/proc/nowhere"))


def test_too_little_space_is_told_in_numbers(tmp_path: Path) -> None:
    files.require_space(tmp_path / "not" / "yet", 1)
    with pytest.raises(ResourceError, match=r"1,073,741,824\.0 MiB needed, [0-9,.]+ MiB free"):
        files.require_space(tmp_path, 1 << 50)


def test_printable_keeps_languages_and_drops_escapes() -> None:
    assert files.printable("a\x1b[31m ü\u3000日\u202e\udcff") == "a?[31m ü\u3000日??"


def test_a_packaged_file_is_found_by_name_and_an_own_file_by_path(tmp_path: Path) -> None:
    own = tmp_path / "mine.yaml"
    own.write_text("")
    assert own_or_package_file("configs", str(own), ".yaml") == own
    with pytest.raises(UsageError, match="no such file, and not one of"):
        package_file("configs", "nowhere", ".yaml")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e-4", 1e-4),
        ("-2.5E+3", -2500.0),
        (".5", 0.5),
        ("12", 12),
        ("no", "no"),
        ("0001", "0001"),
        ("12:30", "12:30"),
        ("2020-13-45", "2020-13-45"),
        ("~", None),
        ("", None),
        ("True", True),
        ("0x10", "0x10"),
        ("\ufeff3", 3),
    ],
)
def test_each_spelling_has_one_meaning(text: str, expected: Any) -> None:
    value = files.parse_yaml(text, "x")
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\na: 2", "f:2: not valid YAML: key 'a' is written twice"),
        ("x: 0\na: !!python/object/apply:os.system [ls]", "f:2: not valid YAML: tags"),
        ("a: &x 1\nb: *x", "f:2: not valid YAML: aliases"),
        ("- 1\n- [", "f:2: not valid YAML"),
        ("? [1]\n: 2", "f:1: not valid YAML: a key must be"),
        ("a: \x07", "f: not valid YAML"),
        ("1" * 5000, "f: not valid YAML"),
        ("[" * 100_000, "more than 30 levels"),
        ("[" + "a," * 60_000 + "]", "50000 values"),
        ("a: 1\n---\nb: 2", "f:2: not valid YAML"),
    ],
)
def test_what_a_plain_config_never_holds_is_refused_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        files.parse_yaml(text, "f")
    assert problem in str(caught.value)


def test_a_missing_config_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        files.read_yaml(tmp_path / "none.yaml")


@settings(max_examples=300, deadline=None)
@given(st.text() | st.text("[]{}:,-&*!|>'\"%@`#?\n \tax1.e~", max_size=60))
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        files.parse_yaml(text, "f")
    except LumdeError as error:
        assert str(error).startswith("f")


def test_a_reader_needs_little_memory_for_a_bomb() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10)
    )
    with pytest.raises(ConfigError, match="aliases"):
        files.parse_yaml(bomb, "f")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kB
