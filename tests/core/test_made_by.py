"""A stage's code: all that it needs and no more, told apart by what it does and not by how it is explained."""

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


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_every_stage_has_code_and_libraries(stage: Stage) -> None:
    assert stage.module in code_of(stage.module)
    assert {"lilm", "python"} <= set(libraries_of(stage.module))


def test_training_tells_the_version_of_torch() -> None:
    assert {"torch", "transformers", "numpy"} <= set(libraries_of("lilm.train.pretrain.stage"))


def test_changes_are_told_by_name() -> None:
    assert changed_code({"a": "1", "b": "2"}, {"b": "3", "c": "4"}) == ["a", "b", "c"]
    assert changed_code({"a": "1"}, {"a": "1"}) == []
