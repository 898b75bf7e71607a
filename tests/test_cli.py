"""The program's face: verbs, flags, exit codes, one message per error."""

import argparse
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lumde import __version__, cli, errors
from lumde.cli import list as list_verb

FLAGS = {  # contract: a new flag is a decision, not a habit; other knobs are config keys
    "demo": "--out --quick --seed --json",
    "prepare": "SOURCE --out --camera --focal --fov --fps --size --json",
    "train": "CONFIG key.path=value --out --resume --json",
    "evaluate": "MODEL --predictions --predictions-are --data --root --split --frames --align --flip --json"
    " --option --assume-metres --trivial-split --trivial-frames",
    "predict": "SOURCE --out --model --save --camera --focal --fov --resume",
    "adapt": "SOURCE --minutes --out --model --camera --focal --fov --fps --json",
    "compare": "STUDY.yaml key=value --out --resume --json",
    "convert": "FOREIGN --out",
    "list": "table --json",
}


def flags(parser: argparse.ArgumentParser) -> set[str]:
    actions = [a for a in parser._actions if not isinstance(a, argparse._HelpAction)]
    names = {a.option_strings[-1] if a.option_strings else str(a.metavar or a.dest) for a in actions}
    return names - {"--debug"}


@pytest.mark.parametrize("verb", cli.VERBS)
def test_the_flags_of_a_verb_are_frozen(verb: str) -> None:
    parser, _ = cli.parser_of(verb)
    assert flags(parser) == set(FLAGS[verb].split())


def run(arguments: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lumde", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )


def test_help_names_every_verb_and_loads_nothing_heavy() -> None:
    code = (
        "import sys; from lumde import cli; cli.main(['--help']); "
        "print('loaded:', *(name for name in ('torch', 'numpy', 'PIL', 'av') if name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert all(f"\n  {verb} " in done.stdout for verb in cli.VERBS)
    assert done.stdout.endswith("loaded:\n")


@pytest.mark.parametrize("verb", cli.VERBS)
def test_the_help_of_a_verb_has_an_example_and_needs_no_torch(verb: str) -> None:
    code = (
        "import sys; from lumde.cli import parser_of; parser_of(sys.argv[1]); print('torch' in sys.modules)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, verb], capture_output=True, text=True, timeout=60, check=True
    )
    assert told.stdout.strip() == "False"
    parser, module = cli.parser_of(verb)
    assert f"example:\n  {module.EXAMPLE}" in parser.format_help()
    assert module.__doc__.partition("\n")[0] in cli.help_text()


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"lumde {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "a verb is needed"),
        (["trian"], "unknown verb 'trian'; did you mean 'train'?"),
        (["list"], "lumde list: the following arguments are required: table"),
        (["list", "metods"], "unknown 'metods'; did you mean 'methods'?"),
        (["list", "nets", "--jsn", "x"], "unknown argument '--jsn'; did you mean '--json'?"),
        (["list", "nets", "--js", "x"], "unknown argument '--js'; did you mean '--json'?"),
        (["list", "nets", "more"], "unknown argument 'more'"),
        (["list", "nets", "--json"], "argument --json: expected one argument"),
        (["train", "nowhere"], "nowhere: no such file, and not one of:"),
        (["--out", "x"], "unknown verb '--out'"),
        (["li\x1b[31mst"], "unknown verb 'li?[31mst'"),
    ],
)
def test_wrong_usage_is_one_message_and_exit_2(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2
    told = capsys.readouterr()
    assert told.err.startswith("lumde: error: ")
    assert expected in told.err
    assert "Traceback" not in told.err
    assert told.out == ""


def test_where_a_result_cannot_be_written_is_told_before_the_work(tmp_path: Path, capsys) -> None:
    (tmp_path / "file").write_text("")
    arguments = ["train", "demo_teacher", "--out", str(tmp_path / "run"), "--json"]
    assert cli.main([*arguments, str(tmp_path / "file" / "x.json")]) == 6
    assert cli.main([*arguments, str(tmp_path)]) == 6
    assert "is a folder" in capsys.readouterr().err and not (tmp_path / "run").exists()
    assert cli.main(["list", "nets", "--json", str(tmp_path / "new" / "x.json")]) == 0
    assert (tmp_path / "new" / "x.json").is_file()


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(_args: argparse.Namespace) -> None:
        raise error

    parser = argparse.ArgumentParser()
    monkeypatch.setattr(cli, "parser_of", lambda verb: (parser, SimpleNamespace(run=fail)))


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (errors.DataError("a.png: cut short"), 3, "a.png: cut short"),
        (errors.CheckpointError("m: damaged"), 4, "m: damaged"),
        (errors.NumericsError("loss"), 5, "loss"),
        (errors.ResourceError("disk"), 6, "disk"),
        (errors.Interrupted("saved at step 3", 143), 143, "saved at step 3"),
        (errors.ConfigError("a: one\nb: two\x07"), 2, "a: one\nb: two?"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (FileNotFoundError(2, "No such file or directory", "x.png"), 3, "x.png: No such file or directory"),
        (PermissionError(13, "Permission denied", "x"), 6, "x: Permission denied"),
        (OSError(28, "No space left on device"), 6, "No space left on device"),
        (MemoryError(), 6, "out of memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), 6, "CUDA out of memory; use"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), 6, "out of memory; use"),
        (
            RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."),
            6,
            "a data worker was killed",
        ),
    ],
)
def test_each_error_has_its_exit_code_and_one_message(
    error: BaseException,
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    raising(monkeypatch, error)
    assert cli.main(["list"]) == code
    told = capsys.readouterr().err
    assert told.startswith(f"lumde: error: {message}")
    assert "Traceback" not in told


def test_debug_shows_the_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, errors.DataError("a.png: cut short"))
    assert cli.main(["list", "--debug"]) == 3
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert told.endswith("lumde: error: a.png: cut short\n")


@pytest.mark.parametrize("error", [ZeroDivisionError(), RuntimeError("shapes differ")])
def test_a_mistake_of_ours_is_not_hidden(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, error)
    with pytest.raises(type(error)):
        cli.main(["list"])


def test_a_broken_pipe_that_is_not_stdout_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, BrokenPipeError())
    with pytest.raises(BrokenPipeError):
        cli.main(["list"])


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_leaves_early_is_no_error_message(unbuffered: str) -> None:
    read, write = os.pipe()
    os.close(read)
    env = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(
        [sys.executable, "-m", "lumde", "--help"],
        stdout=write,
        env=env,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def test_sigterm_unwinds_and_exits_with_143(tmp_path: Path) -> None:
    code = f"""
import argparse, time, types
from pathlib import Path
from lumde import cli
def run(args):
    try:
        print("ready", flush=True)
        time.sleep(30)
    finally:
        Path({str(tmp_path / "cleaned")!r}).touch()
cli.parser_of = lambda verb: (argparse.ArgumentParser(), types.SimpleNamespace(run=run))
raise SystemExit(cli.main(["list"]))
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 143
    process.stdout.close()
    assert (tmp_path / "cleaned").exists()


def test_the_signal_handler_is_given_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    cli.main(["--version"])
    assert signal.getsignal(signal.SIGTERM) is before


def test_options_and_overrides_may_mix() -> None:
    parser, _ = cli.parser_of("train")
    args = cli.parsed(parser, ["c.yaml", "a.b=1", "--out", "RUN", "c.d=-2", "--resume"])
    assert (args.config, args.overrides, args.out, args.resume) == (
        "c.yaml",
        ["a.b=1", "c.d=-2"],
        Path("RUN"),
        True,
    )


@pytest.mark.parametrize("kind", list_verb.KINDS)
def test_list_prints_every_part_of_a_table(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["list", kind, "--json", str(tmp_path / "rows.json")]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert len(lines) == len(rows) + 1
    last = "abs_rel rooms-v1" if kind == "models" else "what it does"
    column = lines[0].index(last)
    for line, row in zip(lines[1:], rows, strict=True):
        assert row["name"] in line
        assert row[last]
        assert line[column:].startswith(row[last])
