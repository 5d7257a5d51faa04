"""A text that is read too often is told of, with the number of steps that is enough."""

import pytest

from lilm.recipe import recipe_text
from lilm.recipe.files import parse_recipe
from lilm.train.pretrain.often import USEFUL, said_of_often, tokens_read


def test_steps_that_are_enough_are_named(tmp_path_factory: pytest.TempPathFactory) -> None:
    config = parse_recipe(recipe_text("smollm2-ja"), "recipe", tmp_path_factory.mktemp("r")).pretrain
    read = tokens_read(config)
    assert said_of_often(config, read / USEFUL) == ""
    said = said_of_often(config, read / 160)
    assert "read about 160 times" in said and f"pretrain.stage2.steps = {config.stage2.steps // 10}" in said
    assert said_of_often(config, read / 160, window=config.sequence_length // 10) == ""
