"""Typed configs: every problem is told at once, with its dotted path and the nearest spelling."""

import random
import string
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumde.config import dump, load, nearest, parse, to_dict
from lumde.errors import ConfigError
from lumde.files import parse_yaml
from lumde.registry import Named, choice


class Plain:
    """A part."""

    @dataclass(kw_only=True)
    class Config(Named):
        main_weight: float = 1.0
        root: str = ""


class Deep:
    """A part that holds a part."""

    @dataclass(kw_only=True)
    class Config(Named):
        inner: Named | None = choice({"plain": Plain}, default=None)
        steps: int = 3

        def __post_init__(self) -> None:
            if self.steps < 1:
                raise ValueError(f"steps: at least 1 needed, found {self.steps}")


PARTS = {"plain": Plain, "deep": Deep}


@dataclass(kw_only=True)
class Optimizer:
    lr: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)
    schedule: Literal["cosine", "step"] = "cosine"


@dataclass(kw_only=True)
class Root:
    method: Named = choice(PARTS)
    optimizer: Optimizer = field(default_factory=Optimizer)
    phases: dict[str, Optimizer] = field(default_factory=dict)
    offsets: tuple[int, ...] = (-1, 1)
    out: Path | None = None
    limit: int | Literal["all"] = "all"
    quick: bool = False
    seed: int


GOOD: dict[str, Any] = {"method": {"name": "plain"}, "seed": 1}


def problem(**changes: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        parse({**GOOD, **changes}, Root)
    return str(caught.value)


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_values_arrive_with_their_types() -> None:
    config = parse(
        {
            "method": {"name": "deep", "inner": {"name": "plain", "main_weight": 2}},
            "optimizer": {"lr": 1, "betas": [0, 1]},
            "phases": {"critic": {"lr": 0.5}},
            "offsets": [-3, 3, 5],
            "out": "runs/x",
            "limit": 7,
            "seed": 5,
        },
        Root,
    )
    assert isinstance(config.method, Deep.Config)
    assert config.method.inner.main_weight == 2.0
    assert (config.optimizer.lr, config.optimizer.betas) == (1.0, (0.0, 1.0))
    assert type(config.optimizer.lr) is float
    assert config.phases == {"critic": Optimizer(lr=0.5)}
    assert (config.offsets, config.out, config.limit) == ((-3, 3, 5), Path("runs/x"), 7)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"sede": 3}, "sede: unknown key for Root; did you mean 'seed'?"),
        (
            {"method": {"name": "plain", "main_wieght": 1}},
            "method.main_wieght: unknown key for Plain.Config; did you mean 'main_weight'?",
        ),
        ({"method": {"name": "plian"}}, "method.name: unknown 'plian'; did you mean 'plain'?"),
        ({"method": {}}, "method: needs a 'name', one of deep, plain"),
        ({"method": "plain"}, "method: needs a 'name', one of deep, plain"),
        ({"method": {"name": "deep", "steps": 0}}, "method: steps: at least 1 needed, found 0"),
        ({"optimizer": {"lr": "fast"}}, "optimizer.lr: expected a finite number, found 'fast'"),
        ({"optimizer": {"lr": float("nan")}}, "optimizer.lr: expected a finite number, found nan"),
        ({"optimizer": {"lr": 10**400}}, "optimizer.lr: expected a finite number, found 1000"),
        ({"optimizer": {"lr": True}}, "optimizer.lr: expected a finite number, found True"),
        ({"optimizer": {"betas": [1, 2, 3]}}, "optimizer.betas: expected 2 values, found 3"),
        ({"optimizer": {"betas": [1, "x"]}}, "optimizer.betas[1]: expected a finite number, found 'x'"),
        (
            {"optimizer": {"schedule": "cosin"}},
            "expected one of 'cosine', 'step', found 'cosin'; did you mean 'cosine'?",
        ),
        ({"optimizer": [1]}, "optimizer: expected keys of Optimizer, found [1]"),
        (
            {"phases": {"critic": {"rl": 1}}},
            "phases.critic.rl: unknown key for Optimizer; did you mean 'lr'?",
        ),
        ({"seed": 1.0}, "seed: expected a whole number, found 1.0"),
        ({"seed": True}, "seed: expected a whole number, found True"),
        ({"seed": None}, "seed: expected a whole number, found None"),
        ({"offsets": 3}, "offsets: expected a list of a whole number, found 3"),
        ({"limit": "most"}, "limit: expected a whole number or one of 'all', found 'most'"),
        ({"quick": "no"}, "quick: expected true or false, found 'no'"),
        (
            {"method": {"name": "plain", "root": 3}},
            "method.root: expected a text, found 3 (write it in quotes)",
        ),
        ({3: 4}, "3: unknown key for Root"),
    ],
)
def test_a_mistake_is_named_with_its_place(changes: dict[Any, Any], expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse({**GOOD, **changes}, Root)
    assert expected in str(caught.value)


def test_all_problems_are_told_at_once_also_those_of_ranges() -> None:
    text = problem(seed="x", quick=1, method={"name": "deep", "steps": -1}, optimizer={"lr": "a", "lrr": 2})
    assert len(text.splitlines()) == 5
    assert "method: steps: at least 1" in text


def test_a_missing_key_is_named() -> None:
    with pytest.raises(ConfigError, match="seed: missing, Root needs it"):
        parse({"method": {"name": "plain"}}, Root)


def test_overrides_reach_nested_keys_and_read_numbers_as_yaml(tmp_path: Path) -> None:
    path = write(tmp_path / "a.yaml", "method: {name: plain}\nseed: 1\n")
    config = load(path, Root, ["optimizer.lr=1e-5", "method.main_weight=0", "offsets=[-2, 2]", "out=x/y"])
    assert (config.optimizer.lr, config.method.main_weight) == (1e-5, 0.0)
    assert (config.offsets, config.out) == ((-2, 2), Path("x/y"))
    assert load(path, Root, ["out="]).out == Path()  # the empty text, which is not null


def test_another_part_drops_the_old_parts_keys_whatever_the_order(tmp_path: Path) -> None:
    path = write(tmp_path / "a.yaml", "method: {name: plain, main_weight: 3}\nseed: 1\n")
    overrides = [
        "method.inner.main_weight=4",
        "method.inner.name=plain",
        "method.steps=9",
        "method.name=deep",
    ]
    config = load(path, Root, overrides)
    assert (config.method.steps, config.method.inner.main_weight) == (9, 4.0)


@pytest.mark.parametrize("override", ["seed", "=3", "a..b=3", ".a=3", "seed=[1", "seed.x=3", "seed=*a"])
def test_a_broken_override_is_quoted_back(tmp_path: Path, override: str) -> None:
    path = write(tmp_path / "a.yaml", "method: {name: plain}\nseed: 1\n")
    with pytest.raises(ConfigError) as caught:
        load(path, Root, [override])
    assert override in str(caught.value)


def test_base_lies_below_and_another_part_replaces_it_whole(tmp_path: Path) -> None:
    write(tmp_path / "base.yaml", "method: {name: plain, main_weight: 3}\nseed: 1\noptimizer: {lr: 0.5}\n")
    same = load(write(tmp_path / "same.yaml", "base: base.yaml\nmethod: {root: here}\n"), Root)
    assert (same.method.main_weight, same.method.root, same.optimizer.lr) == (3.0, "here", 0.5)
    other = load(write(tmp_path / "other.yaml", "base: base.yaml\nmethod: {name: deep}\n"), Root)
    assert other.method == Deep.Config(name="deep")


@pytest.mark.parametrize(
    "base", ["../x.yaml", "/etc/passwd", "3", "[a]", "base2.yaml", "none.yaml", '"a\\0b"']
)
def test_a_base_that_leaves_the_folder_or_is_no_base_is_refused(tmp_path: Path, base: str) -> None:
    write(tmp_path / "base2.yaml", "base: base3.yaml\n")
    with pytest.raises(ConfigError):
        load(write(tmp_path / "a.yaml", f"base: {base}\nseed: 1\n"), Root)


def test_an_empty_file_is_called_empty(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="found an empty file"):
        load(write(tmp_path / "a.yaml", "# nothing\n"), Root)


def test_typos_of_one_edit_find_the_right_word() -> None:
    known = [
        "main_weight",
        "pairwise_weight",
        "holistic_weight",
        "learning_rate",
        "batch",
        "workers",
        "height",
    ]
    known += ["width", "min_depth", "max_depth", "precision", "every_steps", "minutes", "teacher", "student"]
    generator, right, tries = random.Random(0), 0, 300
    for _ in range(tries):
        word = generator.choice(known)
        at = generator.randrange(len(word))
        letter = generator.choice(string.ascii_lowercase)
        typo = generator.choice(
            [word[:at] + word[at + 1 :], word[:at] + letter + word[at:], word[:at] + letter + word[at + 1 :]]
        )
        right += nearest(typo, known) == f"; did you mean '{word}'?"
    assert right >= 0.97 * tries


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    [
        "no",
        "1e4",
        "0001",
        "12:30",
        "2020-01-01",
        "~",
        "null",
        "true",
        ".nan",
        "",
        "0x1f",
        "1_0",
        "=",
        "<<",
        "*a",
        "1.",
        "+.5",
    ]
)


@settings(max_examples=150, deadline=None)
@given(
    root=texts,
    lr=st.floats(allow_nan=False, allow_infinity=False),
    offsets=st.lists(st.integers()),
    key=texts,
)
def test_a_config_survives_dump_and_parse(root: str, lr: float, offsets: list[int], key: str) -> None:
    config = Root(
        method=Plain.Config(name="plain", root=root),
        optimizer=Optimizer(lr=lr),
        phases={key: Optimizer()},
        offsets=tuple(offsets),
        seed=2,
    )
    assert parse(parse_yaml(dump(config), "dump"), Root) == config


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts | st.integers(), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(["method", "optimizer", "phases", "offsets", "out", "limit", "quick", "seed", "name"])


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(keys, values | st.dictionaries(st.sampled_from(["name", "lr", "betas", "steps"]), values))
)
def test_whatever_is_given_ends_as_a_config_or_a_config_error(given_values: dict[str, Any]) -> None:
    try:
        config = parse(given_values, Root)
    except ConfigError as error:
        assert len(str(error)) < 5000
    else:
        assert parse(to_dict(config), Root) == config
