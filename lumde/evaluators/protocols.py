"""Which pixels of a ground-truth map count, and in which range: one row per published protocol."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from lumde.config import nearest
from lumde.data.base import FrameDataset
from lumde.data.resize import at_centres
from lumde.errors import DataError, UsageError

NYU_SIZE = (480, 640)  # h, w of the labelled NYU images; the Eigen crop is in their pixels


@dataclass(frozen=True)
class Protocol:
    """The conventions of one benchmark; predictions are always clamped to [min_depth, max_depth]."""

    name: str
    crop: str = "none"  # none | garg | eigen
    min_depth: float = 1e-3  # metres, > 0
    max_depth: float = 80.0  # metres
    truth_in_range: bool = True  # False: every ground-truth value above 0 counts
    expected: int | None = None  # images of the published test set
    log10: bool = False  # report the mean absolute log10 difference as well
    source: str = ""


PROTOCOLS: dict[str, Protocol] = {
    "kitti_eigen": Protocol(
        "kitti_eigen",
        crop="garg",
        expected=697,
        source="split: Eigen et al. 2014, arXiv:1406.2283; crop: Garg et al. 2016, arXiv:1603.04992",
    ),
    "kitti_improved": Protocol(
        "kitti_improved",
        truth_in_range=False,
        expected=652,
        source="Uhrig et al. 2017, arXiv:1708.06500: accumulated ground truth of the Eigen test images",
    ),
    # The crop of the Eigen test code. SC-SfMLearner's NYU table uses none: its numbers differ slightly.
    "nyu": Protocol(
        "nyu",
        crop="eigen",
        max_depth=10.0,
        expected=654,
        log10=True,
        source="Eigen et al. 2014, arXiv:1406.2283",
    ),
    "generic": Protocol("generic", source="the range that the dataset states"),
}


def resolve_protocol(protocol: str | Protocol | None, dataset: FrameDataset) -> Protocol:
    """Answer the protocol to use: the one given, else the dataset's own.

    `generic` takes `min_depth` and `max_depth` from the dataset where it states them.

    Raises:
        UsageError: unknown name.
    """
    if isinstance(protocol, Protocol):
        return protocol
    name = protocol or dataset.protocol
    if name not in PROTOCOLS:
        raise UsageError(f"protocol '{name}' is unknown{nearest(name, list(PROTOCOLS))}")
    found = PROTOCOLS[name]
    if name == "generic":
        stated = {k: v for k in ("min_depth", "max_depth") if (v := getattr(dataset, k, None)) is not None}
        found = replace(found, **stated)
    return found


def crop_window(crop: str, height: int, width: int) -> tuple[slice, slice]:
    """Answer the rows and columns a crop keeps; fractional bounds are truncated.

    Raises:
        DataError: the NYU crop asked for on maps of another size.

    Source: Garg et al. 2016, arXiv:1603.04992 (garg); Eigen et al. 2014, arXiv:1406.2283 (eigen, NYU).
    """
    if crop == "garg":
        rows = slice(int(0.40810811 * height), int(0.99189189 * height))
        return rows, slice(int(0.03594771 * width), int(0.96405229 * width))
    if crop == "eigen":
        if (height, width) != NYU_SIZE:
            raise DataError(
                f"the NYU crop is defined on 640x480 maps, found {width}x{height}; evaluate as 'generic'"
            )
        return slice(45, 471), slice(41, 601)
    return slice(0, height), slice(0, width)


def measured(
    protocol: Protocol, depth: Float[np.ndarray, "h w"], mask: Bool[np.ndarray, "mh mw"] | None
) -> Bool[np.ndarray, "h w"]:
    """Mark finite ground truth within the protocol's range (bounds excluded) that `mask` lets through."""
    valid = np.isfinite(depth) & (depth > (protocol.min_depth if protocol.truth_in_range else 0.0))
    if protocol.truth_in_range:
        valid &= depth < protocol.max_depth
    if mask is not None:
        valid &= at_centres(mask, (depth.shape[0], depth.shape[1]))
    return valid


def counted(
    protocol: Protocol, depth: Float[np.ndarray, "h w"], mask: Bool[np.ndarray, "mh mw"] | None
) -> Bool[np.ndarray, "h w"]:
    """Mark the pixels that enter the metrics: measured and inside the crop."""
    window = crop_window(protocol.crop, *depth.shape)
    inside = np.zeros(depth.shape, dtype=bool)
    inside[window] = True
    return inside & measured(protocol, depth, mask)
