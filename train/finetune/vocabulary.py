"""The vocabulary that a run teaches chats in, from whatever there is of it: a run's stages, its base, a folder, a
GGUF."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lilm.chat.files import ChatFormat, read_format
from lilm.chat.tokens import ChatVocabulary
from lilm.errors import LilmError
from lilm.gguf_file import open_gguf
from lilm.json_file import read_json_object
from lilm.recipe import Recipe
from lilm.temporary import temporary_folder
from lilm.train.finetune.format import chat_vocabulary
from lilm.vocabulary.added_tokens import ADDED, read_model
from lilm.vocabulary.byte_level import CONFIG, FILE, piece_bytes, read_byte_level
from lilm.vocabulary.sentencepiece import MODEL, has_model

if TYPE_CHECKING:
    from tokenizers import Tokenizer

STAGES = ("pretrain", "tokenizer", "base")  # of a run, the one that training reads first
SHAPE = "config.json"
POSITIONS = "max_position_embeddings"
_BYTE = re.compile("<0x([0-9A-F]{2})>")


@dataclass(frozen=True)
class KnownVocabulary:
    """where: the folder or file that it is from. pieces: what each id stands for, in UTF-8, a part of a character too.
    positions: of the model, None where nothing tells."""

    where: Path
    chat: ChatVocabulary
    format: ChatFormat
    pieces: dict[int, bytes]
    positions: int | None


def find_vocabulary(recipe: Recipe | None, run: Path | None, model: Path | None) -> KnownVocabulary:
    """Of `model`, a folder or a GGUF file, or what training would read of the run, or of the recipe's base.

    Raises LilmError when there is none yet, or it cannot be read.
    """
    if model is not None:
        return _read(model, None)
    done = [run / stage for stage in STAGES if run and _has_tokenizer(run / stage)]
    if run and done:
        shape = next((run / stage for stage in ("pretrain", "base") if (run / stage / SHAPE).is_file()), None)
        return _read(done[0], shape)
    base = recipe.base if recipe else None
    if base and base.kind == "hub":
        from lilm.hub import download_model

        return _read(download_model(base.repo, base.revision, (MODEL, FILE, CONFIG, ADDED, "*.jinja", SHAPE)), None)
    if base and base.path:
        return _read(Path(base.path), None)
    raise LilmError(
        "no tokenizer yet",
        where=str(run) if run else "lilm finetune show",
        remedy="run `lilm run --to base` first, or give --model, a model's folder or a GGUF file",
    )


def _has_tokenizer(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (MODEL, FILE))


def _read(path: Path, shape: Path | None) -> KnownVocabulary:
    """shape: the folder whose config.json tells the positions; None: the same."""
    if path.is_file():
        from lilm.train.base.gguf_tokenizer import write_gguf_tokenizer

        file = open_gguf(path)
        with temporary_folder("vocabulary") as folder:
            positions = file.value("llama.context_length", int)
            write_gguf_tokenizer(file, folder, positions or 0)
            return _in_folder(folder, path, positions)
    if not _has_tokenizer(path):
        what = f"no {MODEL} and no {FILE} in it" if path.is_dir() else "no such file or folder"
        raise LilmError(what, where=str(path), remedy="give a model's folder, or a GGUF file")
    config = (shape or path) / SHAPE
    positions = read_json_object(config).get(POSITIONS) if config.is_file() else None
    return _in_folder(path, path, positions if isinstance(positions, int) else None)


def _in_folder(folder: Path, where: Path, positions: int | None) -> KnownVocabulary:
    tokenizer = _tokenizer(folder)
    names = {number: name for name, number in tokenizer.get_vocab().items()}
    added = set(tokenizer.get_added_tokens_decoder())
    spell = _spelt if has_model(folder) else _byte_level
    pieces = {number: name.encode() if number in added else spell(name) for number, name in names.items()}
    return KnownVocabulary(where, chat_vocabulary(tokenizer), read_format(folder), pieces, positions)


def _tokenizer(folder: Path) -> "Tokenizer":
    from tokenizers import Tokenizer

    if has_model(folder):
        from lilm.train.tokenizer.hf import build_tokenizer

        made: Tokenizer = build_tokenizer(read_model(folder / MODEL))
        return made
    try:
        found: Tokenizer = Tokenizer.from_file(str(folder / FILE))
    except Exception as error:  # it raises nothing narrower
        raise LilmError(f"no tokenizer ({error})", where=str(folder / FILE), remedy="fetch the file again") from error
    if any(token.special for token in found.get_added_tokens_decoder().values()):
        return found
    marked: Tokenizer = Tokenizer.from_str(json.dumps(read_byte_level(folder).data))
    return marked


def _spelt(name: str) -> bytes:
    byte = _BYTE.fullmatch(name)
    return bytes([int(byte[1], 16)]) if byte else name.replace("▁", " ").encode()


def _byte_level(name: str) -> bytes:
    try:
        return piece_bytes(name)
    except KeyError:  # of no byte: padding's, for one
        return name.encode()
