"""Depth from ordinary video, in networks light enough for a robot."""

from typing import Any

__version__ = "0.1.0"
__all__ = ["load"]


def __getattr__(name: str) -> Any:
    """Hand on `load` lazily: `import lumde` stays cheap (importing torch costs over a second)."""
    if name == "load":
        from lumde.models import load

        return load
    raise AttributeError(f"module 'lumde' has no attribute '{name}'")
