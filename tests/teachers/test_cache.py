"""Maps that are kept: asked for once, mirrored as the frames are, never trusted, and only this teacher's."""

import pytest
import torch

from lumde.errors import ResourceError
from lumde.models import DepthModel, ModelConfig, build_net, save
from lumde.nets import DepthSmall
from lumde.registry import build
from lumde.structures import FrameBatch
from lumde.teachers import TEACHERS
from lumde.teachers import cache as module
from lumde.teachers.run import RunTeacher


@pytest.fixture
def made(tmp_path):
    def make(seed=0, **options):
        torch.manual_seed(seed)
        config = DepthSmall.Config(size="tiny")
        folder = tmp_path / f"teacher{seed}"
        if not folder.exists():
            save(DepthModel(ModelConfig(net=config, height=32, width=64), build_net(config)), folder)
        teacher = build(
            TEACHERS, RunTeacher.Config(path=str(folder), cache=str(tmp_path / "cache"), **options)
        ).eval()
        teacher.check([f"a/{i}" for i in range(4)])
        teacher.said = teacher.begin(torch.zeros(1, 3, 32, 64))
        teacher.asked = []
        labels = teacher.labels
        teacher.labels = lambda images: teacher.asked.append(len(images)) or labels(images)
        teacher.plain = labels
        return teacher

    return make


def frames(flipped=(False, False, False), seed=0):
    pictures = torch.randint(0, 256, (3, 3, 32, 64), generator=torch.Generator().manual_seed(seed))
    flipped = torch.tensor(flipped)
    image = torch.where(flipped[:, None, None, None], pictures.flip(-1), pictures).float() / 255
    return FrameBatch(image=image, jittered=image, intrinsics=torch.eye(3).expand(3, 3, 3), flipped=flipped)


def test_every_picture_is_asked_about_once_and_comes_back_to_16_bits(made):
    teacher = made()
    with torch.no_grad():
        plain = teacher.plain(frames().image)
        for _ in range(2):
            found = teacher.look(frames())
            torch.testing.assert_close(found.log(), plain.log(), atol=1e-4, rtol=0)
    assert teacher.asked == [3]
    assert made().look(frames()).equal(found)  # of another run, from disk


def test_mirrored_frames_get_mirrored_maps(made):
    teacher = made()
    with torch.no_grad():
        straight = teacher.look(frames())
        mirrored = teacher.look(frames((True, False, True)))
    assert mirrored[1].equal(straight[1])
    assert mirrored[0].equal(straight[0].flip(-1)) and mirrored[2].equal(straight[2].flip(-1))
    assert teacher.asked == [3]


def test_damaged_and_foreign_files_are_asked_anew(made, tmp_path):
    teacher = made()
    with torch.no_grad():
        straight = teacher.look(frames())
        files = sorted((tmp_path / "cache").rglob("*.safetensors"))
        assert len(files) == 3
        files[0].write_bytes(files[0].read_bytes()[:-7])
        files[1].write_bytes(b"")
        files[2].write_bytes(
            module.safetensors.numpy.save({"codes": module.np.zeros((2, 2), module.np.uint16)})
        )
        assert teacher.look(frames()).equal(straight)
    assert teacher.asked == [3, 3]


def test_another_teacher_or_other_options_have_their_own_maps(made):
    with torch.no_grad():
        for teacher in (made(), made(1), made(flip=True), made(sizes=(1.5,))):
            teacher.look(frames())
            assert teacher.asked == [3]


def test_holes_stay_holes(tmp_path):
    depth = module.np.array([[0.0, 2.0], [module.np.nan, 50.0]], module.np.float32)
    module._write(tmp_path / "a.safetensors", depth)
    found = module._read(tmp_path / "a.safetensors", (2, 2))
    assert found[0, 0] == found[1, 0] == 0
    assert found[:, 1] == pytest.approx([2, 50], rel=1e-4)


def test_its_size_is_told_before_it_starts_and_refused_where_the_disk_is_full(made, monkeypatch):
    teacher = made()
    assert "0 are there; 4 pictures need 0.0 MiB" in teacher.said[0]
    monkeypatch.setattr(module, "OVERHEAD", 1 << 60)
    with pytest.raises(ResourceError, match="needed"):
        teacher.begin(torch.zeros(1, 3, 32, 64))


def test_maps_of_half_precision_are_no_answer_in_full(made):
    teacher = made()
    with torch.no_grad():
        with torch.autocast("cpu", torch.bfloat16):
            half = teacher.look(frames())
        full = teacher.look(frames())
    assert teacher.asked == [3, 3] and not torch.equal(half, full)
    torch.testing.assert_close(full.log(), teacher.plain(frames().image).log(), atol=1e-4, rtol=0)


def test_weights_are_kept_beside_the_maps(made):
    teacher = made(flip=True, spread=0.05)
    assert " and " in teacher.said[0] and "are kept in" in teacher.said[0]
    certain = teacher.certainty
    teacher.certainty = lambda images: teacher.asked.append("weights") or certain(images)
    with torch.no_grad():
        plain = certain(frames().image)
        for _ in range(2):
            torch.testing.assert_close(teacher.weights(frames()), plain, atol=1e-4, rtol=1e-4)
    assert teacher.asked == ["weights"]
    assert made(flip=True).cached.folder != teacher.cached_weights.folder  # no weights are read as maps
    assert made(flip=True, spread=0.1).cached.folder == teacher.cached.folder  # labels know no spread
