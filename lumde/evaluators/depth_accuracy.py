"""Depth against ground truth in the order of the published protocols.

Disparity is resized to the ground truth, masked, inverted, aligned, clamped; metrics per image, then mean.
"""

import tempfile
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float

from lumde.errors import DataError, NumericsError
from lumde.evaluators.alignment import ALIGNMENTS, fit_scale_shift, invert, scale_ratio
from lumde.evaluators.base import Evaluation, Evaluator
from lumde.evaluators.protocols import PROTOCOLS, Protocol, counted
from lumde.metrics.depth import depth_metrics
from lumde.structures import Frame, FrameKey

METRICS = ("abs_rel", "sq_rel", "rmse", "rmse_log", "a1", "a2", "a3")
PLAUSIBLE_MEDIAN = (0.1, 200.0)  # metres; a set whose typical depth lies outside has a wrong depth scale


class DepthAccuracy(Evaluator):
    """Seven depth metrics per image and their mean, by KITTI's, NYU's or the dataset's own rules."""

    def __init__(
        self, protocol: Protocol = PROTOCOLS["generic"], align: str = "median", expected: int | None = None
    ) -> None:
        """Choose the rules.

        Args:
            protocol: which pixels count and the depth range.
            align: a key of ALIGNMENTS.
            expected: images of the whole set; None = the protocol's count, and where it has none, all given.
        """
        if align not in ALIGNMENTS:
            raise ValueError(f"align must be one of {', '.join(ALIGNMENTS)}, found '{align}'")
        self.protocol = protocol
        self.align = align
        self.expected = expected if expected is not None else protocol.expected
        self.rows: list[dict[str, Any]] = []
        self.excluded: list[str] = []
        self._truth_medians: list[float] = []
        # One factor for the set is known only at the end: until then the pixels wait on disk (NYU: 1.2 GB).
        self._waiting = tempfile.TemporaryFile() if align == "dataset_scale" else None  # noqa: SIM115

    def update(self, disparity: Float[np.ndarray, "dh dw"], frame: Frame, key: FrameKey) -> None:
        """Score one frame; a frame without usable ground truth is excluded and counted.

        Args:
            disparity: inverse depth, any size, 1 / (metres or model units); 0 = infinitely far.
            frame: with `depth`; pixels outside its `mask` do not count.
            key: names the row.

        Raises:
            NumericsError: the prediction has non-finite or, unless aligned with a shift, negative values.
        """
        where = key.path
        self._check(disparity, where)
        if frame.depth is None:
            self.excluded.append(where)
            return
        if (known := frame.depth[np.isfinite(frame.depth) & (frame.depth > 0)]).size:
            self._truth_medians.append(float(np.median(known)))
        valid = counted(self.protocol, frame.depth, frame.mask)
        if not valid.any():
            self.excluded.append(where)
            return
        height, width = frame.depth.shape
        predicted = resize_disparity(disparity, height, width)[valid].astype(np.float64)
        truth = frame.depth[valid].astype(np.float64)
        row: dict[str, Any] = {"name": key.name, "sequence": key.sequence, "valid_pixels": int(valid.sum())}
        if self.align != "scale_shift":
            row["scale"] = scale_ratio(predicted, truth, where)
        if self._waiting is None:
            row |= self._score(predicted, truth, row.get("scale", 1.0))
        else:
            np.save(self._waiting, np.stack([predicted, truth]))
        self.rows.append(row)

    def result(self) -> Evaluation:
        """Average over images.

        Raises:
            DataError: no frame had usable ground truth, or its values cannot be metres.
        """
        self._check_truth()
        if self._waiting is not None:
            self._score_waiting()
        names = METRICS + (("log10",) if self.protocol.log10 else ())
        expected = self.expected if self.expected is not None else len(self.rows) + len(self.excluded)
        summary = {
            "count": len(self.rows),
            "expected": expected,
            "complete": len(self.rows) == expected,
            "excluded": len(self.excluded),
            "align": self.align,
            "protocol": {
                "name": self.protocol.name,
                "crop": self.protocol.crop,
                "min_depth": self.protocol.min_depth,
                "max_depth": self.protocol.max_depth,
            },
            "metrics": {name: float(np.mean([row[name] for row in self.rows])) for name in names},
            "scale": self._scale(),
        }
        rows = [_ordered(row, names) for row in self.rows]
        return Evaluation(summary, rows, self._notes(expected))

    def _check(self, disparity: Float[np.ndarray, "dh dw"], where: str) -> None:
        bad = int((~np.isfinite(disparity)).sum())
        if bad:
            raise NumericsError(f"{where}: {bad} of {disparity.size} predicted values are NaN or infinite")
        negative = 0 if self.align == "scale_shift" else int((disparity < 0).sum())
        if negative:
            raise NumericsError(
                f"{where}: {negative} of {disparity.size} predicted disparities are negative; "
                "a prediction known up to scale and shift needs --align scale_shift"
            )

    def _score(
        self, predicted: Float[np.ndarray, " n"], truth: Float[np.ndarray, " n"], factor: float
    ) -> dict[str, float]:
        if self.align == "scale_shift":
            depth = fit_scale_shift(predicted, truth)
        else:
            depth = invert(predicted) * (1.0 if self.align == "none" else factor)
        return depth_metrics(np.clip(depth, self.protocol.min_depth, self.protocol.max_depth), truth)

    def _score_waiting(self) -> None:
        assert self._waiting is not None
        factor = float(np.median([row["scale"] for row in self.rows]))
        self._waiting.seek(0)
        for row in self.rows:
            predicted, truth = np.load(self._waiting, allow_pickle=False)
            row |= self._score(predicted, truth, factor)

    def _scale(self) -> dict[str, float | None]:
        if self.align == "scale_shift":
            return {"median": None, "std": None}  # a shift leaves no single factor to tell
        ratios = np.array([row["scale"] for row in self.rows])
        median = float(np.median(ratios))
        return {"median": median, "std": float(np.std(ratios / median))}

    def _check_truth(self) -> None:
        if not self._truth_medians:
            raise DataError(
                f"none of {len(self.excluded)} frames has ground truth; depth/ folder or scans missing?"
            )
        typical = float(np.median(self._truth_medians))
        low, high = PLAUSIBLE_MEDIAN
        if not low <= typical <= high:
            raise DataError(
                f"the typical ground-truth depth is {typical:.4g} m, {low} to {high} m expected; "
                "is depth_scale (values per metre) right?"
            )
        if not self.rows:
            raise DataError(
                f"no ground truth of {len(self.excluded)} frames (typically {typical:.4g} m) lies within "
                f"{self.protocol.min_depth:g} to {self.protocol.max_depth:g} m in crop '{self.protocol.crop}'"
            )

    def _notes(self, expected: int) -> list[str]:
        notes = []
        if self.excluded:
            first = ", ".join(self.excluded[:3])
            notes.append(f"{len(self.excluded)} frames without usable ground truth were left out: {first}")
        if len(self.rows) != expected:
            published = f"; not comparable with published {self.protocol.name} numbers"
            end = published if self.protocol.expected else ""
            word = "PARTIAL" if len(self.rows) < expected else "ANOTHER"
            notes.append(f"{word} SET: {len(self.rows)} of {expected} images{end}")
        return notes


def resize_disparity(
    disparity: Float[np.ndarray, "dh dw"], height: int, width: int
) -> Float[np.ndarray, "h w"]:
    """Resize bilinearly with half-pixel centres and no smoothing, as the KITTI numbers in print are made."""
    if disparity.shape == (height, width):
        return disparity
    tensor = torch.from_numpy(np.array(disparity))[None, None]  # a copy: views may be mirrored or read-only
    return F.interpolate(tensor, size=(height, width), mode="bilinear", align_corners=False)[0, 0].numpy()


def _ordered(row: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Put a row in the order of the table: name, sequence, metrics, valid pixels, scale."""
    columns = ("name", "sequence", *names, "valid_pixels", "scale")
    return {column: row[column] for column in columns if column in row}
