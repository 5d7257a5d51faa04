"""Conversations as training sees them: every token, and whether it is learnt."""

import codecs
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from lilm.chat.turns import Turns
from lilm.recipe import ChatSourceConfig, FinetuneConfig, Recipe
from lilm.train.finetune.cutting import CutChats
from lilm.train.finetune.format import choose_format
from lilm.train.finetune.masking import TokenisedChat
from lilm.train.finetune.messages import Chat, counted
from lilm.train.finetune.sources import find_source, open_chats, read_chats
from lilm.train.finetune.vocabulary import KnownVocabulary, find_vocabulary
from lilm.train.pack.packing import IGNORE

# neighbours differ a little, so that one sees where a token ends
LEARNT = ("black on green", "black on bright_green")
READ = ("grey62", "grey78")
CONTROL = "bold reverse"
MARKS = "⟦", "⟧"  # around what is learnt, where there is no colour
LANGUAGE = "ja"  # where no recipe says another


@dataclass(frozen=True)
class Token:
    """text: the characters that it completes. control: the template's own mark, or BOS."""

    id: int
    text: str
    learnt: bool
    control: bool


def show_chats(
    name: str, recipe: Recipe | None, run: Path | None, model: Path | None, count: int, console: Console
) -> dict[str, Any]:
    """Prints the first `count` conversations of a file, or of the recipe's source of that name, and returns what they
    are. recipe: None for none. run: the run folder, whose tokenizer is taken. model: a folder or GGUF file to take
    instead.

    Raises LilmError when there is no such source, when no chat is in it, or no tokenizer is known yet.
    """
    config = recipe.finetune if recipe else FinetuneConfig()
    language = recipe.language if recipe else LANGUAGE
    source = find_source(name, config).model_copy(update={"max_bad": 1.0})  # told here, and no end
    known = find_vocabulary(recipe, run, model)
    chosen = choose_format(config, known.format, str(known.where))
    window = min(config.sequence_length, known.positions or config.sequence_length)
    console.print(
        Text(f"tokens of {known.where}; turns end with {chosen.end_token}; windows of {window}", "bold"), soft_wrap=True
    )
    figures: dict[str, Any] = {"tokenizer": str(known.where), "window": window, "chats": []}
    cut = CutChats()
    for chat in _chats(source, language, recipe.seed if recipe else 0, chosen.turns, count, figures):
        parts = cut.add(chat, chosen.turns, known.chat, window)
        seen = [_tokens(part.tokens, known) for part in parts]
        for number, tokens in enumerate(seen, start=1):
            console.print(_headed(chat.where, tokens, number, len(seen)), soft_wrap=True)
            console.print(_coloured(tokens, marked=console.color_system is None), soft_wrap=True)
        told = [
            {"messages": part.messages, "tokens": [vars(token) for token in tokens]}
            for part, tokens in zip(parts, seen, strict=True)
        ]
        figures["chats"].append({"where": chat.where, "parts": told})
    for line in _told(figures, cut, window):
        console.print(Text(line, "yellow"), soft_wrap=True)
    return figures


def _chats(
    source: ChatSourceConfig, language: str, seed: int, turns: Turns, count: int, figures: dict[str, Any]
) -> Iterator[Chat]:
    """`count` at most; what was found beside them goes into the figures."""
    if source.format == "chats":
        yield from islice(read_chats(source, language, seed), count)
        return
    reader = open_chats(source.model_copy(update={"limit": min(count, source.limit or count)}), language, turns)
    yield from reader
    figures["form"] = reader.described()
    figures["left_out"] = dict(reader.left_out)
    figures["misfits"] = [error.line() for error in reader.bad]


def _tokens(chat: TokenisedChat, known: KnownVocabulary) -> list[Token]:
    """label t is what is learnt to follow token t, so it says whether token t + 1 is learnt."""
    learnt = [False, *(label != IGNORE for label in chat.labels[:-1])]
    control = {*known.chat.control.values(), known.chat.bos_id}
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    found = []
    for at, number in enumerate(chat.ids):
        last = at + 1 == len(chat.ids) or chat.ids[at + 1] in control
        text = decoder.decode(known.pieces.get(number, b""), final=last)
        found.append(Token(number, text, learnt[at], number in control))
    return found


def _headed(where: str, tokens: Sequence[Token], number: int, count: int) -> Text:
    learnt = sum(token.learnt for token in tokens)
    part = f", part {number} of {count}" if count > 1 else ""
    return Text(f"\n{where}{part}: {len(tokens)} tokens, {learnt} learnt", "bold cyan")


def _coloured(tokens: Sequence[Token], marked: bool) -> Text:
    """marked: with MARKS in the text, for where colours are not seen."""
    text = Text()
    before = False
    for at, token in enumerate(tokens):
        if marked and token.learnt != before:
            text.append(MARKS[0] if token.learnt else MARKS[1])
        before = token.learnt
        style = (LEARNT if token.learnt else READ)[at % 2]
        text.append(_visible(token.text), f"{style} {CONTROL}" if token.control else style)
    if marked and before:
        text.append(MARKS[1])
    return text


def _visible(text: str) -> str:
    """Line ends can be seen, and nothing in it steers the terminal."""
    shown = text.replace("\n", "↵\n")
    return "".join("·" if unicodedata.category(char) == "Cc" and char not in "\n\t" else char for char in shown)


def _told(figures: dict[str, Any], cut: CutChats, window: int) -> list[str]:
    tokens = [token for chat in figures["chats"] for part in chat["parts"] for token in part["tokens"]]
    learnt = sum(token["learnt"] for token in tokens)
    share = f" ({learnt / len(tokens):.0%})" if tokens else ""
    return [
        *([figures["form"]] if "form" in figures else []),
        f"chats: {len(figures['chats'])}, tokens: {len(tokens)}, learnt: {learnt}{share}",
        *(f"does not fit: {line}" for line in figures.get("misfits", ())),
        *counted(figures.get("left_out", {})),
        *cut.told(window),
    ]
