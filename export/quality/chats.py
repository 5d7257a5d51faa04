"""Chats to measure on: such as training did not read where the sources have any, else its own, and it is said which."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from lilm.chat import Message
from lilm.chat.files import read_format
from lilm.chat.rendering import TemplateFailure
from lilm.chat.turns import cut_template
from lilm.errors import LilmError
from lilm.export.quality.passages import LEAST, Passages, Window
from lilm.pipeline.hashing import sha256_json
from lilm.recipe import ChatSourceConfig, Recipe
from lilm.train.finetune.format import chat_vocabulary
from lilm.train.finetune.masking import tokenise_chat
from lilm.train.finetune.sources import read_chats
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
    """Those of the run's sources that its training left, or held out; only where there are hardly any, those that it
    read. finetune: the stage's folder."""
    if not recipe.finetune.sources:
        return Chats([], False, "the run was not taught to chat")
    read: dict[str, Chat] = {}
    left: dict[str, Chat] = {}
    try:
        for source in recipe.finetune.sources:
            if source.format == "hub":
                return Chats([], False, f"{source.repo} is on the hub, and is not fetched again to measure")
            read |= {sha256_json(chat): chat for chat in _chats(source, recipe, recipe.seed)}
        for source in recipe.finetune.sources:
            if source.format == "chats":
                more = source.model_copy(update={"limit": MOST})
                left |= {sha256_json(chat): chat for chat in _chats(more, recipe, recipe.seed + OTHER_SEED)}
            elif source.limit:
                more = source.model_copy(update={"limit": 0})
                left |= {sha256_json(chat): chat for chat in islice(_chats(more, recipe, recipe.seed), MOST)}
    except LilmError as error:
        return Chats([], False, f"its chats cannot be read: {error.what} ({error.where})")
    unseen = {key: chat for key, chat in left.items() if key not in read}
    if unseen:
        return Chats([unseen[key] for key in sorted(unseen)], False)
    heldout = read_heldout(finetune)
    if len(heldout) >= LEAST:
        return Chats(heldout[:MOST], False)
    chats = [read[key] for key in sorted(read)][:MOST]
    return Chats(chats, True, "training read all chats of its sources, or nearly: these are among them")


def _chats(source: ChatSourceConfig, recipe: Recipe, seed: int) -> list[Chat]:
    return [chat.messages for chat in read_chats(source, recipe.language, seed)]


def chat_passages(chats: Sequence[Chat], folder: Path, n_ctx: int, wanted: int) -> Passages:
    """Whole chats as the template of the fine-tuned model in `folder` writes them, cut at n_ctx tokens. What counts is
    the assistant's words and the token that ends them, as in training."""
    from tokenizers import Tokenizer

    found = read_format(folder)
    if found.template is None:
        raise LilmError("no chat template", where=str(folder), remedy="run the finetune stage again")
    turns = cut_template(found.template, found.tokens, str(folder))
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
