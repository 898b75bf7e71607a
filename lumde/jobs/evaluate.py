"""Score a model or a file of predictions against ground truth, beside trivial depth maps."""

import csv
import dataclasses
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from lumde.config import nearest, parse, to_dict
from lumde.data import DATASETS
from lumde.data.base import FrameDataset
from lumde.data.recorded import parse_ranges
from lumde.data.synthetic import Synthetic
from lumde.engine.devices import pick_device
from lumde.errors import DataError, UsageError
from lumde.evaluators.accuracy import (
    evaluate_disparities,
    evaluate_frames,
    evaluate_trivial,
    image_predictor,
)
from lumde.evaluators.base import Evaluation
from lumde.evaluators.depth_accuracy import METRICS
from lumde.files import BROKEN_NPY, parse_yaml, printable, write_json, write_text
from lumde.jobs.clip_score import clip_line
from lumde.models import load
from lumde.progress import Progress, silent
from lumde.registry import build
from lumde.structures import Frame
from lumde.worlds import VERSION

Kind = Literal["disparity", "depth"]
DEFAULT_TEST_SET = "streets-v1"


def open_dataset(
    name: str,
    root: str | None = None,
    split: str | None = None,
    frames: str | None = None,
    options: Sequence[str] = (),
) -> FrameDataset:
    """Make a dataset of the table from the options of the command line.

    Args:
        name: a key of DATASETS.
        root: its folder, where it reads one.
        split: a list of frames; where a dataset has frozen test sets in place of lists, one of those.
        frames: `A:B`, by position in the sequence.
        options: further config values, each `key=value`.

    Raises:
        UsageError: unknown dataset; ConfigError: unknown or missing option.
        DataError: the files cannot be used.
    """
    if name not in DATASETS:
        raise UsageError(f"--data {name}: unknown dataset{nearest(name, list(DATASETS))}")
    config_class = DATASETS[name].Config
    known = {f.name: f.type for f in dataclasses.fields(config_class)}
    values: dict[str, Any] = {"name": name, "root": root, "split": split}
    if "test_set" in known:
        values["test_set"] = values.pop("split") or DEFAULT_TEST_SET
    if known.get("frames") is str:
        values["frames"] = frames
    given = {k: v for k, v in values.items() if v is not None} | dict(map(_option, options))
    dataset = build(DATASETS, parse(given, config_class))
    if frames and known.get("frames") is not str:
        chosen = [range(sys.maxsize)[part] for part in parse_ranges(frames)]
        dataset.targets = [key for key in dataset.targets if any(key.position in part for part in chosen)]
    return dataset


def evaluate_model(
    path: Path,
    dataset: FrameDataset,
    align: str = "median",
    flip: bool = False,
    assume_metres: bool = False,
    progress: Progress = silent,
) -> Evaluation:
    """Score a run, checkpoint or model folder over a dataset by the dataset's protocol.

    Args:
        path: what `lumde.load` reads.
        dataset: provides depth.
        align: a key of ALIGNMENTS.
        flip: average with the mirrored image's prediction.
        assume_metres: allow `align` "none" for a model whose unit is not known.
        progress: wraps the frame keys.

    Raises:
        UsageError: unaligned evaluation of relative depth.
    """
    model = load(path)
    unit = model.config.unit
    if align == "none" and unit != "metres" and not assume_metres:
        raise UsageError(
            f"{path}: the model's depth is {unit}, not metres: --align none compares nothing; "
            "use --align median, or --assume-metres if you know better"
        )
    device = pick_device("auto")
    predict = image_predictor(model.to(device).eval().disparity, device)
    result = evaluate_frames(predict, dataset, align=align, flip=flip, progress=progress)
    result.summary["model"] = {"path": _short(path), "unit": unit}
    if model.config.affine and align != "scale_shift":
        result.notes.append(
            "the model's disparity is right only up to a factor and a shift: --align scale_shift"
        )
    if align == "none" and unit != "metres":
        result.notes.append(f"the model says its depth is {unit}; it was read as metres because you said so")
    return result


def evaluate_predictions(
    path: Path,
    dataset: FrameDataset,
    align: str = "median",
    kind: Kind = "disparity",
    progress: Progress = silent,
) -> Evaluation:
    """Score an array of outside predictions, in the order of `dataset.targets`, by the dataset's protocol."""
    maps = read_predictions(path, len(dataset.targets))

    def disparity(number: int, _: Frame) -> Float[np.ndarray, "dh dw"]:
        return _as_disparity(np.array(maps[number], dtype=np.float32), kind, f"{path}, map {number}")

    result = evaluate_disparities({"": disparity}, dataset, align=align, progress=progress)[""]
    result.summary["model"] = {"path": _short(path), "unit": "metres" if align == "none" else "unknown"}
    if align == "none":
        result.notes.append(
            f"--align none reads {path.name} as {'metres' if kind == 'depth' else '1 / metres'}"
        )
    return result


def read_predictions(path: Path, count: int) -> Float[np.ndarray, "n dh dw"]:
    """Open `[N, h, w]` floats without loading them; nothing in the file is executed.

    Raises:
        DataError: not such an array, cut short, or N is not `count`.
    """
    try:
        maps = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except BROKEN_NPY as error:  # a header that promises more than the file holds ends here too
        raise DataError(f"{path}: not a complete .npy array of floats ({error})") from error
    if not isinstance(maps, np.memmap):
        raise DataError(f"{path}: one .npy array needed, found an archive; save with numpy.save")
    if maps.ndim != 3 or maps.dtype.kind != "f":
        raise DataError(f"{path}: floats [N, h, w] needed, found {maps.dtype} {list(maps.shape)}")
    found, promised = path.stat().st_size, maps.offset + maps.nbytes
    if found != promised:
        raise DataError(f"{path}: {found} bytes, its header promises {promised}; was it written to the end?")
    if len(maps) != count:
        raise DataError(f"{path}: {len(maps)} maps for {count} frames; same split, same order?")
    return maps


def add_context(
    result: Evaluation, dataset: FrameDataset, training: FrameDataset | None = None
) -> Evaluation:
    """Put the dataset's name first and the trivial baselines beside the result.

    Args:
        result: of this `dataset`.
        dataset: the test set.
        training: where the trivial maps come from; None = the test set itself.
    """
    config = to_dict(dataset.config)
    trivial = evaluate_trivial(dataset, align=result.summary["align"], training=training)
    source = {"trivial_from": "the evaluated frames themselves"}
    if training is not None:
        source = {"trivial_from": _described(to_dict(training.config))}
    generator = {"generator": VERSION} if isinstance(dataset, Synthetic) else {}
    summary = {
        "data": config["name"],
        "split": _described(config),
        **generator,
        **result.summary,
        "trivial": trivial,
        **source,
    }
    return Evaluation(summary, result.rows, result.notes)


def save(result: Evaluation, path: Path) -> None:
    """Write the JSON, and `per_image.csv` beside it unless it goes to a device or pipe."""
    write_json(path, result.summary)
    if not path.is_file():
        return
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(result.rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in result.rows:
        writer.writerow({k: printable(v) if isinstance(v, str) else v for k, v in row.items()})
    write_text(path.parent / "per_image.csv", text.getvalue())


def table(result: Evaluation, label: str) -> str:
    """Tell the result as text: what was evaluated, the metrics, and the trivial rows under them."""
    summary = result.summary
    protocol = summary["protocol"]
    partial = " PARTIAL," if summary["count"] < summary["expected"] else ""
    head = (
        f"{summary['data']} {summary['split']}: {summary['count']} of {summary['expected']} images,{partial} "
        f"align {summary['align']}, crop {protocol['crop']}, "
        f"{protocol['min_depth']:g}-{protocol['max_depth']:g} m{', flip' if protocol['flip'] else ''}"
    )
    names = METRICS + (("log10",) if "log10" in summary["metrics"] else ())
    rows = {label: summary["metrics"], **summary.get("trivial", {})}
    width = max(len(name) for name in rows)
    lines = [head, " " * width + "".join(f"{name:>10}" for name in names)]
    lines += [name.ljust(width) + "".join(f"{row[n]:>10.4f}" for n in names) for name, row in rows.items()]
    if summary["scale"]["median"] is not None:
        lines.append(f"scale: median {summary['scale']['median']:.4g}, spread {summary['scale']['std']:.3f}")
    if "trivial_from" in summary:
        lines.append(f"trivial rows: maps of {summary['trivial_from']}")
    if "clip" in summary:
        lines.append(clip_line(summary["clip"]))
    return "\n".join(lines)


def _described(config: dict[str, Any]) -> str:
    """Name the part of a dataset that a config picks."""
    parts = [config[key] for key in ("test_set", "split", "frames") if isinstance(config.get(key), str)]
    parts = [_short(Path(part)) if Path(part).is_absolute() else part for part in parts]
    if config.get("test_set"):
        parts.append(f"({config['worlds']} worlds)")
    return " ".join(part for part in parts if part) or "all"


def _short(path: Path) -> str:
    """The end of a path: results travel, folders of one machine should not."""
    return Path(*path.parts[-2:]).as_posix()


def _option(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise UsageError(f"--option {text!r}: write key=value")
    return key, parse_yaml(value, f"--option {key}")


def _as_disparity(values: Float[np.ndarray, "dh dw"], kind: Kind, where: str) -> Float[np.ndarray, "dh dw"]:
    bad = int((~np.isfinite(values)).sum())
    if bad:
        raise DataError(f"{where}: {bad} of {values.size} values are NaN or infinite")
    if kind == "disparity":
        return values
    if (low := int((values <= 0).sum())) > 0:
        raise DataError(f"{where}: {low} of {values.size} depths are 0 or negative; is it disparity?")
    return 1.0 / values
