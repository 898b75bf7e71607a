"""Rooms import downwards only, without cycles; nothing in the package executes or unpickles what it reads."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "lumde"
ROWS = (  # a room may import rooms of earlier rows; never of its own row, never of a later one
    ("errors",),
    ("lock", "strict_yaml"),
    ("files", "packaged", "progress", "registry"),
    ("config",),  # reads through files
    ("structures",),
    ("geometry", "media", "pictures"),
    ("nets", "losses", "metrics", "worlds"),
    ("models",),
    ("teachers", "data"),
    ("methods", "evaluators", "exporters", "report"),
    ("engine",),
    ("jobs",),
    ("cli",),
)
LEVEL = {room: level for level, row in enumerate(ROWS) for room in row}
FRONT_DOORS = ("__init__", "__main__")  # of the package itself: hand on `load` and the program
VAGUE = ("utils", "util", "common", "misc", "helpers")
UNPICKLERS = ("pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "cv2")
EXECUTORS = ("eval", "exec", "compile", "__import__")
BY_STRING = ("importlib.import_module", "os.system", "os.popen", "yaml.unsafe_load", "yaml.full_load")
LOADERS = ("torch.jit.load", "torch.export.load", "torch.hub.load", "runpy.run_path", "runpy.run_module")
ALLOWED = {  # file -> calls that are its task
    "cli/__init__.py": ("importlib.import_module",),  # imports a verb of its own fixed table
    "strict_yaml.py": ("yaml.load",),  # with its own SafeLoader
    "nets/weights_child.py": (
        "torch.load",
        "pickle",
    ),  # weights_only=True in a limited child; names its error
}

Source = tuple[str, ast.Module]


def read(folder: Path) -> list[Source]:
    return [
        (path.relative_to(folder).as_posix(), ast.parse(path.read_text(encoding="utf-8")))
        for path in sorted(folder.rglob("*.py"))
    ]


def room_of(name: str) -> str:
    return name.removesuffix(".py").split("/")[0]


def imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every imported module of the package, by dotted name, imports inside functions included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)


def upward(sources: list[Source]) -> list[str]:
    found = []
    for name, tree in sources:
        room = room_of(name)
        if room in FRONT_DOORS:
            continue
        for line, target in imports(tree):
            parts = target.split(".")
            if parts[0] != "lumde" or parts[1:] in ([], ["__version__"]) or parts[1] == room:
                continue
            if LEVEL[parts[1]] >= LEVEL[room]:
                found.append(f"{name}:{line}: {room} imports {target}")
    return found


def calls(tree: ast.Module) -> Iterator[tuple[ast.Call, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node, ast.unparse(node.func)


def has_keyword(call: ast.Call, name: str, value: bool) -> bool:
    return any(
        k.arg == name and isinstance(k.value, ast.Constant) and k.value.value is value for k in call.keywords
    )


def dangerous(sources: list[Source]) -> list[str]:
    found = []
    for name, tree in sources:
        allowed = ALLOWED.get(name, ())
        for line, target in imports(tree):
            unpickler = target.split(".")[0] in UNPICKLERS and target not in allowed
            if unpickler or target == "importlib.import_module":
                found.append(f"{name}:{line}: imports {target}")
        for call, target in calls(tree):
            unsafe = target in (*EXECUTORS, *BY_STRING, *LOADERS, "yaml.load") and target not in allowed
            unsafe |= target.split(".")[0] in UNPICKLERS
            unsafe |= target == "torch.load" and not (
                target in allowed and has_keyword(call, "weights_only", True)
            )
            unsafe |= has_keyword(call, "shell", True) or has_keyword(call, "allow_pickle", True)
            unsafe |= has_keyword(call, "weights_only", False)
            if unsafe:
                found.append(f"{name}:{call.lineno}: calls {target}")
        for node in ast.walk(tree):
            if isinstance(node, ast.ExceptHandler) and (
                node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")
            ):
                found.append(f"{name}:{node.lineno}: catches everything")
    return found


def module_graph(sources: list[Source]) -> dict[str, set[str]]:
    modules = {
        "lumde." + name.removesuffix(".py").removesuffix("/__init__").replace("/", "."): tree
        for name, tree in sources
    }
    graph: dict[str, set[str]] = {}
    for module, tree in modules.items():
        targets = [target for _, target in imports(tree)]
        reached = {target if target in modules else target.rpartition(".")[0] for target in targets}
        graph[module] = (reached & set(modules)) - {module}
    return graph


def test_rooms_import_downwards_only() -> None:
    assert upward(read(PACKAGE)) == []


def test_every_file_belongs_to_a_room_of_the_table() -> None:
    rooms = {room_of(name) for name, _ in read(PACKAGE)} - set(FRONT_DOORS)
    assert rooms <= set(LEVEL)


def test_no_two_files_need_each_other() -> None:
    try:
        TopologicalSorter(module_graph(read(PACKAGE))).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_every_name_says_what_is_inside() -> None:
    assert [name for name, _ in read(PACKAGE) if set(name.removesuffix(".py").split("/")) & set(VAGUE)] == []


def test_nothing_read_is_executed() -> None:
    assert dangerous(read(PACKAGE)) == []


def test_exceptions_to_the_rules_still_exist() -> None:
    names = {name for name, _ in read(PACKAGE)}
    assert set(ALLOWED) <= names


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from importlib import import_module",
        "import importlib\nimportlib.import_module('x')",
        "eval('1')",
        "pickle.loads(b'')",
        "import subprocess\nsubprocess.run('ls', shell=True)",
        "import torch\ntorch.load('x', weights_only=True)",
        "import numpy as np\nnp.load('x', allow_pickle=True)",
        "import yaml\nyaml.load('x', yaml.SafeLoader)",
        "try: pass\nexcept Exception: pass",
        "try: pass\nexcept: pass",
    ],
)
def test_each_danger_is_seen(text: str) -> None:
    assert dangerous([("losses/x.py", ast.parse(text))])


@pytest.mark.parametrize(
    "text", ["from lumde.nets import base", "import lumde.metrics.depth", "from lumde.engine import run"]
)
def test_an_import_sideways_or_upwards_is_seen(text: str) -> None:
    assert upward([("losses/x.py", ast.parse(f"def f():\n    {text}"))])


def test_a_cycle_is_seen() -> None:
    sources = [
        ("nets/a.py", ast.parse("from lumde.nets import b")),
        ("nets/b.py", ast.parse("from lumde.nets.a import x")),
    ]
    with pytest.raises(CycleError):
        TopologicalSorter(module_graph(sources)).prepare()
