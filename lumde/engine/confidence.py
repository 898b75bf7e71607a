"""Where a run believes its teacher in the end: one picture per frame, for whoever uses the teacher's maps."""

from pathlib import Path

import numpy as np

from lumde.data.loader import Batches, LoaderConfig
from lumde.media.images import write_png
from lumde.methods.base import Method

FOLDER = "confidence"  # in a run folder


def write_confidence(method: Method, stream: Batches, folder: Path) -> None:
    """Ask the method's arbiter about every frame of a stream.

    Args:
        method: with arbiter and teacher.
        stream: of frames with sources; they are shown as they are, not augmented.
        folder: gets SEQUENCE/FRAME.png of the stream's size, 8 bits: 255 = believed, 0 = the neighbouring
            frames speak against the teacher, or the frame's mask leaves the pixel out.
    """
    method.eval()
    frames = Batches(stream.snippets, LoaderConfig(batch=1), None, 0, stream.device)
    for step in range(frames.steps_per_epoch):
        batch = frames.at(step)
        path = folder / f"{batch.keys[0]}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_png(path, method.believed(batch)[0, 0].cpu().numpy().astype(np.uint8) * np.uint8(255))
