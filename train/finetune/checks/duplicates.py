"""Chats that stand twice, questions that are an evaluation's, and answers that are given to many questions."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence

from lilm.chat import Message
from lilm.recipe import DecontaminateConfig
from lilm.temporary import temporary_folder
from lilm.train.corpus.duplicates.minhash import near_duplicate_leaders
from lilm.train.corpus.reading.contamination import (
    EvaluationNgrams,
    evaluation_entries,
    evaluation_files,
    fold,
    write_evaluation,
)
from lilm.train.finetune.checks.material import Found, Material, answers, exchanges, questions
from lilm.train.finetune.messages import Chat

SHORTEST = 10  # letters of an evaluation's question: shorter entries are choices and names


def exact(material: Material) -> Found:
    """Chats of the same words as an earlier one; width and white space do not count."""
    found: Found = {}
    first: dict[tuple[str, ...], str] = {}
    for number, chat in enumerate(material.chats):
        words = tuple(f"{message['role']}:{_plain(message['content'])}" for message in chat.messages)
        if words in first:
            found[number] = f"as {first[words]}"
        first.setdefault(words, chat.where)
    return found


def near(material: Material) -> Found:
    """Chats whose character 5-grams have the Jaccard similarity of an earlier one's that the recipe says."""
    if not material.chats:
        return {}
    leaders = near_duplicate_leaders([_text(chat) for chat in material.chats], threshold=material.config.similarity)
    return {
        number: f"like {material.chats[leader].where}"
        for number, leader in enumerate(leaders.tolist())
        if leader != number
    }


def evaluation(material: Material) -> Found:
    """Chats with a question that is nearly one of the evaluation files', or with a passage out of them."""
    if not material.config.path:
        return {}
    with temporary_folder("duplicates") as folder:
        path = folder / "ngrams.npy"
        write_evaluation(material.config.path, DecontaminateConfig().ngram, path)
        ngrams = EvaluationNgrams.load(path)
    known = [
        (folded, file.name)
        for file in evaluation_files(material.config.path)
        for entry in evaluation_entries(file)
        if len(folded := fold(entry)) >= SHORTEST
    ]
    found = _asks_again(material, known)
    for number, chat in enumerate(material.chats):
        held = next((held for message in chat.messages if (held := ngrams.find(message["content"]))), None)
        if held:
            found.setdefault(number, f"「{held[0]}」 stands in {held[1]}")
    return found


def held_out(material: Material, heldout: Sequence[Sequence[Message]]) -> Found:
    """Chats that ask what one of the chats `heldout` asks.

    What one of the two asks first stands for itself, unless it is short. Else all that either asked before has to be
    alike too: "Can you give an example?" is about something else in another conversation.
    """
    known = [one for chat in heldout for one in _asked(chat)]
    asked = [(number, one) for number, chat in enumerate(material.chats) for one in _asked(chat.messages)]
    both = [*known, *(one for _, one in asked)]
    befores, texts = (_near(of, material.config.similarity) for of in zip(*both, strict=True)) if both else ({}, {})
    alike: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for before, text in sorted(set(known)):
        alike[texts[text]].append((before, text))
    found: Found = {}
    for number, (before, text) in asked:
        for earlier, question in alike[texts[text]]:
            stands = not (before and earlier) and len(question) >= SHORTEST
            if stands or befores[before] == befores[earlier]:
                found.setdefault(number, f"asks what a held-out chat asks: 「{question[:40]}」")
    return found


def _asked(messages: Sequence[Message]) -> list[tuple[str, str]]:
    """(what was asked before, the question) for each question, folded; without letters it is none."""
    asked = [text for message in messages if message["role"] == "user" and (text := fold(message["content"]))]
    return [("\n".join(asked[:at]), text) for at, text in enumerate(asked)]


def _near(texts: Iterable[str], similarity: float) -> dict[str, str]:
    """For each text, the one that stands for all that are nearly it; "" is like nothing else."""
    known = sorted({*texts} - {""})
    leaders = near_duplicate_leaders(known, threshold=similarity).tolist() if known else []
    return {"": "", **{text: known[leader] for text, leader in zip(known, leaders, strict=True)}}


def _asks_again(material: Material, known: Sequence[tuple[str, str]]) -> Found:
    """known: (folded question, who asks it)."""
    asked = [(number, question) for number, chat in enumerate(material.chats) for question in questions(chat)]
    texts = [*(text for text, _ in known), *(fold(question) for _, question in asked)]
    leaders = near_duplicate_leaders(texts, threshold=material.config.similarity).tolist() if texts else []
    found: Found = {}
    for (number, _), leader in zip(asked, leaders[len(known) :], strict=True):
        if leader < len(known):
            found.setdefault(number, f"asks what {known[leader][1]} asks: 「{known[leader][0][:40]}」")
    return found


def same_answer(material: Material) -> Found:
    """Chats of nothing but answers that so many different questions get, after the first chats with them."""
    asked: defaultdict[str, set[str]] = defaultdict(set)
    for chat in material.chats:
        for question, answer in exchanges(chat):
            asked[_plain(answer)].add(_plain(question))
    found: Found = {}
    seen: set[str] = set()
    for number, chat in enumerate(material.chats):
        words = [_plain(answer) for answer in answers(chat)]
        if seen.issuperset(words) and all(len(asked[one]) >= material.config.same_answer_questions for one in words):
            found[number] = f"answers {len(asked[words[0]])} questions alike: 「{words[0][:40]}」"
        seen.update(words)
    return found


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).split())


def _text(chat: Chat) -> str:
    return "\n".join(message["content"] for message in chat.messages)
