"""Small videos and folders of pictures made on the spot: frames tell their number by brightness."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

STEP = 8  # grey levels between consecutive frames


def picture(number: int, width: int = 64, height: int = 48) -> np.ndarray:
    """Grey of level `16 + STEP * number`, with a white block in the top-left corner."""
    image = np.full((height, width, 3), 16 + STEP * (number % 24), np.uint8)
    image[: height // 3, : width // 3] = 255
    return image


def number_of(image: np.ndarray) -> int:
    """Tell the frame number back, from the middle of the bottom."""
    level = float(np.median(image[-image.shape[0] // 4 :]))
    return round((level - 16) / STEP)


def write_pictures(folder: Path, names: list[str], width: int = 64, height: int = 48, **save) -> Path:
    """Store numbered pictures under these names."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        Image.fromarray(picture(number, width, height)).save(folder / name, **save)
    return folder


def write_clip(
    path: Path,
    count: int = 12,
    size: tuple[int, int] = (64, 48),
    times_ms: list[int] | None = None,
    gop: int = 4,
    noise: int = 0,
    metadata: dict[str, str] | None = None,
    faststart: bool = False,
) -> Path:
    """Encode `count` frames at 10 per second, or at `times_ms`."""
    flags = "use_metadata_tags" + ("+faststart" if faststart else "")
    options = {"movflags": flags} if path.suffix in (".mp4", ".mov") else {}
    rng = np.random.default_rng(0)
    with av.open(str(path), "w", options=options) as container:
        container.metadata.update(metadata or {})
        stream = container.add_stream(
            "libx264", rate=10, options={"crf": "10", "bf": "0", "sc_threshold": "0"}
        )
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p" if size[0] % 2 == 0 else "yuv444p"
        stream.gop_size = gop
        stream.codec_context.time_base = Fraction(1, 1000)
        for number in range(count):
            image = picture(number, *size)
            if noise:
                image = np.clip(image + rng.integers(-noise, noise + 1, image.shape), 0, 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = times_ms[number] if times_ms else number * 100, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def set_rotation_tag(path: Path, quarter_turns_clockwise: int) -> None:
    """Write the display matrix of an mp4's track header, as phones do (ISO 14496-12, sec. 8.3.2)."""
    a, b, c, d = {0: (1, 0, 0, 1), 1: (0, 1, -1, 0), 2: (-1, 0, 0, -1), 3: (0, -1, 1, 0)}[
        quarter_turns_clockwise
    ]
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 4 + 40  # version 0: 4 flags, 20 times and ids, 16 layer and volume
    for place, value in ((0, a), (4, b), (12, c), (16, d)):
        data[start + place : start + place + 4] = (value * 65536).to_bytes(4, "big", signed=True)
    path.write_bytes(data)


def damage(path: Path, number: int) -> None:
    """Overwrite the coded bytes of one frame, all but its first."""
    with av.open(str(path)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][number]
        start, stop = packet.pos + 8, packet.pos + packet.size
    data = bytearray(path.read_bytes())
    data[start:stop] = bytes(stop - start)
    path.write_bytes(data)
