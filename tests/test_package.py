"""A wheel carries everything a run needs; versions agree."""

import os
import shutil
import subprocess
import sys
import zipfile
from itertools import takewhile
from pathlib import Path

import pytest

import lumde
from lumde.engine.run_config import load_config
from lumde.packaged import package_file, package_folder

ROOT = Path(__file__).parents[1]


def test_a_checkout_finds_its_configs_and_splits() -> None:
    assert package_folder("configs") == ROOT / "configs"
    assert package_folder("splits") == ROOT / "splits"
    assert package_file("configs", "photometric", ".yaml") == ROOT / "configs" / "photometric.yaml"


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_config_is_valid_short_and_says_its_purpose_cost_and_command(path: Path) -> None:
    load_config(path, [])
    lines = path.read_text(encoding="utf-8").splitlines()
    head = list(takewhile(lambda line: line.startswith("#"), lines))
    assert head[0].startswith("# Purpose: ")
    assert any(line.startswith("# Cost:    ") for line in head)
    assert any(line.startswith("# Command: lumde ") for line in head)
    assert len(lines) <= 60


@pytest.mark.slow
def test_a_wheel_runs_without_its_checkout(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name in ("lumde", "configs", "splits"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(tmp_path),
        str(source),
    ]
    subprocess.run(build, check=True, capture_output=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name == f"lumde-{lumde.__version__}-py3-none-any.whl"
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    site = tmp_path / "site" / "lumde"
    shipped = {path.relative_to(site) for path in site.rglob("*")}
    for kind in ("configs", "splits"):
        assert {path.relative_to(ROOT) for path in (ROOT / kind).rglob("*") if path.is_file()} <= shipped
    code = "from lumde.packaged import package_file as f; print(f('configs', 'photometric', '.yaml'))"
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert told.stdout.strip() == str(tmp_path / "site" / "lumde" / "configs" / "photometric.yaml")
