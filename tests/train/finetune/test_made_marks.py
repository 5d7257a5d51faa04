"""Chats taught to a base that got its turn mark made: answers end with it, in training and afterwards."""

import json
from pathlib import Path
from typing import Any

import pytest

from lilm.export.talk.templates import ZEPHYR
from lilm.llamacpp.chat import ChatEngine
from lilm.recipe import FinetuneConfig, SamplingConfig
from lilm.train.finetune import teach
from lilm.train.finetune.masking import ChatSequences, TokenisedChat
from lilm.train.pack.packing import IGNORE
from tests.train.conftest import write_corpus
from tests.train.marked_bases import make

ASKED = ("Is it blue?", "Is it red?", "May I go?", "Do you see it?")
ANSWERED = ("Yes, it is.", "No.", "Yes, you may go now.", "I see it.")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(folder)
    return folder


@pytest.mark.usefixtures("one_torch_thread")
@pytest.mark.parametrize(
    ("kind", "name", "template"),
    [
        ("path", "pieces, none", ""),
        ("gguf", "pieces, unused", ""),
        ("path", "merges, dead", ""),
        ("gguf", "merges, none", ZEPHYR),
        ("gguf", "whole words first, none", ""),
        ("path", "merges, padded", ZEPHYR),
    ],
)
def test_answers_are_taught_to_end_with_the_mark_and_do(
    kind: str, name: str, template: str, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "chats.jsonl"
    said = [
        [{"role": role, "content": text} for role, text in zip(("user", "assistant"), pair, strict=True)]
        for pair in zip(ASKED, ANSWERED, strict=True)
    ]
    path.write_text("".join(json.dumps({"messages": chat}) + "\n" for chat in said), encoding="utf-8")
    learnt: list[TokenisedChat] = []

    def sequences(chats: list[TokenisedChat], *others: Any) -> ChatSequences:
        learnt.extend(chats)
        return ChatSequences(chats, *others)

    monkeypatch.setattr(teach, "ChatSequences", sequences)
    config = FinetuneConfig.model_validate(
        {
            "sources": [{"name": "x", "format": "messages", "path": str(path)}],
            "checks": {"language": "keep", "near": "keep", "length": "keep"},
            "sequence_length": 64,
            "dtype": "float32",
            "heldout": 0,
            "optim": {"steps": 60, "lr": 1e-2, "batch_size": 4},
        }
    )
    made = make(kind, name, tmp_path, corpus, config, template)
    assert ("<|assistant|>" in made.chosen.template) == bool(template)
    assert len(learnt) == len(said)
    for chat, answer in zip(learnt, ANSWERED, strict=True):
        labels = [at for at in chat.labels if at != IGNORE]
        assert labels[-1] == made.mark and made.mark not in labels[:-1]
        assert len(labels) >= len(made.vocabulary.encode(answer)), "the words are labels too"
    greedy = SamplingConfig(temperature=0, repeat_penalty=1)
    with ChatEngine(made.gguf, threads=1) as engine:
        for question, wanted in zip(ASKED, ANSWERED, strict=True):
            answer = engine.chat([{"role": "user", "content": question}], greedy, n_predict=40)
            assert ("".join(answer).strip(), answer.outcome and answer.outcome.finish) == (wanted, "stop")
