"""Parts that do not fit each other are refused before any training, by the name of the key to change."""

import pytest
import torch

from lumde.config import parse
from lumde.engine.run import train
from lumde.engine.run_config import TrainConfig
from lumde.errors import ConfigError
from lumde.models import DepthModel, ModelConfig, build_net, save
from lumde.nets.depth_small import DepthSmall

WORLDS = {"name": "synthetic", "families": ["rooms"], "worlds": 1, "frames": 4, "height": 48, "width": 80}
RESPONSE, LUMDE = {"name": "response"}, {"name": "adversarial", "video_weight": 0, "holistic_weight": 0}


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    torch.manual_seed(0)
    config = DepthSmall.Config(size="tiny", scales=1)
    path = tmp_path_factory.mktemp("teacher") / "model"
    save(DepthModel(ModelConfig(net=config, height=48, width=80), build_net(config)), path)
    return {"name": "run", "path": str(path)}


@pytest.mark.parametrize(
    ("method", "student", "more", "message"),
    [
        ({"name": "depth_probability"}, {"bins": 16}, {}, "multiples of 32"),
        (LUMDE, {}, {}, "multiples of 32"),
        ({**RESPONSE, "arbiter": {}}, {}, {"offsets": [-1]}, "method.arbiter: needs 2 snippets.offsets"),
        (
            {**RESPONSE, "arbiter": {}, "loss": "affine_invariant"},
            {},
            {},
            "affine_invariant leaves open",
        ),
        (RESPONSE, {}, {"min_motion": 0.01}, "data.fresh brings others"),
        (RESPONSE, {}, {"cache": "maps"}, "teacher.cache: data.fresh brings other pictures"),
        (RESPONSE, {"max_depth": 4.0}, {}, r"set student.min_depth=0.1 student.max_depth=100"),
    ],
)
def test_what_does_not_fit_is_refused(teacher, tmp_path, method, student, more, message):
    def config():
        changes = {"min_motion", "cache"} & more.keys()
        cache = {"cache": str(tmp_path / more["cache"])} if "cache" in more else {}
        return parse(
            {
                "method": method,
                "student": {"name": "depth_small", "size": "tiny", "scales": 1, **student},
                "teacher": {**teacher, **cache},
                "data": {**WORLDS, "fresh": 1 if changes else 0},
                "snippets": {"height": 48, "width": 80} | {k: v for k, v in more.items() if k != "cache"},
                "loop": {"steps": 1},
            },
            TrainConfig,
        )

    with pytest.raises(ConfigError, match=message):
        train(config(), tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()


def test_without_pairs_of_features_any_size_will_do(teacher, tmp_path):
    values = {
        "method": {**LUMDE, "pair_weight": 0.0},
        "student": {"name": "depth_small", "size": "tiny", "scales": 1},
        "teacher": teacher,
        "data": WORLDS,
        "snippets": {"height": 48, "width": 80},
        "loader": {"batch": 2},
        "loop": {"steps": 1},
    }
    assert train(parse(values, TrainConfig), tmp_path / "run", quiet=True)["steps"] == 1
