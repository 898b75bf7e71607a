"""A foundation model saved here, tiny and random, is read back and used; nothing is downloaded."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from lumde import cli
from lumde.errors import CheckpointError, ConfigError
from lumde.models import load
from lumde.teachers.foreign import FARTHEST, polarity, stretched
from lumde.teachers.foundation import FoundationTeacher

transformers = pytest.importorskip("transformers")
TINY = {  # a backbone's four levels
    "hidden_size": 16,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "out_features": ["stage1", "stage2", "stage3", "stage4"],
    "reshape_hidden_states": False,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("foundation")
    backbone = transformers.Dinov2Config(**TINY, image_size=56, patch_size=14, apply_layernorm=True)
    config = transformers.DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=16,
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        head_hidden_size=8,
        patch_size=14,
    )
    torch.manual_seed(0)
    transformers.DepthAnythingForDepthEstimation(config).save_pretrained(path)
    size = {"height": 56, "width": 56}
    transformers.DPTImageProcessor(size=size, keep_aspect_ratio=True, ensure_multiple_of=14).save_pretrained(
        path
    )
    return path


def teacher(folder, **options) -> FoundationTeacher:
    return FoundationTeacher(FoundationTeacher.Config(path=str(folder), **options))


def test_it_answers_depth_of_the_pictures_size_and_stays_frozen(folder):
    model = teacher(folder).train()
    images = torch.rand(2, 3, 48, 80)
    depth = model.depth(images)
    assert depth.shape == (2, 1, 48, 80) and depth.dtype == torch.float32
    assert depth.min() >= 1 and depth.max() <= FARTHEST * 1.001
    assert model.gives == ("maps", "depth") and model.unit == "relative"
    assert not any(module.training for module in model.model.modules())
    assert not any(p.requires_grad for p in model.parameters())
    assert torch.equal(depth, model.depth(images))


def test_half_precision_on_disk_is_run_in_full(folder, tmp_path):
    model = transformers.DepthAnythingForDepthEstimation.from_pretrained(folder)
    model.half().save_pretrained(tmp_path)
    shutil.copy(folder / "preprocessor_config.json", tmp_path)
    stored = teacher(tmp_path)
    assert {p.dtype for p in stored.parameters()} == {torch.float32}
    assert stored.depth(torch.rand(1, 3, 48, 80)).isfinite().all()


def test_a_config_that_scales_its_answers_is_part_of_it(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "other")
    assert teacher(folder).facts() == teacher(tmp_path / "other").facts()
    values = json.loads((folder / "config.json").read_text())
    (tmp_path / "other" / "config.json").write_text(json.dumps({**values, "max_depth": 7}))
    assert teacher(folder).facts() != teacher(tmp_path / "other").facts()


def test_it_sees_what_its_preprocessing_makes_of_a_picture(folder):
    """The same as by the library's own pipeline: processor, model, enlargement."""
    model = teacher(folder, answers="disparity")
    images = torch.rand(1, 3, 48, 80)
    processor = transformers.AutoImageProcessor.from_pretrained(folder, local_files_only=True)
    net = transformers.AutoModelForDepthEstimation.from_pretrained(folder, local_files_only=True).eval()
    with torch.no_grad():
        output = net(**processor(images=images, do_rescale=False, return_tensors="pt"))
        (found,) = processor.post_process_depth_estimation(output, target_sizes=[(48, 80)])
    torch.testing.assert_close(model.depth(images), 1 / stretched(found["predicted_depth"][None, None]))


def test_passes_are_averaged_at_their_sizes_and_mirrored(folder):
    images, seen = torch.rand(2, 3, 48, 80), []
    many = teacher(folder, sizes=(1.0, 2.0), flip=True, spread=0.1)
    many.model.register_forward_pre_hook(lambda _, args: seen.append(tuple(args[0].shape[-2:])))
    depth = many.depth(images)
    assert seen == [(56, 98), (112, 196)] * 2
    plain = teacher(folder)
    expected = [many.ask(images, 1.0), many.ask(images, 2.0)]
    expected += [many.ask(images.flip(-1), size).flip(-1) for size in (1.0, 2.0)]
    torch.testing.assert_close(expected[0], plain.depth(images))
    assert not torch.allclose(expected[0], expected[1])
    torch.testing.assert_close(depth, torch.stack(expected).log().mean(0).exp())
    spread = torch.stack(expected).log().std(0, correction=0)
    torch.testing.assert_close(many.certainty(images), 1 / (1 + (spread / 0.1) ** 2))
    assert many.weighs and not many.one_pass and plain.one_pass and many.facts() != plain.facts()
    with pytest.raises(ValueError, match="two passes or more"):
        teacher(folder, most_spread=0.1)


def test_a_model_that_sees_one_size_alone_is_asked_for_no_other(folder, monkeypatch):
    model = teacher(folder, sizes=(1.0, 1.5), answers="disparity")

    def answer(images, size=1.0):
        if size != 1:
            raise ValueError("Input image size (84*84) doesn't match model (56*56)")
        return images[:, :1]

    monkeypatch.setattr(model, "answer", answer)
    with pytest.raises(ConfigError, match=r"teacher.sizes: .* asked at 1.5 times its size \(Input image"):
        model.begin(torch.rand(2, 3, 48, 80))


def test_polarity_is_told_and_doubted_where_frames_say_otherwise(folder):
    ramp = torch.linspace(0, 1, 20).view(1, 1, 20, 1).expand(3, 1, 20, 8)
    assert polarity(ramp) == "disparity" and polarity(1 - ramp) == "depth"
    model = teacher(folder)
    model.answer = lambda images, size=1.0: 1 - ramp
    with pytest.raises(ConfigError, match="read as disparity.* look like depth.* teacher.answers="):
        model.begin(torch.rand(3, 3, 20, 8))  # nobody said which: not a guess to train on for hours
    model.restore({"answers": "disparity"})
    assert "look like depth" in model.begin(torch.rand(3, 3, 20, 8))[1]  # a run goes on as it began
    told = teacher(folder, answers="disparity")
    told.answer = model.answer
    said = told.begin(torch.rand(3, 3, 20, 8))
    assert "read as disparity" in said[0] and "look like depth" in said[1] and told.affine
    model.answers = None  # of a kind that nobody knows: what is seen decides
    assert "read as depth" in model.begin(torch.rand(3, 3, 20, 8))[0]
    depth = model.depth(torch.rand(3, 3, 20, 8))
    assert (depth.diff(dim=2) <= 1e-4).all()  # the ramp fell: the bottom is near


def test_stretched_disparity_by_hand():
    disparity = torch.linspace(3.0, 7.0, 1001).view(1, 1, 7, 143)
    found = stretched(disparity).flatten()
    assert found[0] == pytest.approx(1 / FARTHEST) and found[-1] == 1
    assert found[500] == pytest.approx((1 + 1 / FARTHEST) / 2, abs=1e-4)


def test_what_is_no_model_is_refused(folder, tmp_path):
    with pytest.raises(ConfigError, match="neither a folder nor a name"):
        teacher("../../etc passwd")
    with pytest.raises(CheckpointError, match="no depth model"):
        teacher(tmp_path)
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in folder.iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    (broken / "model.safetensors").write_bytes(b"\x80\x04garbage")
    with pytest.raises(CheckpointError, match="broken"):
        teacher(broken)
    config = json.loads((folder / "config.json").read_text())
    (broken / "config.json").write_text(json.dumps(config | {"model_type": "resnet"}))
    with pytest.raises(CheckpointError, match="broken"):
        teacher(broken)


def zoedepth(path) -> None:
    backbone = transformers.BeitConfig(**TINY, image_size=64, patch_size=16, out_indices=None)
    config = transformers.ZoeDepthConfig(
        backbone_config=backbone,
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        bottleneck_features=8,
        num_relative_features=4,
        bin_configurations=[{"n_bins": 8, "min_depth": 0.1, "max_depth": 10.0, "name": "nyu"}],
        bin_embedding_dim=4,
        num_attractors=[4, 2, 2, 1],
    )
    transformers.ZoeDepthForDepthEstimation(config).save_pretrained(path)
    transformers.ZoeDepthImageProcessor(size={"height": 64, "width": 64}).save_pretrained(path)


def glpn(path) -> None:
    sizes = {"hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1], "num_attention_heads": [1, 1, 2, 2]}
    config = transformers.GLPNConfig(**sizes, decoder_hidden_size=8)
    transformers.GLPNForDepthEstimation(config).save_pretrained(path)
    transformers.GLPNImageProcessor().save_pretrained(path)


@pytest.mark.parametrize("write", [zoedepth, glpn])
def test_models_that_answer_metres(write, tmp_path):
    torch.manual_seed(0)
    write(tmp_path)
    model, images = teacher(tmp_path), torch.rand(2, 3, 48, 80)
    assert model.unit == "metres" and "in metres" in model.begin(images)[0]
    depth = model.depth(images)
    assert depth.shape == (2, 1, 48, 80) and depth.min() > 0
    assert teacher(tmp_path, answers="disparity").unit == "relative"  # then no metre is left
    larger, seen = teacher(tmp_path, sizes=(1.0, 2.0)), []
    larger.model.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape[-2:].numel()))
    larger.begin(images)
    assert larger.depth(images).shape == (2, 1, 48, 80)
    assert seen[-1] >= 4 * seen[-2]  # glpn rounds sides down to multiples of 32


def test_weights_of_another_model_are_refused(folder, tmp_path):
    from safetensors.torch import save_file

    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    save_file({"foo.weight": torch.zeros(1)}, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="another model"):
        teacher(tmp_path)


def test_nothing_far_is_lost_to_half_precision(folder):
    model, images = teacher(folder), torch.rand(1, 3, 48, 80)
    with torch.autocast("cpu", torch.bfloat16):
        half = model.depth(images)
    torch.testing.assert_close(half, model.depth(images))


def test_pickled_weights_are_not_read(folder, tmp_path):
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    torch.save({"weight": torch.zeros(1)}, tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError):
        teacher(tmp_path)


def dpt(path) -> None:
    config = transformers.DPTConfig(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=64,
        patch_size=16,
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        is_hybrid=False,
    )
    transformers.DPTForDepthEstimation(config).save_pretrained(path)
    size = {"height": 64, "width": 64}
    transformers.DPTImageProcessor(size=size).save_pretrained(path)


def test_a_kind_of_model_that_has_both_polarities_asks_what_it_answers(tmp_path):
    """DPT was trained to answer disparity, and fine-tuned to answer depth: its kind does not tell which."""
    torch.manual_seed(0)
    dpt(tmp_path)
    images = torch.rand(2, 3, 48, 80)
    told = teacher(tmp_path, answers="disparity")
    assert "read as disparity" in told.begin(images)[0] and told.affine and told.unit == "relative"
    depth = told.depth(images)
    assert depth.shape == (2, 1, 48, 80) and depth.isfinite().all() and depth.min() > 0


@pytest.mark.parametrize("write", [None, glpn])
def test_the_front_door_trains_a_student_of_any_folder(folder, write, tmp_path):
    """`lumde train distill_foundation teacher.path=DIR data.root=DATA`, and nothing else that matters."""
    torch.manual_seed(0)
    model = folder if write is None else tmp_path / "foundation"
    if write:
        write(model)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(12):
        noise = np.random.default_rng(number).integers(0, 255, (64, 96, 3), dtype=np.uint8)
        Image.fromarray(noise).save(pictures / f"{number:02d}.png")
    out = tmp_path / "student"
    smaller = ["snippets.height=64", "snippets.width=96", "loader.workers=0", "loop.steps=2"]
    told = [
        f"teacher.path={model}",
        f"data.root={pictures}",
        "teacher.answers=disparity" if not write else "",
    ]
    assert cli.main(["train", "distill_foundation", *filter(None, told), *smaller, "--out", str(out)]) == 0
    said = json.loads((out / "result.json").read_text())["notes"]
    assert any("method.loss=log_l1" in note for note in said) == bool(write)  # GLPN's metres would be lost
    trained = load(out)
    assert trained.config.affine and trained.config.unit == "relative"
