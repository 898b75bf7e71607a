"""The program `lumde`: one file per verb, imported only when its verb is chosen.

Results go to stdout, talk to stderr. An error is one message and an exit code; `--debug` adds the traceback.
"""

import argparse
import ast
import importlib
import os
import select
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, NoReturn

from lumde import __version__
from lumde.errors import FAULTS, UsageError, understood

VERBS = ("demo", "prepare", "train", "evaluate", "predict", "adapt", "compare", "convert", "list")
CTRL_C, CLOSED_PIPE, SIGTERM = 130, 141, 143  # the shell's codes: 128 + signal


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and answer its exit code.

    0 ok, 2 usage or config, 3 data, 4 checkpoint, 5 numerics gave up, 6 resources, 130 Ctrl-C, 143 SIGTERM.
    """
    arguments = tuple(sys.argv[1:] if argv is None else argv)  # `list` is a verb's module in here
    debug = "--debug" in arguments
    try:
        with _sigterm_as_exit():
            code = _dispatch(tuple(a for a in arguments if a != "--debug"))
            sys.stdout.flush()  # a closed pipe must show here, not in the interpreter's exit
            return code
    except KeyboardInterrupt as error:
        return _report(error, CTRL_C, debug, "interrupted")
    except BrokenPipeError as error:
        if not _reader_left():
            raise
        return _report(error, CLOSED_PIPE, debug, "")
    except FAULTS as error:
        if (known := understood(error)) is None:
            raise
        return _report(error, known.exit_code, debug, str(known))


def parser_of(verb: str) -> tuple[argparse.ArgumentParser, ModuleType]:
    """Import a verb's module and build its parser; help text = module docstring + EXAMPLE."""
    module = importlib.import_module(f"lumde.cli.{verb}")
    parser = _Parser(
        prog=f"lumde {verb}",
        description=module.__doc__,
        epilog=f"example:\n  {module.EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.add_arguments(parser)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser, module


def help_text() -> str:
    """The front page: every verb with the first line of its file, read without importing it."""
    lines = [f"  {verb:10}{_summary(verb)}" for verb in VERBS]
    return "\n".join(
        [
            "usage: lumde VERB ...   (lumde VERB --help: options and an example)",
            "",
            "Depth from ordinary video, in networks light enough for a robot.",
            "",
            *lines,
            "",
            "  --version   tell the version",
            "  --debug     show the traceback of an error",
            "",
            "start with: lumde demo --out demo",
        ]
    )


def _dispatch(arguments: Sequence[str]) -> int:
    if not arguments:
        raise UsageError(f"a verb is needed\n{help_text()}")
    verb, rest = arguments[0], arguments[1:]
    if verb in ("-h", "--help", "help"):
        print(help_text())
        return 0
    if verb == "--version":
        print(f"lumde {__version__}")
        return 0
    if verb not in VERBS:
        from lumde.config import nearest

        raise UsageError(f"unknown verb '{verb}'{nearest(verb, VERBS)}")
    parser, module = parser_of(verb)
    args = parsed(parser, rest)
    if getattr(args, "json", None):
        from lumde.files import claim_file

        claim_file(args.json)  # now, and not after hours of work
    module.run(args)
    return 0


def parsed(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """Parse with options and positionals in any order: `train FILE a.b=1 --out RUN c.d=2`."""
    args, unknown = parser.parse_known_intermixed_args(arguments)
    if unknown:
        from lumde.config import nearest

        known = [option for action in parser._actions for option in action.option_strings]
        word = unknown[0].partition("=")[0]
        hint = nearest(word, known) if word.startswith("-") else ""
        raise UsageError(f"{parser.prog}: unknown argument '{unknown[0]}'{hint}")
    return args


class _Parser(argparse.ArgumentParser):
    """argparse whose complaints are ours: one message, exit code 2."""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Answer a wrong choice with the nearest right one."""
        if action.choices is not None and value not in action.choices:
            from lumde.config import nearest

            known = [str(choice) for choice in action.choices]
            raise argparse.ArgumentError(action, f"unknown '{value}'{nearest(str(value), known)}")

    def error(self, message: str) -> NoReturn:
        """Turn a complaint into a UsageError that names the verb's help."""
        raise UsageError(f"{self.prog}: {message} (see {self.prog} --help)")


def _summary(verb: str) -> str:
    source = Path(__file__).with_name(f"{verb}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]


def _report(error: BaseException, code: int, debug: bool, message: str) -> int:
    """Tell an error on stderr in one message, without the control characters a file name may hold."""
    if debug:
        traceback.print_exception(error)
    lines = message.splitlines()
    if lines:
        from lumde.files import printable

        print("lumde: error: " + "\n".join(map(printable, lines)), file=sys.stderr)
    return code


def _reader_left() -> bool:
    """Whether stdout's reader is gone (`lumde list nets | head -1`); if so, point stdout at nothing.

    A BrokenPipeError may also mean a worker process that died: that one is not ours to hide.
    """
    stdout = sys.stdout.fileno()
    poll = select.poll()
    poll.register(stdout, 0)  # errors only
    left = bool(poll.poll(0))
    if left:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout)
    return left


@contextmanager
def _sigterm_as_exit() -> Iterator[None]:
    """Let SIGTERM unwind the stack with exit code 143, so that half-written files are removed on the way."""

    def leave(_number: int, _frame: FrameType | None) -> NoReturn:
        sys.exit(SIGTERM)

    try:
        before = signal.signal(signal.SIGTERM, leave)
    except ValueError:  # not the main thread: whoever embeds us owns the signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
