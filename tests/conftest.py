"""Shape checking of every annotated call, and where the recordings are."""

import importlib.util
import os
from pathlib import Path

import pytest
import torch

if importlib.util.find_spec("beartype"):
    from jaxtyping import install_import_hook

    install_import_hook("lumde", "beartype.beartype")


@pytest.fixture(autouse=True)
def same_random_numbers() -> None:
    """A test that forgets to seed gets the same numbers each time."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def recordings() -> Path:
    """Folder of real recordings, or a visible skip."""
    folder = os.environ.get("LUMDE_RECORDINGS")
    if not folder:
        pytest.skip("LUMDE_RECORDINGS is not set: no real recordings here")
    return Path(folder)
