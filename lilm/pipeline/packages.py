"""Packages that a recipe needs and that may not be installed: said before any work."""

import sys
from collections.abc import Iterator
from importlib.util import find_spec

from lilm.commands import quoted
from lilm.errors import LilmError
from lilm.pipeline.stage import Stage
from lilm.recipe import Recipe


def check_packages(recipe: Recipe, stages: list[Stage]) -> None:
    """Raises LilmError naming the first package that one of `stages` will import and that is not there."""
    names = {stage.name for stage in stages}
    for stage, key, package in _needed(recipe):
        if stage in names and find_spec(package) is None:
            raise LilmError(
                f"the package {package} is not installed",
                where=key,
                remedy=f"{quoted(sys.executable)} -m pip install {package}",
            )


def _needed(recipe: Recipe) -> Iterator[tuple[str, str, str]]:
    """(stage, where the recipe asks for it, package)"""
    for source in recipe.corpus.sources:
        if source.format == "hub":
            yield "corpus", f'corpus source {source.name}: format = "hub"', "datasets"
    if recipe.corpus.executor == "ray":
        yield "corpus", 'corpus.executor = "ray"', "ray"
    if recipe.base.kind == "hub":
        yield "base", 'base.kind = "hub"', "huggingface_hub"
    for chat in recipe.finetune.sources:
        if chat.format == "hub":
            yield "finetune", f'finetune source {chat.name}: format = "hub"', "datasets"
