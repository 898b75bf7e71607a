"""Foundation models of the transformers library as teachers: Depth Anything, DPT, ZoeDepth, GLPN, others."""

import json
import re
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from torch import Tensor

from lumde.errors import CheckpointError, ConfigError
from lumde.models import resize_pictures
from lumde.teachers.base import Frozen
from lumde.teachers.foreign import ForeignConfig, ForeignTeacher

METRIC = ("zoedepth", "glpn", "depth_pro")  # model types that answer metres
# Those that answer disparity up to scale and shift; dpt has models of both kinds.
RELATIVE = ("depth_anything",)
# Those whose answers mean nothing without measured depth beside the picture.
PROMPTED = ("prompt_depth_anything",)
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


class FoundationTeacher(ForeignTeacher):
    """A depth model of the transformers library, from a folder on disk or by its name on the hub."""

    @dataclass(kw_only=True)
    class Config(ForeignConfig):
        """Which model."""

        name: str = "foundation"
        path: str  # folder with config.json, model.safetensors and preprocessor_config.json; or OWNER/MODEL
        revision: str = "main"  # of a model on the hub

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
        if kind in PROMPTED:
            raise ConfigError(f"teacher.path: {config.path}: a {kind} model needs depth beside the picture")
        metric = kind in METRIC or getattr(model.config, "depth_estimation_type", "") == "metric"
        self.unit = "metres" if metric and config.answers != "disparity" else "relative"
        self.answers = None if config.answers == "auto" else config.answers
        if self.answers is None and (metric or kind in RELATIVE):
            self.answers = "depth" if metric else "disparity"

    def facts(self) -> str:
        """Its config (some scale their answers by it), preprocessing, and how its answers are read."""
        values = dict(self.model.net.config.to_dict())  # type: ignore[union-attr, operator]
        for key in ("_name_or_path", "transformers_version"):  # where it lies and who reads it change nothing
            values.pop(key, None)
        config = json.dumps(values, sort_keys=True, default=str)
        read = f"{self.pass_facts()}{self.answers} {self.unit} {self.config.affine}"
        return f"{read} {config} {self.processor.to_json_string()}"

    def answer(self, images: Float[Tensor, "b 3 h w"], size: float = 1.0) -> Float[Tensor, "b 1 h w"]:
        """What the model says, enlarged to the images' size; fp32, for bf16 would round far depths away."""
        sizes = [tuple(images.shape[-2:])] * len(images)
        with torch.autocast(images.device.type, enabled=False):
            pictures, fed = self._fed(images.float(), size)
            inputs = self.processor(images=pictures, do_rescale=False, return_tensors="pt", **fed)
            output = self.model(inputs["pixel_values"].to(images.device))
            enlarge = self.processor.post_process_depth_estimation
            padded = {"source_sizes": sizes} if "source_sizes" in signature(enlarge).parameters else {}
            found = enlarge(output, target_sizes=sizes, **padded)
        return torch.stack([one["predicted_depth"] for one in found])[:, None].float()

    def _fed(self, images: Tensor, size: float) -> tuple[Tensor, dict[str, Any]]:
        """Pictures and options that make the preprocessing's result so many times as large."""
        if size == 1:
            return images, {}
        if not self.processor.size:  # it takes pictures as large as they come
            sides = (round(images.shape[-2] * size), round(images.shape[-1] * size))
            return resize_pictures(images, sides), {}
        usual = self.processor(images=images[:1], do_rescale=False, return_tensors="pt")["pixel_values"]
        height, width = (round(side * size) for side in usual.shape[-2:])
        fed: dict[str, Any] = {"size": {"height": height, "width": width}}
        # These are the sides already; the library would choose by which of them a picture changes least.
        return images, fed | (
            {"keep_aspect_ratio": False} if hasattr(self.processor, "keep_aspect_ratio") else {}
        )


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
            config.path, use_safetensors=True, output_loading_info=True, dtype=torch.float32, **options
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
