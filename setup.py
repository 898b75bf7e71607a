"""Package description; tool settings live in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

REQUIRED = [
    "torch>=2.10",
    "torchvision",
    "kornia>=0.8.2",
    "numpy",
    "pillow>=12",
    "scikit-image",
    "tensorboardX",
    "pyyaml",
    "av>=13",
    "embreex>=4.4.0",
    "safetensors>=0.4.5",
    "jaxtyping>=0.3",
    "tqdm",
]
EXTRAS = {
    "nyu": ["h5py"],
    "dev": ["pytest", "beartype", "hypothesis", "ruff", "mypy", "types-PyYAML", "build", "h5py"],
}

setup(
    name="lumde",
    version="0.1.0",
    description="Depth from ordinary video, in networks light enough for a robot.",
    long_description=Path("README.md").read_text(encoding="utf-8") if Path("README.md").exists() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["lumde", "lumde.*"]) + ["lumde.configs", "lumde.splits"],
    package_dir={"lumde.configs": "configs", "lumde.splits": "splits"},
    package_data={"lumde": ["py.typed"], "lumde.configs": ["*.yaml"], "lumde.splits": ["**/*.txt", "*.md"]},
    install_requires=REQUIRED,
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["lumde = lumde.cli:main"]},
)
