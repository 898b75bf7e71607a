"""Package description; tool settings live in pyproject.toml."""

import re
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
    "filelock>=3.12",  # torch brings it
    "safetensors>=0.4.5",
    "jaxtyping>=0.3",
    "tqdm",
]
EXTRAS = {
    "nyu": ["h5py"],
    "hf": ["transformers>=5.0"],
    "onnx": ["onnxruntime>=1.21"],
    "dev": [
        "beartype>=0.20",
        "build",
        "h5py",
        "hypothesis",
        "mypy==2.4.*",  # another version judges otherwise: change it on purpose
        "onnx>=1.21",
        "onnxruntime>=1.21",
        "pytest>=8",
        "pytest-xdist",
        "ruff==0.17.*",  # likewise
        "setuptools>=69",
        "transformers>=5.0",
        "types-PyYAML",
    ],
}

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "lumde" / "__init__.py").read_text(encoding="utf-8"))

setup(
    name="lumde",
    version=VERSION[1],
    description="Depth from ordinary video, in networks light enough for a robot.",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["lumde", "lumde.*"]) + ["lumde.configs", "lumde.splits"],
    package_dir={"lumde.configs": "configs", "lumde.splits": "splits"},
    package_data={"lumde": ["py.typed", "shipped/**/*"], "lumde.configs": ["**/*"], "lumde.splits": ["**/*"]},
    license_files=["LICENSE"],
    install_requires=REQUIRED,
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["lumde = lumde.cli:main"]},
)
