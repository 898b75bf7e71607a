"""Every line of the methods table keeps the contract, unasked."""

import copy
import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
from method_parts import FixedTeacher, frames_of
from torch import nn

from lumde.engine.run import _extra_params
from lumde.methods import METHODS
from lumde.methods.base import Method
from lumde.nets.depth_small import DepthSmall
from lumde.structures import FrameBatch

CONFIGS: dict[str, dict[str, Any]] = {
    "photometric": {"pose": {"name": "pose_small"}},
    "adversarial": {
        "critic": {"name": "critic_transformer"},
        "warmup_steps": 0,
        "video": {"pose": {"name": "pose_small"}},
    },
    "supervised": {},
    "response": {
        "loss": "three_term",
        "gradient_weight": 0.5,
        "label_weight": 0.5,
        "auxiliary_ratio": 0.5,
    },
    "attentive_feature": {"ghost_step": 0, "feature_step": 1},
    "depth_probability": {},
    "data_free": {},
}
BESIDE = ("photometric", "adversarial", "attentive_feature", "data_free")  # more learns than the student
STUDENTS = {"depth_probability": {"bins": 16}}  # what a method asks of its student


def make(name: str) -> Method:
    from lumde.config import parse

    torch.manual_seed(0)
    method_class = METHODS[name]
    config = parse({"name": name, **CONFIGS[name]}, method_class.Config)
    student = DepthSmall(DepthSmall.Config(size="tiny", **STUDENTS.get(name, {})))
    return method_class(config, student, FixedTeacher() if method_class.teacher_gives else None)


@pytest.fixture
def batch() -> dict[str, FrameBatch]:
    frames = frames_of(2)
    auxiliary = FrameBatch(
        image=frames.sources[:, 0], jittered=frames.sources[:, 0], intrinsics=frames.intrinsics
    )
    return {"main": frames, "auxiliary": auxiliary}


@pytest.mark.parametrize("name", METHODS)
def test_what_learns_beside_the_student_is_counted(name: str) -> None:
    """Nothing where the student learns alone; else all that no shipped network holds."""
    method = make(name)
    beside = [
        p for part in ("pose_net", "critic", "adapters", "transform") for p in parameters_of(method, part)
    ]
    assert _extra_params(method) == sum(p.numel() for p in beside)
    assert bool(beside) == (name in BESIDE)


def parameters_of(method: Method, part: str) -> list[nn.Parameter]:
    module = getattr(method, part, None)
    return list(module.parameters()) if isinstance(module, nn.Module) else []


@pytest.mark.parametrize("name", METHODS)
def test_terms_are_finite_scalars_and_reach_every_parameter(name: str, batch: dict[str, FrameBatch]) -> None:
    method = make(name).train()
    for phase in method.phases:
        parameters = list(method.trainable(phase))
        for p in method.parameters():
            p.grad = None
        terms = method.terms(batch, phase, step=10)
        assert terms, f"{phase} has no terms after the warm-up"
        assert all(term.shape == () and torch.isfinite(term) for term in terms.values())
        sum(terms.values()).backward()
        assert all(p.grad is not None for p in parameters)


@pytest.mark.parametrize("name", METHODS)
def test_networks_see_jittered_pictures_and_the_teacher_clean_ones(name, batch) -> None:
    """Only what is learned sees changed colours: a label is that of the picture as it was."""
    method, frames = make(name), batch["main"]
    clean, seen = {"student": [], "teacher": []}, {"student": [], "teacher": []}
    pictures = torch.cat([frames.image, *frames.sources.unbind(1)])

    def note(who):
        def spy(_, inputs):
            for image in inputs[0]:
                seen[who].append(image)
                clean[who].append(bool((image == pictures).flatten(1).all(1).any()))

        return spy

    method.student.register_forward_pre_hook(note("student"))
    if teacher := getattr(method, "teacher", None):
        teacher.net.register_forward_pre_hook(note("teacher"))
    method.terms(batch if name != "response" else {"main": frames}, "student", 10)
    assert seen["student"] and not any(clean["student"])
    if name == "data_free":  # what it shows is made of both
        return
    assert all(clean["teacher"]) and bool(clean["teacher"]) == (teacher is not None)


@pytest.mark.parametrize("name", METHODS)
def test_phases_own_disjoint_parameters(name: str) -> None:
    method = make(name)
    owned = [id(p) for phase in method.phases for p in method.trainable(phase)]
    assert len(owned) == len(set(owned))


@pytest.mark.parametrize("name", METHODS)
def test_teacher_stays_frozen(name: str, batch: dict[str, FrameBatch]) -> None:
    method = make(name)
    teacher = getattr(method, "teacher", None)
    if teacher is None:
        pytest.skip("method has no teacher")
    before = copy.deepcopy(teacher.state_dict())
    method.eval()
    method.train()
    for step in (10, 11):
        for phase in method.phases:
            optimizer = torch.optim.SGD(list(method.trainable(phase)), lr=0.1)
            sum(method.terms(batch, phase, step).values()).backward()
            optimizer.step()
    assert all(torch.equal(before[k], v) for k, v in teacher.state_dict().items())
    assert not any(m.training for m in teacher.modules() if isinstance(m, nn.BatchNorm2d))
    assert not any(p.requires_grad for p in teacher.parameters())


@pytest.mark.parametrize("name", METHODS)
def test_same_seed_same_numbers_and_state_round_trip(name: str, batch: dict[str, FrameBatch]) -> None:
    first, second = make(name), make(name)
    with torch.no_grad():  # move `second` away, then bring it back by its state
        for p in second.parameters():
            p.add_(0.1)
    second.load_state_dict(first.state_dict())
    for method in (first, second):
        method.train()
    torch.manual_seed(5)
    a = first.terms(batch, "student", 10)
    torch.manual_seed(5)
    b = second.terms(batch, "student", 10)
    assert a.keys() == b.keys()
    assert all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("name", METHODS)
def test_pictures_are_rgb_in_unit_range(name: str, batch: dict[str, FrameBatch]) -> None:
    with torch.no_grad():
        pictures = make(name).eval().pictures(batch)
    assert "input" in pictures
    for picture in pictures.values():
        assert picture.shape == (3, 32, 64)
        assert 0 <= picture.min() <= picture.max() <= 1


def test_contract_configs_cover_the_table() -> None:
    assert CONFIGS.keys() == METHODS.keys()


def test_canonical_depth_does_not_depend_on_the_lens(batch):
    """Twice the focal length at twice the depth is one picture, and one truth."""
    from lumde.config import parse

    frames = batch["main"]
    frames.depth = 1 + torch.rand(2, 1, 32, 64)
    zoomed = copy.copy(frames)
    zoomed.depth, zoomed.intrinsics = (
        2 * frames.depth,
        frames.intrinsics * torch.tensor([[2.0], [2.0], [1.0]]),
    )
    config = parse({"name": "supervised", "focal": 20.0}, METHODS["supervised"].Config)
    method = METHODS["supervised"](config, DepthSmall(DepthSmall.Config(size="tiny"))).eval()
    assert method.unit == "relative" and make("supervised").unit == "metres"
    a, b = (method.terms({"main": f}, "student", 0)["log_l1"] for f in (frames, zoomed))
    torch.testing.assert_close(a, b)
    halved = copy.copy(frames)
    halved.depth, halved.intrinsics = frames.depth / 2, frames.intrinsics.clone()
    halved.intrinsics[:, :2] /= 2  # focal length of the canonical camera: depth stays as it is
    plain = make("supervised").eval()
    plain.student.load_state_dict(method.student.state_dict())
    torch.testing.assert_close(plain.terms({"main": halved}, "student", 0)["log_l1"], a)


def test_the_example_of_the_documentation_is_a_method(batch, tmp_path):
    """docs/adding-a-method.md: its file, as it stands there, is imported and learns."""
    text = (Path(__file__).parents[2] / "docs" / "adding-a-method.md").read_text(encoding="utf-8")
    path = tmp_path / "near_first.py"
    path.write_text(text.split("```python\n")[1].split("```")[0], encoding="utf-8")
    spec = importlib.util.spec_from_file_location("near_first", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    student = DepthSmall(DepthSmall.Config(size="tiny", scales=1))
    method = module.NearFirst(module.NearFirst.Config(name="near_first"), student, FixedTeacher()).train()
    (term,) = method.terms(batch, "student", 0).values()
    term.backward()
    assert term > 0 and all(p.grad is not None for p in student.parameters())
