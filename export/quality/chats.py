"""Chats to measure on: such as training did not read where the sources have any, else its own, and it is said which."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from lilm.chat import Message
from lilm.chat.files import read_format
from lilm.chat.rendering import TemplateFailure
from lilm.chat.turns import Turns, cut_template
from lilm.errors import LilmError
from lilm.export.quality.passages import FEWEST, LEAST, Passages, Window
from lilm.pipeline.artifact import read_manifest
from lilm.pipeline.hashing import sha256_json
from lilm.recipe import ChatSourceConfig, Recipe
from lilm.train.finetune.format import chat_vocabulary
from lilm.train.finetune.masking import tokenise_chat
from lilm.train.finetune.sources import open_chats, read_chats
from lilm.train.finetune.store import read_heldout
from lilm.train.pack.packing import IGNORE

MOST = 4_000  # chats of one source that are looked at
OTHER_SEED = 1  # more than the run's, for chats that LiLM makes: others of the same kinds

Chat = list[Message]


@dataclass(frozen=True)
class Chats:
    """chats: in the order of their hash. seen: training read them, and the learning of blocks, where it reads chats.
    why: why there are none, or why they are seen ones."""

    chats: list[Chat]
    seen: bool
    why: str = ""


def find_chats(recipe: Recipe, finetune: Path) -> Chats:
    """Those of the run's sources that its training left, or that it held out, where the sources left fewer than LEAST;
    only where there are hardly any of either, those that it read. finetune: the stage's folder."""
    if not recipe.finetune.sources:
        return Chats([], False, "the run was not taught to chat")
    if read_manifest(finetune) is None:
        return Chats([], False, "the fine-tuned model's folder is gone, and with it the tokenizer for whole chats")
    read: dict[str, Chat] = {}
    left: dict[str, Chat] = {}
    hub = [source.repo for source in recipe.finetune.sources if source.format == "hub"]
    why = f"{hub[0]} is on the hub, and is not fetched again to measure" if hub else ""
    try:
        if not why:
            read, left = _read_and_left(recipe, turns_of(finetune))
    except LilmError as error:
        why = f"its chats cannot be read: {error.what} ({error.where})"
    unseen, heldout = [left[key] for key in sorted(left)], read_heldout(finetune)[:MOST]
    enough = [chats for chats in (unseen, heldout) if len(chats) >= LEAST]
    chosen = enough[0] if enough else max(unseen, heldout, key=len)
    if len(chosen) >= FEWEST:
        return Chats(chosen, False)
    if why:
        return Chats([], False, why)
    chats = [read[key] for key in sorted(read)][:MOST]
    return Chats(chats, True, "training read all chats of its sources, or nearly: these are among them")


def _read_and_left(recipe: Recipe, turns: Turns) -> tuple[dict[str, Chat], dict[str, Chat]]:
    """(what training read, what it left), by their hashes. turns: of the format that training had too: what that
    refuses does not count towards a source's limit. Raises LilmError for a source that cannot be read."""
    sources = recipe.finetune.sources
    read = {key: chat for source in sources for key, chat in _hashed(source, recipe, recipe.seed, turns)}
    left: dict[str, Chat] = {}
    for source in sources:
        if source.format == "chats":
            others = _hashed(source.model_copy(update={"limit": MOST}), recipe, recipe.seed + OTHER_SEED, turns)
        elif source.limit:
            others = _hashed(source.model_copy(update={"limit": 0}), recipe, recipe.seed, turns)
        else:
            continue
        left |= dict(islice((one for one in others if one[0] not in read), MOST))
    return read, left


def _hashed(source: ChatSourceConfig, recipe: Recipe, seed: int, turns: Turns) -> Iterator[tuple[str, Chat]]:
    made = source.format == "chats"
    found = read_chats(source, recipe.language, seed) if made else open_chats(source, recipe.language, turns)
    return ((sha256_json(chat.messages), chat.messages) for chat in found)


def turns_of(folder: Path) -> Turns:
    """Of the format of the fine-tuned model in `folder`. Raises LilmError when it has no chat template."""
    found = read_format(folder)
    if found.template is None:
        raise LilmError("no chat template", where=str(folder), remedy="run the finetune stage again")
    return cut_template(found.template, found.tokens, str(folder))


def chat_passages(chats: Sequence[Chat], folder: Path, n_ctx: int, wanted: int) -> Passages:
    """Whole chats as the template of the fine-tuned model in `folder` writes them, cut at n_ctx tokens. What counts is
    the assistant's words and the token that ends them, as in training."""
    from tokenizers import Tokenizer

    turns = turns_of(folder)
    vocabulary = chat_vocabulary(Tokenizer.from_file(str(folder / "tokenizer.json")))
    windows: list[Window] = []
    documents: list[str] = []
    left = wanted
    for chat in chats:
        if left <= 0 and len(documents) >= LEAST:
            break
        try:
            tokenised = tokenise_chat(chat, turns, vocabulary)
        except TemplateFailure:  # an order of roles that training left out as well
            continue
        ids = tokenised.ids[:n_ctx]
        counted = np.array(tokenised.labels[: len(ids) - 1]) != IGNORE
        if counted.any():
            windows.append(Window(ids, counted, len(documents)))
            documents.append(sha256_json(chat))
            left -= int(counted.sum())
    return Passages("chat", "whole", windows, tuple(documents), None, wanted)
