"""What every way of tuning starts from and is measured on: a pretrained model, a split of real chats, a window."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lilm.chat import Message
from lilm.chat.files import read_format
from lilm.chat.tokens import ChatVocabulary
from lilm.commands import command
from lilm.disk import write_atomic
from lilm.errors import LilmError
from lilm.export.recipe_json import folder_digest
from lilm.llama.config import read_llama_config
from lilm.pipeline.artifact import read_manifest
from lilm.pipeline.hashing import sha256_json
from lilm.pipeline.stage import Context
from lilm.progress import Reporter
from lilm.recipe import ChatSourceConfig, FinetuneConfig, Recipe
from lilm.train.finetune.cutting import CutChats
from lilm.train.finetune.format import Format, chat_vocabulary, choose_format
from lilm.train.finetune.heldout import ReadChat, beginning
from lilm.train.finetune.masking import tokenise_chat
from lilm.train.finetune.sources import open_chats

CHATS = "chat/instruction_ja/data/data.jsonl"  # below the folder of data
STAGES = ("base", "corpus", "pack", "pretrain")
TESTED, PAIRED = 20, 25  # of 100 conversations, by their hash
FEWEST = 4  # chats of each part


@dataclass(frozen=True)
class Bed:
    """folders: of STAGES. out: where everything is kept. learnt, paired, tested: chats of three parts that share no
    conversation: to tune on, to make pairs of, and to measure with, each of `window` tokens at most. too_long:
    exchanges that were left out, as they alone exceed the window."""

    folders: Mapping[str, Path]
    recipe: Recipe
    out: Path
    reporter: Reporter
    format: Format
    vocabulary: ChatVocabulary
    window: int
    positions: int
    learnt: list[ReadChat]
    paired: list[ReadChat]
    tested: list[ReadChat]
    too_long: int

    @property
    def context(self) -> Context:
        one = self.recipe
        return Context(one.seed, one.threads, one.language, one.base_language, self.reporter)

    @property
    def pretrained(self) -> Path:
        return self.folders["pretrain"]

    def config(self, chats: Path | None = None, **changes: Any) -> FinetuneConfig:
        """The recipe's [finetune] with the chats of a file for its sources, or with none, and no pairs."""
        sources = [] if chats is None else [{"name": "learnt", "format": "messages", "path": str(chats)}]
        plain = {"sources": sources, "preference": {}, "distributed": {}, "samples": 0}
        return FinetuneConfig.model_validate(self.recipe.finetune.model_dump(mode="json") | plain | changes)

    def written(self, name: str, rows: Sequence[Mapping[str, Any]]) -> Path:
        """A file of JSON Lines in `out`."""
        path = self.out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        return path

    def learnt_file(self) -> Path:
        return self.written("learnt.jsonl", [{"messages": chat.messages} for chat in self.learnt])

    def tested_in(self, chosen: Format) -> list[ReadChat]:
        """The tested chats in another format."""
        return [
            replace(chat, tokens=tokenise_chat(chat.messages, chosen.turns, self.vocabulary)) for chat in self.tested
        ]

    def decides(self) -> dict[str, Any]:
        """All that decides what comes of a way of tuning."""
        parts = {"learnt": self.learnt, "paired": self.paired, "tested": self.tested}
        return {
            **{name: folder_digest(self.folders[name]) for name in ("pack", "pretrain")},
            **{name: sha256_json([chat.messages for chat in chats]) for name, chats in parts.items()},
            "finetune": self.recipe.finetune.model_dump(mode="json"),
            **{"seed": self.recipe.seed, "threads": self.recipe.threads},
        }


def run_folders(run: Path) -> dict[str, Path]:
    """The folders of STAGES. Raises LilmError when one of them is not done."""
    for name in STAGES:
        if read_manifest(run / name) is None:
            remedy = command("run", "--run", run, "--to", "pretrain")
            raise LilmError(f"stage {name} is not done", where=str(run), remedy=remedy)
    return {name: run / name for name in STAGES}


def open_bed(folders: Mapping[str, Path], recipe: Recipe, chats: Path, out: Path, reporter: Reporter) -> Bed:
    """chats: a file of conversations. Raises LilmError for one that cannot be read or has too few of them."""
    from tokenizers import Tokenizer

    if not chats.is_file():
        raise LilmError("no such file of chats", where=str(chats), remedy=f"give a folder that has {CHATS} by --data")
    pretrained = folders["pretrain"]
    chosen = choose_format(recipe.finetune, read_format(pretrained), str(pretrained))
    vocabulary = chat_vocabulary(Tokenizer.from_file(str(pretrained / "tokenizer.json")))
    positions = read_llama_config(pretrained)["max_position_embeddings"]
    window = min(recipe.finetune.sequence_length, positions)
    cut = CutChats()
    parts: dict[str, list[ReadChat]] = {"learnt": [], "paired": [], "tested": []}
    source = ChatSourceConfig(name="chats", path=str(chats))
    for chat in open_chats(source, recipe.language, chosen.turns):
        key = beginning(chat.messages)
        for part in cut.add(chat, chosen.turns, vocabulary, window):
            parts[_part(key)].append(ReadChat(part.messages, part.tokens, 0, key))
    few = next((name for name, found in parts.items() if len(found) < FEWEST), None)
    if few is not None:
        what = f"{len(parts[few])} chats of at most {window} tokens are {few}, and {FEWEST} are needed"
        raise LilmError(what, where=str(chats), remedy="give more chats, or raise finetune.sequence_length of the run")
    reporter.say(
        f"  chats of at most {window} tokens: {len(parts['learnt'])} to learn, {len(parts['paired'])} for pairs, "
        f"{len(parts['tested'])} to measure with; {cut.too_long} exchanges are longer and left out"
    )
    return Bed(folders, recipe, out, reporter, chosen, vocabulary, window, positions, **parts, too_long=cut.too_long)


def _part(key: str) -> str:
    """key: the hash of how a conversation begins, which alone decides."""
    place = int(key[:8], 16) % 100
    return "tested" if place < TESTED else "paired" if place < TESTED + PAIRED else "learnt"


def last_exchange(messages: Sequence[Message]) -> tuple[list[Message], str] | None:
    """(what is said before the last answer, that answer); None where nobody asks before it."""
    *asked, answer = messages
    return (asked, answer["content"]) if asked and asked[-1]["role"] == "user" else None
