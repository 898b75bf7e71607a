"""Foundation models of the transformers library as teachers: Depth Anything, DPT, ZoeDepth, GLPN, others."""

import re
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from torch import Tensor

from lumde.errors import CheckpointError, ConfigError
from lumde.structures import Unit
from lumde.teachers.base import Frozen, NetworkTeacherConfig, Teacher

Polarity = Literal["depth", "disparity"]
METRIC = ("zoedepth", "glpn", "depth_pro", "prompt_depth_anything")  # model types that answer metres
RELATIVE = ("depth_anything", "dpt")  # those that answer disparity up to scale and shift
FARTHEST = 50.0  # times the nearest depth: where a relative disparity's least value is put
ENDS = (0.002, 0.998)  # shares of pixels between which disparity is stretched
# What the library raises for files that are missing, damaged or of another kind.
_LOADING_ERRORS = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RuntimeError,
    ImportError,
    SafetensorError,
)
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


class FoundationTeacher(Teacher):
    """A depth model of the transformers library, from a folder on disk or by its name on the hub.

    Where a model answers disparity only up to scale and shift, every picture's answer is stretched between 1
    and 1/50: its shape is the model's, its range is ours. `loss: affine_invariant` undoes that.
    """

    @dataclass(kw_only=True)
    class Config(NetworkTeacherConfig):
        """Which model, and how its answers are meant."""

        name: str = "foundation"
        path: str  # folder with config.json, model.safetensors and preprocessor_config.json; or OWNER/MODEL
        revision: str = "main"  # of a model on the hub
        answers: Literal["auto", "depth", "disparity"] = (
            "auto"  # auto: as its kind is known to, else by looking
        )

    def __init__(self, config: Config) -> None:
        """Load weights (safetensors only, no code of theirs) and preprocessing; freeze.

        Raises:
            ConfigError: the transformers library is missing, or `path` is neither folder nor name.
            CheckpointError: files are missing, damaged or of another kind of model.
        """
        super().__init__()
        self.config = config
        model, self.processor = _loaded(config)
        self.model = Frozen(model)
        self.kind = kind = str(model.config.model_type)
        metric = kind in METRIC or getattr(model.config, "depth_estimation_type", "") == "metric"
        self.unit: Unit = "metres" if metric and config.answers != "disparity" else "relative"
        self.answers: Polarity | None = None if config.answers == "auto" else config.answers
        if self.answers is None and (metric or kind in RELATIVE):
            self.answers = "depth" if metric else "disparity"

    def begin(self, images: Float[Tensor, "b 3 h w"]) -> list[str]:
        """Look at real frames once: find or check the polarity, and say what the answers are taken for."""
        with torch.no_grad():
            answer = self._answer(images)
        seems = _polarity(answer)
        known = self.answers
        self.answers = known or seems
        said = [f"teacher: its answers are read as {self.answers}, {self._range()}"]
        if known and seems != known:
            said.append(
                f"teacher: on these frames they look like {seems} (what is low in a picture is mostly near); "
                f"if so, set teacher.answers={seems}"
            )
        return said + super().begin(images)

    def state(self) -> dict[str, Any]:
        """How its answers are read."""
        return {"answers": self.answers}

    def restore(self, state: dict[str, Any]) -> None:
        """Read them as when the run began; what a config says goes first."""
        if self.answers is None and state.get("answers") in get_args(Polarity):
            self.answers = state["answers"]

    def facts(self) -> str:
        """Its preprocessing, and how its answers are read."""
        return f"{self.answers} {self.unit} {self.kind} {self.processor.to_json_string()}"

    def depth(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1 h w"]:
        """Depth at the images' size; the model sees them as its preprocessing says."""
        answer = self._answer(images)
        if self.answers is None:
            self.answers = _polarity(answer)
        if self.unit == "metres":
            return answer.clamp(min=1e-3)
        disparity = answer if self.answers == "disparity" else 1 / answer.clamp(min=1e-6)
        return 1 / _stretched(disparity)

    def _range(self) -> str:
        if self.unit == "metres":
            return "in metres"
        return f"up to scale and shift; nearest and farthest of a picture are put {FARTHEST:g} times apart"

    def _answer(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1 h w"]:
        """What the model says, enlarged to the images' size; fp32, for bf16 would round far depths away."""
        sizes = [tuple(images.shape[-2:])] * len(images)
        with torch.autocast(images.device.type, enabled=False):
            inputs = self.processor(images=images.float(), do_rescale=False, return_tensors="pt")
            output = self.model(inputs["pixel_values"].to(images.device))
            enlarge = self.processor.post_process_depth_estimation
            padded = {"source_sizes": sizes} if "source_sizes" in signature(enlarge).parameters else {}
            found = enlarge(output, target_sizes=sizes, **padded)
        return torch.stack([one["predicted_depth"] for one in found])[:, None].float()


def _loaded(config: FoundationTeacher.Config) -> tuple[Any, Any]:
    """Model and image processor."""
    local = Path(config.path).is_dir()
    if not local and not HUB_NAME.fullmatch(config.path):
        raise ConfigError(f"teacher.path: {config.path}: neither a folder nor a name like OWNER/MODEL")
    try:
        from transformers import AutoImageProcessor, AutoModelForDepthEstimation
        from transformers.utils import logging
    except ImportError as error:
        raise ConfigError(
            "teacher foundation needs the transformers library: pip install 'lumde[hf]'"
        ) from error
    logging.disable_progress_bar()
    options = {"local_files_only": local, "trust_remote_code": False, "revision": config.revision}
    try:
        model, loading = AutoModelForDepthEstimation.from_pretrained(
            config.path, use_safetensors=True, output_loading_info=True, **options
        )
        processor = AutoImageProcessor.from_pretrained(config.path, **options)
    except _LOADING_ERRORS as error:
        reason = str(error).strip().partition("\n")[0]
        raise CheckpointError(
            f"{config.path}: no depth model that can be used as teacher ({reason}); needed are config.json, "
            "model.safetensors and preprocessor_config.json"
        ) from error
    if lacking := [*loading["missing_keys"], *loading["mismatched_keys"]]:
        raise CheckpointError(
            f"{config.path}: the weights of another model: {len(lacking)} are missing or of another shape, "
            f"e.g. {lacking[0]}"
        )
    return model.eval(), processor


def _polarity(answer: Float[Tensor, "b 1 h w"]) -> Polarity:
    """Disparity if answers grow towards the bottom of the pictures, where what is near mostly is."""
    rows = answer.float().mean(dim=(1, 3))
    centred = rows - rows.mean(1, keepdim=True)
    down = torch.linspace(-1, 1, rows.shape[1], device=rows.device)
    return "disparity" if float((centred * down).sum(1).sign().sum()) >= 0 else "depth"


def _stretched(disparity: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 1 h w"]:
    """Bring each picture's disparity to 1/FARTHEST .. 1."""
    ends = disparity.new_tensor(ENDS)
    low, high = disparity.flatten(1).quantile(ends, dim=1)[..., None, None, None]
    share = ((disparity - low) / (high - low).clamp(min=1e-6)).clamp(0, 1)
    return (1 / FARTHEST) + (1 - 1 / FARTHEST) * share
