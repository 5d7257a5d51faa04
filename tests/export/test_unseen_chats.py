"""Which chats a run's files are measured on: none that its training read, where there are others."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from lilm.chat import CHAT_TEMPLATE, Message
from lilm.export.quality.chats import Chats, find_chats, turns_of
from lilm.pipeline.artifact import Manifest
from lilm.pipeline.hashing import sha256_json
from lilm.recipe import ChatSourceConfig, Recipe, recipe_text
from lilm.recipe.files import parse_recipe
from lilm.train.finetune.sources import open_chats
from lilm.train.finetune.store import write_heldout


def chat(number: int) -> list[Message]:
    return [{"role": "user", "content": f"q {number}"}, {"role": "assistant", "content": f"a {number}"}]


def misfit(number: int) -> list[Message]:
    """A chat with a system message in its middle, for which the template has no place."""
    return [*chat(number), {"role": "system", "content": "s"}, *chat(number)]


@pytest.fixture
def finetune(random_model: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "finetune"
    shutil.copytree(random_model, folder)
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE, encoding="utf-8")
    Manifest("finetune", "key", {}, {}, {}, (), {}).write(folder)
    return folder


def source(folder: Path, chats: list[list[Message]], **rest: Any) -> ChatSourceConfig:
    path = folder / "chats.jsonl"
    path.write_text("".join(json.dumps({"messages": one}) + "\n" for one in chats), encoding="utf-8")
    return ChatSourceConfig.model_validate({"name": "x", "path": str(path), "max_bad": 0.1, **rest})


def taught(*sources: ChatSourceConfig) -> Recipe:
    recipe = parse_recipe(recipe_text("quickstart"), "lilm.toml", Path("/"))
    return recipe.model_copy(update={"finetune": recipe.finetune.model_copy(update={"sources": sources})})


def hashes(chats: Chats) -> set[str]:
    return {sha256_json(one) for one in chats.chats}


def test_none_that_training_read_is_unseen_also_where_its_template_refused_some(finetune: Path) -> None:
    """What the template refuses does not count towards the limit: training read ten chats more for it."""
    read = source(finetune.parent, [misfit(at) if at % 50 == 5 else chat(at) for at in range(600)], limit=500)
    trained = {sha256_json(one.messages) for one in open_chats(read, "ja", turns_of(finetune))}
    found = find_chats(taught(read), finetune)
    assert len(trained) == 500 and not found.seen
    assert not trained & hashes(found)
    assert len(found.chats) == 600 - 12 - 500


def test_chats_behind_a_long_limit_are_found(finetune: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lilm.export.quality.chats.MOST", 20)
    found = find_chats(taught(source(finetune.parent, [chat(at) for at in range(100)], limit=50)), finetune)
    assert hashes(found) == {sha256_json(chat(at)) for at in range(50, 70)}


def test_held_out_chats_are_taken_where_the_sources_left_hardly_any(finetune: Path) -> None:
    left_one = taught(source(finetune.parent, [chat(at) for at in range(100)], limit=99))
    found = find_chats(left_one, finetune)
    assert found.seen and len(found.chats) == 99, "one chat is none"
    heldout = [chat(at) for at in range(1000, 1010)]
    write_heldout(heldout[:4], finetune)
    assert find_chats(left_one, finetune) == Chats(heldout[:4], False)
    left_five = taught(source(finetune.parent, [chat(at) for at in range(100)], limit=95))
    assert len(find_chats(left_five, finetune).chats) == 5, "the larger of the two, where both are few"
    write_heldout(heldout, finetune)
    assert find_chats(left_five, finetune) == Chats(heldout, False)
    hub = ChatSourceConfig(name="hub", format="hub", repo="me/chats")
    assert find_chats(taught(hub), finetune) == Chats(heldout, False)
    write_heldout([], finetune)
    assert find_chats(taught(hub), finetune).why.startswith("me/chats is on the hub")
