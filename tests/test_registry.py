"""Parts are picked by name from explicit tables."""

from dataclasses import dataclass, fields

from lumde.registry import Named, build, choice, describe


class Part:
    """Do one thing.

    More words that the glance leaves out.
    """

    gives = ("depth", "features")
    source = "A. Author 2020"

    @dataclass(kw_only=True)
    class Config(Named):
        size: int = 3

    def __init__(self, config: Named, *parts: object) -> None:
        self.config, self.parts = config, parts


class Bare:
    pass


def test_build_hands_config_and_parts_on() -> None:
    config = Part.Config(name="part", size=5)
    part = build({"part": Part}, config, "a", 2)
    assert (part.config, part.parts) == (config, ("a", 2))


def test_describe_tells_name_columns_and_first_line() -> None:
    assert describe({"part": Part}, ("gives", "source")) == [
        {
            "name": "part",
            "gives": "depth, features",
            "source": "A. Author 2020",
            "what it does": "Do one thing.",
        }
    ]


def test_describe_leaves_blank_what_a_part_does_not_say() -> None:
    assert describe({"bare": Bare}, ("gives",)) == [{"name": "bare", "gives": "", "what it does": ""}]


def test_a_choice_may_be_needed_optional_or_given() -> None:
    @dataclass(kw_only=True)
    class Root:
        needed: Named = choice({"part": Part})
        optional: Named | None = choice({"part": Part}, default=None)
        given: Named = choice({"part": Part}, default=lambda: Part.Config(name="part"))

    root = Root(needed=Part.Config(name="part"))
    assert root.optional is None
    assert root.given == Part.Config(name="part", size=3)
    assert all(field.metadata["table"] == {"part": Part} for field in fields(Root))
