"""The compiled part: everything else stands in pyproject.toml."""

from pathlib import Path

from pybind11.setup_helpers import ParallelCompile, Pybind11Extension
from setuptools import setup

ParallelCompile().install()  # setuptools alone compiles one file after another
NATIVE = Path("train", "corpus", "native")

setup(
    ext_modules=[
        Pybind11Extension(
            "lilm.train.corpus._native",
            sorted(str(path) for path in NATIVE.glob("*.cpp")),
            depends=sorted(str(path) for path in NATIVE.glob("*.h")),
            cxx_std=17,
            extra_compile_args=["-O3"],
        )
    ]
)
