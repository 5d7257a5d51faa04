"""A stage's code: all that it needs and no more, told apart by what it does and not by how it is explained."""

import ast
from importlib.util import find_spec
from pathlib import Path

import pytest

from lilm.pipeline.made_by import changed_code, code_of, libraries_of
from lilm.pipeline.stage import STAGES, Stage


def test_it_is_all_that_the_stage_needs_and_nothing_else() -> None:
    corpus = code_of("lilm.train.corpus.stage")
    for needed in (
        "lilm.train.corpus.stage",
        "lilm.train.corpus.sources.html",  # named by a string in a table
        "lilm.train.corpus._native",  # compiled
        "lilm.train.corpus.words/ng_ja.txt",
        "lilm.train.stories/tables/ja/words.toml",
        "lilm.report/page.html.jinja",
    ):
        assert needed in corpus
    assert not [
        name for name in corpus if name.startswith(("lilm.export", "lilm.demo", "lilm.pipeline", "lilm.recipe"))
    ]
    assert "lilm.train.trainer.loop" in code_of("lilm.train.pretrain.stage")
    assert "lilm.train.trainer.loop" not in code_of("lilm.export.bench.stage")


def test_a_table_that_decides_bytes_is_no_part_of_the_recipe() -> None:
    """A recipe's values stand in a manifest's config; which languages have Latin letters stands nowhere else."""
    assert "lilm.vocabulary.latin" in code_of("lilm.train.tokenizer.stage")


def test_stages_take_no_table_from_a_package_whose_code_does_not_count() -> None:
    names = {"LEARNED", "MIX"}  # parts of files' names, which a manifest has
    for stage in STAGES:
        for module in code_of(stage.module):
            spec = find_spec(module) if "/" not in module else None
            if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
                continue
            tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
            imports = [one for one in ast.walk(tree) if isinstance(one, ast.ImportFrom)]
            taken = {
                alias.name for one in imports if f"{one.module}.".startswith("lilm.recipe.") for alias in one.names
            }
            assert not {name for name in taken if name.isupper()} - names, module


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_every_stage_has_code_and_libraries(stage: Stage) -> None:
    assert stage.module in code_of(stage.module)
    assert {"lilm", "python"} <= set(libraries_of(stage.module))


def test_training_tells_the_version_of_torch() -> None:
    assert {"torch", "transformers", "numpy"} <= set(libraries_of("lilm.train.pretrain.stage"))


def test_changes_are_told_by_name() -> None:
    assert changed_code({"a": "1", "b": "2"}, {"b": "3", "c": "4"}) == ["a", "b", "c"]
    assert changed_code({"a": "1"}, {"a": "1"}) == []
