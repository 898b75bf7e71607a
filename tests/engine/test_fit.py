"""Parts that do not fit each other are refused before any training, by the name of the key to change."""

import numpy as np
import pytest
import torch
from PIL import Image

from lumde.config import parse
from lumde.engine.run import train
from lumde.engine.run_config import TrainConfig
from lumde.errors import ConfigError
from lumde.models import DepthModel, ModelConfig, build_net, load, save
from lumde.nets.depth_small import DepthSmall
from lumde.nets.depth_transformer import DepthTransformer

WORLDS = {"name": "synthetic", "families": ["rooms"], "worlds": 1, "frames": 4, "height": 48, "width": 80}
RESPONSE, LUMDE = {"name": "response"}, {"name": "adversarial", "video_weight": 0, "holistic_weight": 0}

VIDEO = {**LUMDE, "pair_weight": 0, "video_weight": 0.1, "video": {"pose": {"name": "pose_small"}}}


def saved(folder, **facts):
    torch.manual_seed(0)
    config = DepthSmall.Config(size="tiny", scales=1)
    save(
        DepthModel(ModelConfig(net=config, height=48, width=80, **facts), build_net(config)), folder / "model"
    )
    return {"name": "run", "path": str(folder / "model")}


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("teacher"))


def run_of(teacher, method, student=None, **more):
    values = {
        "method": method,
        "student": {"name": "depth_small", "size": "tiny", "scales": 1, **(student or {})},
        "teacher": teacher,
        "data": WORLDS,
        "snippets": {"height": 64, "width": 96},
        "loader": {"batch": 2},
        "loop": {"steps": 1},
        **more,
    }
    return parse(values, TrainConfig)


@pytest.mark.parametrize(
    ("method", "student", "more", "message"),
    [
        ({"name": "depth_probability"}, {"bins": 16}, {}, "multiples of 32"),
        (LUMDE, {}, {}, "multiples of 32"),
        (
            {**RESPONSE, "arbiter": {}},
            {},
            {"offsets": [-2, -1]},
            "offsets before and after",
        ),
        (
            {**RESPONSE, "arbiter": {}, "loss": "affine_invariant"},
            {},
            {},
            "affine_invariant leaves open",
        ),
        (VIDEO, {}, {"offsets": []}, "snippets.offsets: method adversarial compares frames"),
        (RESPONSE, {}, {"min_motion": 0.01}, "data.fresh brings others"),
        (RESPONSE, {}, {"cache": "maps"}, "teacher.cache: data.fresh brings other pictures"),
        ({**RESPONSE, "loss": "three_term"}, {}, {"spread": 0.1}, "teacher.spread: weighs plain imitation"),
        (RESPONSE, {"max_depth": 4.0}, {}, r"set student.min_depth=0.1 student.max_depth=100"),
    ],
)
def test_what_does_not_fit_is_refused(teacher, tmp_path, method, student, more, message):
    def config():
        changes = {"min_motion", "cache"} & more.keys()
        cache = {"cache": str(tmp_path / more["cache"])} if "cache" in more else {}
        if spread := more.pop("spread", 0):
            cache |= {"spread": spread, "flip": True}
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
    config = run_of(teacher, {**LUMDE, "pair_weight": 0.0}, snippets={"height": 48, "width": 80})
    assert train(config, tmp_path / "run", quiet=True)["steps"] == 1


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ({**RESPONSE, "arbiter": {}}, "method.arbiter: warps by true shapes"),
        (
            {**LUMDE, "video_weight": 1.0, "video": {"pose": {"name": "pose_small"}}},
            "set method.video_weight=0",
        ),
    ],
)
def test_nothing_warps_by_a_disparity_with_an_unknown_shift(tmp_path, method, message):
    with pytest.raises(ConfigError, match=message):
        train(run_of(saved(tmp_path, affine=True), method), tmp_path / "run", quiet=True)


def test_bins_lie_within_any_range_that_holds_the_teachers(teacher, tmp_path):
    bins = {"bins": 8, "min_depth": 1e-3, "max_depth": 120.0}
    train(run_of(teacher, {"name": "depth_probability"}, bins), tmp_path / "run", quiet=True)
    for wrong in ({**bins, "bins": 0}, {**bins, "max_depth": 50.0}):
        with pytest.raises(ConfigError, match="set student.min_depth=0.1"):
            train(run_of(teacher, RESPONSE, wrong), tmp_path / "other", quiet=True)


def test_photographs_beside_video_need_no_neighbours(teacher, tmp_path):
    (tmp_path / "photographs").mkdir()
    for i in range(3):
        picture = np.random.default_rng(i).integers(0, 255, (64, 96, 3), dtype=np.uint8)
        Image.fromarray(picture).save(tmp_path / "photographs" / f"{i}.png")
    config = run_of(
        teacher,
        {**RESPONSE, "auxiliary_ratio": 1.0},
        snippets={"height": 64, "width": 96, "neighbours": True},
        streams={"auxiliary": {"name": "frames", "root": str(tmp_path / "photographs")}},
    )
    found = train(config, tmp_path / "run", quiet=True)["snippets"]
    assert (found["main"]["usable"], found["auxiliary"]["usable"]) == (2, 3)


def test_bins_lie_where_measured_depth_does(tmp_path):
    bins = {"bins": 8, "start_depth": 2.0}
    train(run_of(None, {"name": "supervised"}, bins), tmp_path / "run", quiet=True)
    centres = load(tmp_path / "run").net.bins.centres
    assert centres[0] > 0.15 and centres[-1] < 30  # a room's, not the network's range of 0.1 to 100


def test_what_a_teacher_lacks_is_told_with_where_it_can_be_had(tmp_path):
    transformer = parse(
        {"name": "depth_transformer", "encoder": "mit_tiny", "scales": 1}, DepthTransformer.Config
    )
    folder = tmp_path / "transformer"
    save(DepthModel(ModelConfig(net=transformer, height=48, width=80), build_net(transformer)), folder)
    with pytest.raises(ConfigError, match=r"data_free needs: statistics \(it has no BatchNorm: take a run"):
        train(
            run_of({"name": "run", "path": str(folder)}, {"name": "data_free"}), tmp_path / "run", quiet=True
        )
    (tmp_path / "maps").mkdir()
    stored = {"name": "maps", "path": str(tmp_path / "maps"), "unit": "metres"}
    with pytest.raises(ConfigError, match="features, which attentive_feature needs; use a run of ours"):
        train(run_of(stored, {"name": "attentive_feature"}), tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()
