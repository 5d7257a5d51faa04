"""Tokenizers of any kind, asked for the same things: how they cut text, and how many pieces they have."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from lilm.errors import LilmError
from lilm.vocabulary.byte_level import FILE, load_tokenizer
from lilm.vocabulary.sentencepiece import MODEL, has_model, processor, read_proto

Counts = np.ndarray[tuple[int], np.dtype[np.int64]]


class Cutter(Protocol):
    """name: as the report shows it. vocab_size: of all pieces, special ones too."""

    name: str
    vocab_size: int

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids without BOS or EOS."""
        ...

    def split(self, text: str) -> list[str]:
        """The text as it is cut; ▁ is a space, <0x…> a byte."""
        ...


class SentencePieceCutter:
    def __init__(self, name: str, proto: Any) -> None:
        self.name, self.vocab_size = name, len(proto.pieces)
        self._processor = processor(proto)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        ids: list[list[int]] = self._processor.encode(list(texts))
        return ids

    def split(self, text: str) -> list[str]:
        pieces: list[str] = self._processor.encode(text, out_type=str)
        return pieces


class FastCutter:
    """A tokenizer.json of Hugging Face."""

    def __init__(self, name: str, path: Path) -> None:
        self._take(name, load_tokenizer(path))

    @classmethod
    def of_json(cls, name: str, data: dict[str, Any]) -> "FastCutter":
        """Makes one of what such a file holds."""
        from tokenizers import Tokenizer

        made = cls.__new__(cls)
        made._take(name, Tokenizer.from_str(json.dumps(data)))
        return made

    def _take(self, name: str, tokenizer: Any) -> None:
        tokenizer.encode_special_tokens = True  # "</s>" written in a text is text
        self._tokenizer = tokenizer
        self.name, self.vocab_size = name, tokenizer.get_vocab_size()

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        return [one.ids for one in self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]

    def split(self, text: str) -> list[str]:
        """Splits by the places in the text: byte-level pieces have no readable names. Part of a character is …"""
        places = self._tokenizer.encode(text, add_special_tokens=False).offsets
        pieces, done = [], 0
        for begin, end in places:
            pieces.append(text[max(begin, done) : end].replace(" ", "▁") or "…")
            done = max(done, end)
        return pieces


def open_tokenizer(path: Path, name: str = "") -> Cutter:
    """A SentencePiece model, a tokenizer.json, or a folder that has one of them.

    name: default: the file's, or its folder's when the file has the usual one. Raises LilmError when it is neither.
    """
    if path.is_dir():
        found = path / (MODEL if has_model(path) else FILE)  # Llama 3 has tiktoken's file under the model's name too
        if not found.is_file():
            raise LilmError("no tokenizer in it", where=str(path), remedy="give a tokenizer.model or a tokenizer.json")
        path = found
    name = name or (path.parent.name if path.stem == "tokenizer" else path.stem)
    if path.suffix == ".json":
        return FastCutter(name, path)
    return SentencePieceCutter(name, read_proto(path))


@dataclass(frozen=True)
class Density:
    """How much text a token holds."""

    chars: int
    bytes: int
    tokens: int

    def as_json(self) -> dict[str, float]:
        tokens = max(1, self.tokens)
        return {
            "tokens": self.tokens,
            "chars_per_token": round(self.chars / tokens, 4),
            "bytes_per_token": round(self.bytes / tokens, 4),
        }


def density(cutter: Cutter, texts: Sequence[str]) -> Density:
    tokens = sum(map(len, cutter.encode(texts)))
    return Density(sum(map(len, texts)), sum(len(text.encode()) for text in texts), tokens)


def piece_counts(cutter: Cutter, texts: Sequence[str]) -> Counts:
    """How often each piece stands in the texts, [vocab_size]."""
    ids = [np.asarray(row, dtype=np.int64) for row in cutter.encode(texts)]
    return np.bincount(np.concatenate([np.empty(0, dtype=np.int64), *ids]), minlength=cutter.vocab_size)
