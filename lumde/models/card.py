"""The README of a model folder: what it is, what its numbers mean, how it came to be."""

import json

from lumde import __version__
from lumde.config import to_dict
from lumde.models.model import DepthModel

UNITS = {
    "metres": "Depth is in metres along the optical axis.",
    "relative": "Depth is relative: right up to one unknown factor. Never read it as metres.",
}

AFFINE = (
    " Its disparity has an unknown shift too: near and far are in the right order, shapes are not true; "
    "evaluate it with `--align scale_shift`."
)

FITS = {
    "stretch": "{width}x{height}: any picture is resized to it",
    "area": "as many pixels as {width}x{height}; a picture keeps its shape",
    "side": "shorter side brought to {shorter} pixels; a picture keeps its shape",
}


def model_card(model: DepthModel) -> str:
    """Tell a model in Markdown, from its config alone."""
    config = model.config
    millions = sum(p.numel() for p in model.net.parameters()) / 1e6
    net = ", ".join(
        f"{key} {value}" for key, value in to_dict(config.net.architecture()).items() if value is not None
    )
    fit = FITS[config.fit].format(
        width=config.width, height=config.height, shorter=min(config.width, config.height)
    )
    told = "".join(
        f"| {key} | {config.training[key]} |\n" for key in ("licence", "limits") if key in config.training
    )
    training = json.dumps(to_dict(config.training), indent=1, default=str).replace("```", "")
    return f"""# Depth network `{config.net.name}`

{UNITS[config.unit]}{AFFINE if config.affine else ""}

| | |
|---|---|
| network | {net} |
| parameters | {millions:.2f} M |
| input | RGB, {fit} |
| written by | lumde {__version__} |
{told}
```python
import lumde
result = lumde.load("this folder").predict("picture.jpg")
result.depth, result.unit
```

`model.safetensors` holds plain tensors; `pose.safetensors`, where present, the pose network of the training.
Every file's SHA-256 stands in `manifest.json` and is checked when loading.

How it was trained:

```json
{training}
```
"""
