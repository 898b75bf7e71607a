"""One pass over a dataset: frames in, depth accuracy out: for `evaluate`, validation and the demo."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from lumde.data.base import FrameDataset
from lumde.errors import DataError
from lumde.evaluators.base import Evaluation
from lumde.evaluators.depth_accuracy import DepthAccuracy
from lumde.evaluators.protocols import Protocol, resolve_protocol
from lumde.evaluators.trivial import trivial_depths
from lumde.progress import Progress, silent
from lumde.structures import Frame

Predict = Callable[[UInt8[np.ndarray, "h w 3"]], Float[np.ndarray, "dh dw"]]  # RGB image -> disparity
FrameDisparity = Callable[
    [int, Frame], Float[np.ndarray, "dh dw"]
]  # number in dataset.targets, frame -> disparity


def evaluate_frames(
    predict: Predict,
    dataset: FrameDataset,
    protocol: str | Protocol | None = None,
    align: str = "median",
    flip: bool = False,
    progress: Progress = silent,
) -> Evaluation:
    """Score a predictor over `dataset.targets`.

    Args:
        predict: answers disparity (inverse depth, model units) of any size for an RGB image.
        dataset: must provide depth.
        protocol: a key of PROTOCOLS; None = the dataset's own.
        align: a key of ALIGNMENTS.
        flip: average with the prediction of the mirrored image (flip post-processing).
        progress: wraps the frame keys and tells how far it is.
    """

    def disparity(_: int, frame: Frame) -> Float[np.ndarray, "dh dw"]:
        plain = predict(frame.image)
        if not flip:
            return plain
        return merge_flipped(plain, predict(np.ascontiguousarray(frame.image[:, ::-1]))[:, ::-1])

    result = evaluate_disparities({"": disparity}, dataset, protocol, align, progress)[""]
    result.summary["protocol"]["flip"] = flip
    return result


def evaluate_disparities(
    sources: Mapping[str, FrameDisparity],
    dataset: FrameDataset,
    protocol: str | Protocol | None = None,
    align: str = "median",
    progress: Progress = silent,
) -> dict[str, Evaluation]:
    """Score several sources of disparity over one reading of the dataset; answers one evaluation for each."""
    if "depth" not in dataset.provides:
        raise DataError(f"{type(dataset).__name__} has no ground-truth depth: nothing to evaluate against")
    rules = resolve_protocol(protocol, dataset)
    expected = rules.expected or dataset.expected  # an own list never stands for the published set
    evaluators = {name: DepthAccuracy(rules, align, expected) for name in sources}
    for number, key in enumerate(progress(dataset.targets, "evaluate")):
        frame = dataset.read(key)
        for name, disparity in sources.items():
            evaluators[name].update(disparity(number, frame), frame, key)
    results = {name: evaluator.result() for name, evaluator in evaluators.items()}
    for result in results.values():
        result.summary["protocol"]["flip"] = False
    return results


def evaluate_trivial(
    dataset: FrameDataset,
    protocol: str | Protocol | None = None,
    align: str = "median",
    training: FrameDataset | None = None,
) -> dict[str, dict[str, float]]:
    """Score constant, mean and median depth by the same rules.

    Args:
        dataset: the test set.
        protocol: as in `evaluate_frames`.
        align: as in `evaluate_frames`.
        training: where the maps come from; None = the test set itself, which flatters them (in-sample).

    Returns:
        Metrics for `constant_depth`, `mean_depth`, `median_depth`.
    """
    rules = resolve_protocol(protocol, dataset)
    depths = trivial_depths(training or dataset, rules)
    sources = {name: _always(1.0 / depth) for name, depth in depths.items()}
    results = evaluate_disparities(sources, dataset, rules, align)
    return {name: result.summary["metrics"] for name, result in results.items()}


def _always(disparity: Float[np.ndarray, "dh dw"]) -> FrameDisparity:
    return lambda _number, _frame: disparity


def merge_flipped(
    plain: Float[np.ndarray, "h w"], unflipped: Float[np.ndarray, "h w"]
) -> Float[np.ndarray, "h w"]:
    """Merge the disparity of an image with that of its mirror image, mirrored back.

    The left twentieth takes `unflipped`, the right twentieth `plain`, the middle their mean, ramps between.

    Source: Godard et al. 2017, arXiv:1609.03677, sec. 4.2 (post-processing).
    """
    x = np.linspace(0.0, 1.0, plain.shape[1])
    left = 1.0 - np.clip(20.0 * (x - 0.05), 0.0, 1.0)
    right = left[::-1]
    merged = right * plain + left * unflipped + (1.0 - left - right) * 0.5 * (plain + unflipped)
    return merged.astype(plain.dtype)


def image_predictor(
    disparity: Callable[[Float[Tensor, "b 3 h w"]], Float[Tensor, "b 1 dh dw"]],
    device: torch.device | str = "cpu",
) -> Predict:
    """Wrap a network's batch function (images in [0, 1] -> inverse depth) for single RGB images."""

    def predict(image: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "dh dw"]:
        pixels = (
            torch.from_numpy(np.ascontiguousarray(image)).to(device).permute(2, 0, 1)[None].float() / 255.0
        )
        with torch.inference_mode():
            return disparity(pixels)[0, 0].float().cpu().numpy()

    return predict
