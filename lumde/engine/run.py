"""The recipe: config -> parts -> loop -> model folder."""

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from lumde.config import dump, parse_part, to_dict
from lumde.data import DATASETS
from lumde.data.base import FrameDataset
from lumde.data.loader import Batches
from lumde.data.snippets import Snippets
from lumde.engine import checkpoint
from lumde.engine.confidence import FOLDER as CONFIDENCE
from lumde.engine.confidence import write_confidence
from lumde.engine.devices import environment, network_dtype, pick_device
from lumde.engine.fit import require_fit
from lumde.engine.log import RunLog
from lumde.engine.loop import Loop
from lumde.engine.notes import TEACHER_FOUND, late_terms, teacher_notes
from lumde.engine.optimize import OptimizerConfig
from lumde.engine.run_config import TrainConfig
from lumde.engine.same import require_same
from lumde.engine.validate import Validation
from lumde.errors import CheckpointError, ConfigError
from lumde.files import claim_output, require_unused, write_json, write_text
from lumde.lock import locked
from lumde.methods import METHODS
from lumde.methods.base import Method
from lumde.methods.video import VideoTerms
from lumde.metrics.cost import Multiplications
from lumde.models import DepthModel, ModelConfig, build_net, save
from lumde.registry import Named, build
from lumde.teachers import TEACHERS, Teacher

Finish = Callable[[DepthModel], DepthModel]


@dataclass
class Parts:
    """A run that is ready to start."""

    method: Method
    teacher: Teacher | None
    streams: dict[str, Batches]
    model: DepthModel
    validation: Validation | None
    device: torch.device


def train(
    config: TrainConfig,
    out: Path,
    resume: bool = False,
    quiet: bool = False,
    opened: Mapping[str, FrameDataset] | None = None,
    finish: Finish | None = None,
) -> dict[str, Any]:
    """Run a whole training and answer its result, which also lies in `out`/result.json.

    Args:
        config: what to train, on what, for how long.
        out: run folder, new unless `resume`.
        resume: go on from the newest sound checkpoint in `out`.
        quiet: say nothing on stderr.
        opened: datasets by stream name that are open already (several runs on the same rendered worlds); they
            must be what `config` describes.
        finish: makes of the trained network the one to store, in evaluation mode; pose networks stay behind.

    Raises:
        LumdeError: the child that fits what went wrong; state up to then is saved in `out`.
    """
    require_unused(out, resume)
    parts = prepare(config, opened or {})
    claim_output(out, resume)
    with locked(out):
        return _trained(config, parts, out, resume, quiet, finish)


def _trained(
    config: TrainConfig, parts: Parts, out: Path, resume: bool, quiet: bool, finish: Finish | None
) -> dict[str, Any]:
    found = checkpoint.newest(out / "checkpoints") if resume else None
    if found:
        require_same(config, out / "config.yaml")
    elif (out / "model").exists():  # beginning anew would replace it
        raise CheckpointError(f"{out}: it has a model, but no checkpoint to go on from; choose another --out")
    loop = Loop(
        config.loop, parts.method, parts.streams, _phase_optimizers(config, parts.method), parts.model
    )
    if found:
        loop.restore(found[0])
    else:  # an attempt that left nothing else may have had another teacher
        (out / TEACHER_FOUND).unlink(missing_ok=True)
    # Before any file is written: a teacher that is refused now may be described better in the next attempt.
    notes = _notes(config, parts, loop.step, found[1] if found else (), out)
    write_text(out / "config.yaml", dump(config))
    write_json(out / "environment.json", environment(config.loop.seed, parts.device))
    with RunLog(out, loop.steps, loop.step, quiet) as log:
        for note in notes:
            log.say(note)
        beside, begun = Multiplications(_beside(loop.method)), loop.step
        loop.run(out, log, parts.validation)
        beside.stop()
        loop.refresh_model()
        result = _result(config, loop, parts.validation)
        pictures = config.loader.batch * (loop.step - begun)
        result["extra_gmacs"] = beside.total / 1e9 / pictures if pictures else None
        if "validation" in result:
            log.validation(loop.step - 1, result["validation"])
    _ship(parts, out / "model", result, resume, finish)
    if config.confidence:
        parts.method.student.load_state_dict(parts.model.net.state_dict())  # that of the shipped weights
        write_confidence(parts.method, parts.streams["main"], out / CONFIDENCE)
    result["notes"] = notes  # of this run, not of the model
    write_json(out / "result.json", result)
    return result


def _notes(config: TrainConfig, parts: Parts, step: int, damaged: Iterable[str], out: Path) -> list[str]:
    """What the user should hear before the first step."""
    notes = [f"skipped a damaged checkpoint: {problem}" for problem in damaged]
    notes += late_terms(config.loop.steps, parts.method)
    if parts.teacher is not None:
        notes += teacher_notes(parts.method, parts.teacher, parts.streams["main"].at(step), out)
    return notes


def prepare(config: TrainConfig, opened: Mapping[str, FrameDataset]) -> Parts:
    """Build every part of a run and check that they fit each other, before any training."""
    device = pick_device(config.loop.device)
    torch.manual_seed(config.loop.seed)
    student = build_net(config.student)
    teacher = build(TEACHERS, config.teacher) if config.teacher else None
    method: Method = build(METHODS, config.method, student, teacher)
    require_fit(config, method, teacher)
    method = method.to(device)
    if config.loop.channels_last:
        method = method.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    method.network_dtype = network_dtype(config.loop.precision, device)
    for module in method.modules():
        if isinstance(module, VideoTerms):
            module.stereo = config.snippets.stereo
    method.check()
    model = DepthModel(_model_config(config, method), build_net(config.student))
    validation = (
        Validation.build(config.validation, config.snippets, method, model) if config.validation else None
    )
    if config.loop.plateau and (validation is None or "depth" not in validation.dataset.provides):
        raise ConfigError("loop.plateau: needs a validation section with ground truth, to see what is gained")
    streams = _streams(config, method, device, opened)
    if teacher is not None:
        for stream in streams.values():
            if getattr(config.teacher, "cache", "") and stream.snippets.dataset.changes:
                raise ConfigError("teacher.cache: data.fresh brings other pictures every epoch; drop either")
            teacher.check(stream.snippets.keys)
    return Parts(method, teacher, streams, model, validation, device)


def _model_config(config: TrainConfig, method: Method) -> ModelConfig:
    """How the trained network is fed: one shape, or any whose shorter side is that of a usual window."""
    windows = config.augment.windows
    whole = (config.snippets.height, config.snippets.width)
    height, width = sorted(windows, key=min)[(len(windows) - 1) // 2] if windows else whole
    fit: Literal["stretch", "side"] = "side" if windows else "stretch"
    return ModelConfig(
        net=config.student, height=height, width=width, fit=fit, unit=method.unit, affine=method.affine
    )


def _streams(
    config: TrainConfig, method: Method, device: torch.device, opened: Mapping[str, FrameDataset]
) -> dict[str, Batches]:
    """One stream of batches for each name the method reads; `data` is "main"."""
    configs = {"main": config.data}
    for name, values in config.streams.items():
        if name not in method.streams:
            raise ConfigError(f"streams.{name}: method '{config.method.name}' does not read it")
        configs[name] = parse_part(values, DATASETS, f"streams.{name}")
    if lacking := set(method.streams) - set(configs):
        raise ConfigError(f"streams: method '{config.method.name}' also reads {', '.join(sorted(lacking))}")
    streams = {}
    for name, data in configs.items():
        needs = method.needs_of(name)
        dataset = _checked(opened.get(name) or build(DATASETS, data), needs, name, data.name)
        # Only targets of the main stream have to be the same for all methods: photographs have no neighbours.
        shape = config.snippets if name == "main" else replace(config.snippets, neighbours=False)
        snippets = Snippets(dataset, shape, fields_for(needs, data))
        streams[name] = Batches(snippets, config.loader, config.augment, config.loop.seed, device)
    return streams


def fields_for(needs: tuple[str, ...], data: Named) -> tuple[str, ...]:
    """What snippets must carry: what is needed, and masks wherever there are some."""
    provides = DATASETS[data.name].provides
    return tuple(dict.fromkeys([*needs, *(["mask"] if "mask" in provides else [])]))


def _checked(dataset: FrameDataset, needs: tuple[str, ...], stream: str, name: str) -> FrameDataset:
    if lacking := set(needs) - set(dataset.provides):
        where = "data" if stream == "main" else f"streams.{stream}"
        raise ConfigError(
            f"{where}: '{name}' provides {', '.join(dataset.provides) or 'pictures only'}; this method also "
            f"needs {', '.join(sorted(lacking))}"
        )
    return dataset


def _phase_optimizers(config: TrainConfig, method: Method) -> dict[str, OptimizerConfig]:
    if unknown := set(config.phases) - set(method.phases):
        raise ConfigError(f"phases.{unknown.pop()}: unknown, this method has {', '.join(method.phases)}")
    return {phase: config.phases.get(phase, config.optimizer) for phase in method.phases}


def _result(config: TrainConfig, loop: Loop, validation: Validation | None) -> dict[str, Any]:
    result: dict[str, Any] = {
        "method": config.method.name,
        "student": to_dict(config.student),
        "teacher": to_dict(config.teacher),
        "data": to_dict(config.data),
        "seed": config.loop.seed,
        "budget": {"steps": config.loop.steps} if config.loop.steps else {"minutes": config.loop.minutes},
        "extra_params": _extra_params(loop.method),
        "steps": loop.step,
        "seconds": loop.seconds,
        "data_wait_share": loop.total_wait / max(1e-9, loop.seconds),
        "skipped": loop.guard.counts(),
        "snippets": {name: stream.snippets.report for name, stream in loop.streams.items()},
        "unreadable": sum(len(stream.snippets.damage.problems) for stream in loop.streams.values()),
    }
    if validation:
        result["validation"] = validation()
    return result


def _extra_params(method: Method) -> int:
    """Numbers that learn beside the student's and are not shipped: of a pose network, critic, adapters."""
    return sum(p.numel() for module in _beside(method) for p in module.parameters(recurse=False))


def _beside(method: Method) -> list[nn.Module]:
    """The modules whose own numbers those are."""
    shipped = {id(parameter) for parameter in method.student.parameters()}
    learning = {id(p) for phase in method.phases for p in method.trainable(phase)} - shipped
    return [m for m in method.modules() if learning & {id(p) for p in m.parameters(recurse=False)}]


def _ship(parts: Parts, folder: Path, result: dict[str, Any], resume: bool, finish: Finish | None) -> None:
    """Write RUN/model; a resumed run that had finished already replaces it."""
    parts.model.config.training = result
    model = finish(parts.model.eval()) if finish else parts.model
    if resume and folder.exists():
        shutil.rmtree(folder)
    save(model, folder, pose=None if finish else parts.method.pose_net)
