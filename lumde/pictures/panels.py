"""Labelled grids of pictures as one image."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

Picture = UInt8[np.ndarray, "_ _ 3"]

_BACKGROUND, _INK = (255, 255, 255), (32, 36, 44)
_GAP = 4  # pixels between pictures


def side_by_side(*pictures: Picture) -> Picture:
    """Put pictures of one height next to each other."""
    return np.concatenate(pictures, axis=1)


def scale_to_width(picture: Picture, width: int) -> Picture:
    """Resize to `width`, keeping the aspect; enlarging keeps pixels square and sharp."""
    h, w = picture.shape[:2]
    how = Image.Resampling.NEAREST if width > w else Image.Resampling.LANCZOS
    return np.asarray(Image.fromarray(picture).resize((width, max(1, round(h * width / w))), how))


def grid(
    rows: Sequence[Sequence[Picture | None]],
    columns: Sequence[str],
    labels: Sequence[str],
    text_size: int = 14,
) -> Picture:
    """Arrange pictures in rows under column headings, with a label left of each row.

    Args:
        rows: pictures of one size; None leaves a cell empty.
        columns: one heading per column, or empty.
        labels: one label per row, or empty.
        text_size: height of the text in pixels.

    Raises:
        ValueError: unless every picture has the first one's size.
    """
    cells = [picture for row in rows for picture in row if picture is not None]
    if not cells or any(cell.shape != cells[0].shape for cell in cells):
        raise ValueError(f"pictures of one size needed, found {sorted({cell.shape[:2] for cell in cells})}")
    h, w = cells[0].shape[:2]
    font = ImageFont.load_default(text_size)
    left = max((int(font.getlength(label)) + 2 * _GAP for label in labels), default=0)
    top = text_size + 2 * _GAP if columns else 0
    across = max(len(row) for row in rows)
    canvas = Image.new(
        "RGB", (left + across * (w + _GAP) - _GAP, top + len(rows) * (h + _GAP) - _GAP), _BACKGROUND
    )
    draw = ImageDraw.Draw(canvas)
    for i, heading in enumerate(columns):
        draw.text((left + i * (w + _GAP) + w // 2, top // 2), heading, _INK, font, anchor="mm")
    for j, row in enumerate(rows):
        y = top + j * (h + _GAP)
        if labels:
            draw.text((_GAP, y + h // 2), labels[j], _INK, font, anchor="lm")
        for i, picture in enumerate(row):
            if picture is not None:
                canvas.paste(Image.fromarray(picture), (left + i * (w + _GAP), y))
    return np.asarray(canvas)
