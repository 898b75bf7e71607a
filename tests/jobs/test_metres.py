"""The recorded length of the camera's way sets the scale; poses of another clip are refused."""

import numpy as np
import pytest
import torch

from lumde.cli import main
from lumde.data.frames import Frames
from lumde.data.snippets import SnippetConfig, Snippets
from lumde.errors import DataError
from lumde.evaluators.parallax import SnippetView, unmoved_errors
from lumde.geometry.pose import with_length_of
from lumde.jobs import metres
from lumde.jobs.metres import scale_to_metres
from lumde.media.cameras import Camera, write_camera
from lumde.media.images import write_png
from lumde.media.poses import write_tum
from lumde.models import load
from lumde.worlds.clips import FAMILIES
from lumde.worlds.render import render_clip

SIZE = (64, 96)


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Look at few snippets: the clip is easy."""
    monkeypatch.setattr(metres, "MOST", 8)


@pytest.fixture(scope="module")
def room():
    """A clip with exact depth and poses."""
    return render_clip(FAMILIES["rooms"](6), *SIZE, 40)


@pytest.fixture
def folder(room, tmp_path):
    """The clip as a dataset folder with its poses."""
    (tmp_path / "room" / "image").mkdir(parents=True)
    for i, image in enumerate(room.images):
        write_png(tmp_path / "room" / "image" / f"{i:03d}.png", image)
    write_camera(tmp_path / "room" / "camera.yaml", Camera(room.intrinsics, SIZE[1], SIZE[0]))
    return tmp_path / "room"


def with_poses(folder, poses):
    write_tum(folder / "groundtruth.txt", np.arange(float(len(poses))), poses)
    return Snippets(
        Frames(Frames.Config(root=str(folder))),
        SnippetConfig(height=SIZE[0], width=SIZE[1], offsets=(-5, 5)),
        ("sources", "pose"),
    )


def exact(room, factor):
    """A stand-in for a network: the true depth, `factor` times too small."""
    images = torch.from_numpy(room.images).permute(0, 3, 1, 2) / 255

    def disparity(image):
        index = int((images - image).abs().mean((1, 2, 3)).argmin())
        return factor / torch.from_numpy(room.depth[index])[None, None]

    return disparity


def test_recorded_poses_tell_the_scale(room, folder):
    snippets = with_poses(folder, room.poses)
    for factor in (0.2, 4.0):
        assert scale_to_metres(exact(room, factor), snippets) == pytest.approx(factor, rel=0.03)


def test_a_right_camera_tells_the_scale(room, folder):
    world, to_the_right = FAMILIES["rooms"](6), np.eye(4)
    to_the_right[0, 3] = 0.15  # metres
    poses = world.world_from_camera @ to_the_right
    right = render_clip(type(world)(**{**vars(world), "world_from_camera": poses}), *SIZE, 40)
    for baseline in (0.15, 0.3):
        write_camera(folder / "camera.yaml", Camera(room.intrinsics, SIZE[1], SIZE[0], baseline=baseline))
        (folder / "right").mkdir(exist_ok=True)
        for i, image in enumerate(right.images):
            write_png(folder / "right" / f"{i:03d}.png", image)
        config = SnippetConfig(height=SIZE[0], width=SIZE[1], offsets=(-5, 5), stereo=True)
        snippets = Snippets(Frames(Frames.Config(root=str(folder))), config, ("sources",))
        assert scale_to_metres(exact(room, 2.0), snippets) == pytest.approx(2 * baseline / 0.15, rel=0.05)
    write_camera(folder / "camera.yaml", Camera(room.intrinsics, SIZE[1], SIZE[0], baseline=-0.15))
    with pytest.raises(DataError, match="above 0"):
        Frames(Frames.Config(root=str(folder)))


def test_poses_that_do_not_fit_are_refused(room, folder, monkeypatch):
    backwards = with_poses(folder, room.poses[::-1])
    with pytest.raises(DataError, match="do not fit the frames"):
        scale_to_metres(exact(room, 1.0), backwards)
    monkeypatch.setattr(metres, "MOST", 16)
    for at in (12, 20, 28):  # of 40 frames
        jumping = room.poses.copy()
        jumping[at:, :3, 3] = jumping[at, :3, 3] + 2 * (jumping[at:, :3, 3] - jumping[at, :3, 3])
        with pytest.raises(DataError, match="scale changes by a factor of"):
            scale_to_metres(exact(room, 1.0), with_poses(folder, jumping))
    still = np.tile(np.eye(4), (len(room.poses), 1, 1))
    with pytest.raises(DataError, match="do not fit the frames"):
        scale_to_metres(exact(room, 1.0), with_poses(folder, still))


def test_a_scale_that_wanders_is_no_jump():
    """A network's own scale may drift by more, a little from one snippet to the next."""

    def curves(scales):
        return np.array([0.05 + 0.02 * np.abs(np.log(metres.TRIED / scale)) for scale in scales])

    metres._check(curves(np.geomspace(0.6, 1.6, 24)), turned=0.2)
    with pytest.raises(DataError, match="by a factor of 2"):
        metres._check(curves([0.8] * 17 + [1.75] * 7), turned=0.2)


def test_a_half_without_travel_speaks_for_no_scale():
    """A robot that turns on the spot for a while: there any scale explains the pictures as well."""
    curves = np.full((8, len(metres.TRIED)), 0.1)
    curves[:4] = 0.05 + 0.05 * np.abs(np.log(metres.TRIED / 2)) / 4
    curves[4:, 1] -= 1e-4  # noise picks a scale far from the other half's
    metres._check(curves, turned=0.2)
    curves[4:] = curves[:4, ::-1]
    with pytest.raises(DataError, match="scale changes by a factor of"):
        metres._check(curves, turned=0.2)
    metres._check(curves[:4], turned=0.04)  # travel takes nearly half of what turning leaves
    with pytest.raises(DataError, match=r"only turns explains them better \(error 0.0400, with them"):
        metres._check(0.08 + 0.1 * curves[:4], turned=0.04)
    with pytest.raises(DataError, match="are they in metres"):
        metres._check(np.tile(metres.TRIED, (4, 1)), turned=200.0)


def test_what_is_moved_out_of_view_is_not_forgotten():
    """One source to the side, and a far half that is easy to match: too short a scale shows that alone."""
    rng = np.random.default_rng(0)
    near = rng.integers(0, 255, (1, 3, 32, 64))
    target = torch.from_numpy(near).float() / 255
    target[..., :40] = 0.5  # the smooth sky
    source = target.roll(-2, -1)  # what is near lies 2 pixels farther to the left
    source[..., :40] = 0.5
    camera = torch.tensor([[[50.0, 0, 31.5], [0, 50.0, 15.5], [0, 0, 1]]])
    motion = torch.eye(4)[None].clone()
    motion[0, 0, 3] = -0.2  # 50 px * .2 m / 5 m = 2 px
    view = SnippetView(target, source, camera, None)
    depth = torch.full((1, 1, 32, 64), 5.0)
    depth[..., :40] = 100.0
    curve = metres._curve(metres._Look(view, motion, depth, unmoved_errors(view)), metres.TRIED)
    assert metres.TRIED[int(np.argmin(curve))] == pytest.approx(1.0, rel=0.25)


def test_adapting_to_a_posed_clip_answers_metres(room, folder, start, tmp_path, capsys):
    with_poses(folder, room.poses)
    command = ["adapt", str(folder), "--model", str(start), "--minutes", "0.05", "--out"]
    assert main([*command, str(tmp_path / "run")]) == 0
    assert "metres" in capsys.readouterr().err
    model = load(tmp_path / "run")
    assert model.config.unit == "metres"
    result = model.predict(folder / "image" / "000.png")
    assert result.unit == "metres"
    ratio = np.median(result.depth) / np.median(room.depth[0])
    assert 0.4 < ratio < 2.5, "an untrained network's shape, but the room's size"
    with_poses(folder, room.poses[::-1])
    assert main([*command, str(tmp_path / "refused")]) == 3
    assert "do not fit" in capsys.readouterr().err and not (tmp_path / "refused").exists()


def test_a_motion_takes_the_length_of_another():
    known, motion = torch.eye(4).repeat(3, 1, 1), torch.eye(4).repeat(3, 1, 1)
    known[0, :3, 3], motion[0, :3, 3] = torch.tensor([0.0, 2.0, 0.0]), torch.tensor([3.0, 0.0, 4.0])
    motion[1, :3, 3] = 1.0
    found = with_length_of(known, motion)
    torch.testing.assert_close(found[0, :3, 3], torch.tensor([1.2, 0.0, 1.6]))
    assert (found[1:] == torch.eye(4)).all(), "nothing to scale by: the known motion stays"
