"""A look at the student sees the same few frames every time."""

import pytest
from method_parts import FixedTeacher

from lumde.config import parse
from lumde.data.snippets import SnippetConfig
from lumde.engine.validate import Validation, ValidationConfig
from lumde.errors import ConfigError
from lumde.methods import METHODS
from lumde.models import DepthModel, ModelConfig
from lumde.nets.depth_small import DepthSmall

WORLDS = {"name": "synthetic", "families": ["rooms"], "worlds": 2, "frames": 10, "height": 32, "width": 64}


def validation(**data) -> Validation:
    student = DepthSmall(DepthSmall.Config(size="tiny", scales=1))
    method = METHODS["response"](
        parse({"name": "response"}, METHODS["response"].Config), student, FixedTeacher()
    )
    config = parse({"data": {**WORLDS, **data}, "max_frames": 5}, ValidationConfig)
    model = DepthModel(ModelConfig(net=student.config, height=32, width=64), student)
    return Validation.build(config, SnippetConfig(height=32, width=64), method, model)


def test_frames_are_thinned_for_good():
    looks = validation()
    wanted = [key.path for key in looks.dataset.targets]
    assert [name[-3:] for name in wanted] == ["000", "004", "008", "002", "006"], "every fourth of twenty"
    assert looks() == looks()
    assert [key.path for key in looks.dataset.targets] == wanted
    seen = {key for step in range(8) for key in looks.batches.at(step).keys}
    assert seen <= set(wanted), "and the loss is that of the same frames"


def test_what_changes_is_no_validation_set():
    with pytest.raises(ConfigError, match="fresh=0"):
        validation(fresh=1)
