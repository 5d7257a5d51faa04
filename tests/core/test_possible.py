"""A recipe that no run can make is refused as soon as it is read, with the key that mends it."""

from collections.abc import Callable
from pathlib import Path

import pytest

import lilm.pipeline.packages as packages
from lilm.errors import LilmError
from lilm.pipeline.packages import check_packages
from lilm.pipeline.stage import STAGES, stage_named
from lilm.recipe import recipe_text
from lilm.recipe.files import parse_recipe
from lilm.recipe.possible import MADE_LANGUAGES
from lilm.train.stories import chats, stories

FILE = 'format = "auto"\npath = "texts"'


def quickstart(lang: str, made: bool = False, chat_file: bool = True) -> str:
    text = recipe_text("quickstart").replace('"ja"', f'"{lang}"')
    text = text if made else text.replace('format = "stories"\nlimit = 12000', FILE)
    return (
        text.replace('format = "chats"\nlimit = 4000', 'format = "messages"\npath = "c.jsonl"') if chat_file else text
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (quickstart("ko", made=True), r"'stories-ja': stories are made in en and ja only, not in 'ko'"),
        (quickstart("ko", chat_file=False), r"'chats-ja': format \"chats\" is made in en and ja only, not in 'ko'"),
    ],
)
def test_what_cannot_be(text: str, expected: str) -> None:
    with pytest.raises(LilmError, match=expected):
        parse_recipe(text, "recipe", Path("/x"))


def test_what_can_be() -> None:
    assert parse_recipe(quickstart("ko"), "recipe", Path("/x")).language == "ko"
    assert parse_recipe(quickstart("de"), "recipe", Path("/x")).language == "de"


@pytest.mark.parametrize("make", [chats, stories])
def test_the_made_languages_are_those_that_are_made(make: Callable[..., object]) -> None:
    for lang in MADE_LANGUAGES:
        make(lang, 1, 0)
    with pytest.raises(LilmError):
        list(make("ko", 1, 0))  # type: ignore[call-overload]


def test_packages_that_are_not_there_are_named_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = parse_recipe(recipe_text("smollm2-ja"), "recipe", Path("/x"))
    monkeypatch.setattr(packages, "find_spec", lambda name: None if name == "datasets" else object())
    with pytest.raises(LilmError, match=r"cosmopedia-en: format = \"hub\": the package datasets is not installed"):
        check_packages(recipe, list(STAGES))
    check_packages(recipe, [stage_named("export")])
    check_packages(parse_recipe(recipe_text("quickstart"), "recipe", Path("/x")), list(STAGES))
