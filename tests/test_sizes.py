"""Files, functions and signatures stay small; what does not is named here with its reason."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILE_LINES, FUNCTION_LINES, ARGUMENTS = 300, 60, 7
EXCEPTIONS: dict[str, str] = {}  # "lumde/room/file.py" or "lumde/room/file.py:function" -> reason


def functions(
    tree: ast.AST, prefix: str = ""
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + node.name, node
        name = f"{prefix}{node.name}." if isinstance(node, ast.ClassDef | ast.FunctionDef) else prefix
        yield from functions(node, name)


def count_arguments(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    names = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    return len([name for name in names if name not in ("self", "cls")])


def too_large(name: str, text: str) -> Iterator[tuple[str, str]]:
    """Answer (key, what is too large) for one file."""
    lines = len(text.splitlines())
    if lines > FILE_LINES:
        yield name, f"{lines} lines"
    for function, node in functions(ast.parse(text)):
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        if length > FUNCTION_LINES:
            yield f"{name}:{function}", f"{length} lines"
        if count_arguments(node) > ARGUMENTS:
            yield f"{name}:{function}", f"{count_arguments(node)} arguments"


def found() -> dict[str, str]:
    paths = sorted((ROOT / "lumde").rglob("*.py"))
    return dict(
        pair
        for path in paths
        for pair in too_large(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
    )


def test_nothing_is_too_large_without_a_reason() -> None:
    large = found()
    for name, size in large.items():
        print(f"{name}: {size} ({EXCEPTIONS.get(name, 'no reason given')})")
    assert sorted(set(large) - set(EXCEPTIONS)) == []


def test_exceptions_that_shrank_are_struck_off() -> None:
    assert sorted(set(EXCEPTIONS) - set(found())) == []


def test_large_things_are_seen() -> None:
    body = "    x = 1\n" * 60
    text = f"class A:\n  def long(self):\n{body}\ndef wide(a, b, c, d, *, e, f, g, h): pass\n" + "\n" * 300
    assert [key for key, _ in too_large("f", text)] == ["f", "f:A.long", "f:wide"]
