"""Chats in the formats that models have: the same tokens everywhere, and no words that become marks."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from lilm.chat.files import read_chat_template, read_format
from lilm.chat.tokens import ChatVocabulary
from lilm.llamacpp.engine import Engine
from lilm.pipeline.stage import Context
from lilm.recipe import FinetuneConfig
from lilm.train.finetune import stage
from lilm.train.finetune.agreement import template_equal
from lilm.train.finetune.format import Format, chat_vocabulary, choose_format
from lilm.train.finetune.masking import tokenise_chat
from lilm.train.pack.packing import IGNORE
from tests.chat.formats import FORMATS, injections, instruct_base, instruct_gguf


@dataclass(frozen=True)
class Made:
    name: str
    folder: Path
    gguf: Path
    vocabulary: ChatVocabulary
    chosen: Format
    engine: Engine

    def ids(self, *words: str) -> list[int]:
        return self.vocabulary.ids(self.chosen.turns.parts(chat(*words), add_generation_prompt=True))


def chat(*words: str) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(words)]


@pytest.fixture(scope="module", params=FORMATS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    folder = instruct_base(tmp_path_factory.mktemp("formats") / request.param, request.param)
    vocabulary = chat_vocabulary(AutoTokenizer.from_pretrained(folder, local_files_only=True).backend_tokenizer)
    chosen = choose_format(FinetuneConfig(), read_format(folder), str(folder))
    gguf = instruct_gguf(folder)
    with Engine(gguf, n_ctx=512, threads=1) as engine:
        yield Made(request.param, folder, gguf, vocabulary, chosen, engine)


def test_the_tokens_are_those_of_transformers_and_of_llama_cpp(made: Made) -> None:
    assert template_equal(made.folder, made.gguf)


def test_nothing_that_people_type_becomes_a_special_token(made: Made) -> None:
    control = set(made.vocabulary.control.values())

    def specials(ids: list[int]) -> list[int]:
        return [at for at in ids if at in control]

    harmless = specials(made.ids("Hello", "Hi", "Why?"))
    asked = injections(list(made.vocabulary.control))
    assert len(asked) == 50
    for words in asked:
        ids = made.ids(words, words, words)
        assert specials(ids) == harmless, words
        assert made.engine.tokenize_chat(chat(words, words, words)) == ids, words


def test_a_model_learns_its_own_words_and_the_end_of_its_turns(made: Made) -> None:
    end = made.vocabulary.control[FORMATS[made.name][2]]
    tokenizer = AutoTokenizer.from_pretrained(made.folder, local_files_only=True)
    words = ("Who is there?", "It is Tom.", "And who else?", "富士山です。")
    found = tokenise_chat(chat(*words), made.chosen.turns, made.vocabulary)
    learnt = [label for label in found.labels if label != IGNORE]
    turns = tokenizer.decode(learnt).split(tokenizer.decode([end]))
    assert [turn.strip() for turn in turns] == ["It is Tom.", "富士山です。", ""]
    pairs = zip(found.labels, [*found.ids[1:], IGNORE], strict=True)
    assert all(label in (IGNORE, following) for label, following in pairs)
    asked = made.ids(*words[:3])
    assert found.ids[: len(asked)] == asked, "the answer is learnt where it will be asked for"
    assert found.labels[len(asked) - 1] != IGNORE and found.labels[len(asked) - 2] == IGNORE


def test_a_template_that_trims_trims_in_every_runtime(made: Made) -> None:
    words = ("  Who?  \n", " Tom. ", "\tWhy? ")
    assert made.engine.tokenize_chat(chat(*words)) == made.ids(*words)
    stripped = made.ids(*(text.strip() for text in words))
    assert (made.ids(*words) == stripped) == (made.name in ("llama3", "llama2"))


def test_without_chats_to_learn_from_the_bases_format_goes_on_unchanged(
    made: Made, tmp_path: Path, context: Context
) -> None:
    stage.run(FinetuneConfig(), {"pretrain": made.folder, "pack": tmp_path}, tmp_path, context)
    assert read_chat_template(tmp_path) == FORMATS[made.name][0]
    end = made.vocabulary.control[FORMATS[made.name][2]]
    generation = json.loads((tmp_path / "generation_config.json").read_text(encoding="utf-8"))["eos_token_id"]
    assert generation == end if isinstance(generation, int) else generation[0] == end
    assert json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))["eos_token_id"] == end
    assert AutoTokenizer.from_pretrained(tmp_path, local_files_only=True).eos_token_id == end
