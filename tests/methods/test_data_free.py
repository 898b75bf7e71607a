"""Nothing real can come in; objects are pasted where they are nearer; repainting moves no edge."""

from dataclasses import replace

import pytest
import torch
from method_parts import FixedTeacher, frames_of

from lumde.data import DATASETS
from lumde.engine.fit import require_fit
from lumde.engine.run import _checked
from lumde.engine.run_config import load_config
from lumde.errors import ConfigError
from lumde.methods.data_free import DataFree, mixed
from lumde.nets.depth_small import DepthSmall
from lumde.nets.image_transform import ImageTransform
from lumde.packaged import package_file
from lumde.structures import FrameBatch
from lumde.teachers.base import Frozen, Teacher
from lumde.teachers.run import RunTeacher
from lumde.worlds.clips import FAMILIES
from lumde.worlds.render import render_clip


class Plain(Teacher):
    """A teacher without BatchNorm, as transformers are."""

    gives = ("maps", "depth", "features")

    def depth(self, images):
        return images.mean(1, keepdim=True) + 1


def two_pictures() -> FrameBatch:
    """Picture 0 is black and 5 m away; picture 1 is white with things 1 (2 m), 2 (9 m) and sky."""
    image = torch.stack([torch.zeros(3, 1, 4), torch.ones(3, 1, 4)])
    depth = torch.tensor([[5.0, 5.0, 0.0, 5.0], [2.0, 9.0, 9.0, 0.0]]).view(2, 1, 1, 4)
    ids = torch.tensor([[7, 7, 0, 7], [1, 2, 2, 0]]).view(2, 1, 1, 4)
    return FrameBatch(
        image=image, jittered=image, intrinsics=torch.eye(3).expand(2, 3, 3), depth=depth, object_ids=ids
    )


def test_objects_are_pasted_only_where_they_are_nearer():
    torch.manual_seed(0)
    seen, jittered = mixed(two_pictures(), 1.0)
    assert torch.equal(seen, jittered)  # the same objects in both
    # thing 1 is nearer, thing 2 is behind the black surface but before its sky, sky is never pasted
    assert seen[0, 0, 0].tolist() == [1.0, 0.0, 1.0, 0.0]
    # into picture 1 come the 5 m surface where 9 m and sky were
    assert seen[1, 0, 0].tolist() == [1.0, 0.0, 1.0, 0.0]


def test_no_share_no_paste_and_objects_come_whole():
    assert torch.equal(mixed(two_pictures(), 0.0)[0], two_pictures().image)
    shares = []
    for seed in range(40):
        torch.manual_seed(seed)
        shares.append(mixed(two_pictures(), 0.5)[0][0, 0, 0].tolist())
    assert {tuple(row) for row in shares} == {(0, 0, 0, 0), (1, 0, 0, 0), (0, 0, 1, 0), (1, 0, 1, 0)}


def test_only_simulated_frames_are_accepted():
    """Every dataset of recordings lacks object ids, which the method needs: none can reach it."""
    for name, dataset in DATASETS.items():
        if name == "synthetic":
            assert set(DataFree.needs) <= set(dataset.provides)
            continue
        with pytest.raises(ConfigError, match="object_ids"):
            _checked(dataset.__new__(dataset), DataFree.needs, "main", name)


def test_a_teacher_without_statistics_is_refused_unless_nothing_is_repainted():
    config = load_config(package_file("configs", "data_free", ".yaml"), [])
    student = DepthSmall(DepthSmall.Config(size="tiny"))
    with pytest.raises(ConfigError, match="what data_free needs: statistics .it has no BatchNorm"):
        require_fit(config, DataFree(DataFree.Config(name="data_free"), student, Plain()), Plain())
    config.teacher = RunTeacher.Config(path="x", cache="maps")
    with pytest.raises(ConfigError, match=r"teacher.cache: not for data_free, whose pictures change"):
        require_fit(
            config, DataFree(DataFree.Config(name="data_free"), student, FixedTeacher()), FixedTeacher()
        )
    config.teacher = None
    plain = DataFree(DataFree.Config(name="data_free", transform=False), student, Plain())
    require_fit(config, plain, Plain())
    assert not list(plain.trainable("generator"))


def test_repainting_begins_as_nothing_and_reaches_no_farther_than_stated():
    torch.manual_seed(0)
    net, picture = ImageTransform(), torch.rand(1, 3, 24, 24)
    assert torch.equal(net(picture), picture)
    torch.nn.init.normal_(net.layers[-1].weight)
    changed = picture.clone()
    changed[..., 12, 12] = 1 - changed[..., 12, 12]
    moved = ((net(picture) - net(changed)).abs() > 0).any(1)[0].nonzero() - 12
    assert 0 < moved.abs().max() <= 4


class Known(Teacher):
    """It only ever saw what `pictures` answers."""

    gives = ("maps", "depth", "statistics")

    def __init__(self, pictures):
        super().__init__()
        net = DepthSmall(DepthSmall.Config(size="tiny"))
        for _ in range(60):
            net.train()(pictures())
        self.net = Frozen(net)

    def depth(self, images):
        return self.net.net.depth(self.net(images).disp)

    def norm_layers(self):
        return tuple(m for m in self.net.modules() if isinstance(m, torch.nn.BatchNorm2d))


def test_edges_stay_where_they_are_within_a_pixel():
    """After a training of the painter: pictures of a world shifted by more fit the repainted ones worse."""
    torch.manual_seed(0)
    pictures, streets = (
        torch.from_numpy(render_clip(FAMILIES[family](3), 64, 96, 4).images).permute(0, 3, 1, 2) / 255
        for family in ("rooms", "streets")
    )
    teacher = Known(lambda: streets.square())
    student = DepthSmall(DepthSmall.Config(size="tiny"))
    method = DataFree(DataFree.Config(name="data_free", mix_share=0.0), student, teacher).train()
    frames = {"main": FrameBatch(image=pictures, jittered=pictures, intrinsics=torch.eye(3).expand(4, 3, 3))}
    optimizer = torch.optim.Adam(method.trainable("generator"), 2e-3)
    for step in range(60):
        optimizer.zero_grad()
        sum(method.terms(frames, "generator", step).values()).backward()
        optimizer.step()
    painted = method.transform(pictures).detach()
    assert (painted - pictures).abs().mean() > 0.02, "it did repaint"
    before, after = (edges(images) for images in (pictures, painted))
    likeness = {
        (dy, dx): float(correlation(after, before.roll((dy, dx), (-2, -1))))
        for dy in range(-4, 5)
        for dx in range(-4, 5)
    }
    best = max(likeness, key=likeness.get)
    assert max(map(abs, best)) <= 1


def correlation(one, other):
    """Of two maps away from their borders."""
    inner = [x[..., 6:-6, 6:-6].flatten() for x in (one, other)]
    return torch.corrcoef(torch.stack(inner))[0, 1]


def edges(images):
    """Strength of edges, centred on each pixel."""
    grey = images.mean(1, keepdim=True)
    across = (grey.roll(-1, -1) - grey.roll(1, -1)).abs()
    return across + (grey.roll(-1, -2) - grey.roll(1, -2)).abs()


def test_the_painter_brings_pictures_nearer_to_what_the_teacher_learned_from():
    torch.manual_seed(0)
    dark = Known(lambda: 0.3 * torch.rand(4, 3, 32, 64))
    config = DataFree.Config(name="data_free", mix_share=0.0, identity_weight=0.1)
    method = DataFree(config, DepthSmall(DepthSmall.Config(size="tiny")), dark).train()
    bright = 0.5 + 0.5 * torch.rand(4, 3, 32, 64)
    frames = {"main": FrameBatch(image=bright, jittered=bright, intrinsics=torch.eye(3).expand(4, 3, 3))}
    optimizer = torch.optim.Adam(method.trainable("generator"), 1e-2)
    gaps = []
    for step in range(30):
        terms = method.terms(frames, "generator", step)
        gaps.append(terms["statistics"].item())
        optimizer.zero_grad()
        sum(terms.values()).backward()
        optimizer.step()
    assert gaps[-1] < 0.5 * gaps[0]


def test_the_painter_learns_in_every_nth_step_and_nothing_is_painted_twice():
    config = DataFree.Config(name="data_free", painter_every_steps=3, mix_share=1.0)
    method = DataFree(config, DepthSmall(DepthSmall.Config(size="tiny")), FixedTeacher()).train()
    painted = []
    method.transform.register_forward_pre_hook(lambda *_: painted.append(1))
    batch = {"main": replace(frames_of(2), jittered=(image := frames_of(2).image), image=image)}
    learned = [bool(method.terms(batch, "generator", step)) for step in range(6)]
    assert learned == [False, False, True, False, False, True] and len(painted) == 2
    method.terms(batch, "student", 0)
    assert len(painted) == 3  # no colours were changed: clean and jittered pictures are the same
    jittered = {"main": replace(batch["main"], jittered=1 - batch["main"].image)}
    method.terms(jittered, "student", 0)
    assert len(painted) == 5
    with pytest.raises(ValueError, match="painter_every_steps"):
        DataFree.Config(name="data_free", painter_every_steps=0)


def test_a_student_with_bins_has_them_where_its_teacher_sees():
    student = DepthSmall(DepthSmall.Config(size="tiny", bins=8, scales=1))
    method = DataFree(
        DataFree.Config(name="data_free", transform=False, mix_share=0.0), student, Plain()
    ).train()
    method.terms({"main": two_pictures()}, "student", 0)
    assert 0.5 < student.bins.centres[0] < 1 and 2 < student.bins.centres[-1] < 3  # its depths are 1 and 2
