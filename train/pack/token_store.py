"""Tokens of one language and split, over all its shards, memory-mapped."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from lilm.errors import LilmError
from lilm.train.pack.megatron import Array, open_shard

SIDECAR = "tokens.json"


def _sidecar(pack_dir: Path) -> dict[str, Any]:
    path = pack_dir / SIDECAR
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LilmError(
            f"no tokens ({error})", where=str(path), remedy="give the folder of a pack stage, or run it again"
        ) from error
    return found


def languages(pack_dir: Path) -> list[str]:
    """Those with a training split, the one to learn first. Raises LilmError when that cannot be read."""
    names = [name.rpartition("-") for name in _sidecar(pack_dir)["stores"]]
    return [language for language, _, split in names if split == "train"]


class TokenStore:
    """Documents of token ids, each `<s>` … `</s>`, in the order of the corpus.

    n_documents, n_tokens: how many. n_bytes: UTF-8 bytes of their text, for bits per byte. lengths: tokens of each
    document, int64 [n_documents].
    """

    def __init__(self, shards: list[tuple[Array, Array]], figures: dict[str, Any], bos_id: int, eos_id: int) -> None:
        self._tokens = [tokens for tokens, _ in shards]
        self.lengths: Array = np.concatenate([lengths for _, lengths in shards])
        self._first = np.cumsum([0] + [len(lengths) for _, lengths in shards])  # first document of each shard
        self._starts = [np.concatenate([[0], np.cumsum(lengths)]) for _, lengths in shards]
        self._ends = np.cumsum([0] + [len(tokens) for tokens in self._tokens])
        self.n_documents: int = figures["documents"]
        self.n_tokens: int = figures["tokens"]
        self.n_bytes: int = figures["bytes"]
        self.bos_id, self.eos_id = bos_id, eos_id

    @classmethod
    def open(cls, pack_dir: Path, lang: str, split: str, tokenizer_sha256: str | None = None) -> "TokenStore":
        """The store of `lang` and `split` ("train" or "heldout").

        Raises LilmError when a file is missing or cut short, or when the tokens were made by another tokenizer
        than the one whose tokenizer.json has the hash `tokenizer_sha256`.
        """
        path, sidecar = pack_dir / SIDECAR, _sidecar(pack_dir)
        try:
            figures = sidecar["stores"][f"{lang}-{split}"]
        except KeyError as error:
            raise LilmError(
                f"no token store of {lang} {split} ({error})", where=str(path), remedy="run the pack stage again"
            ) from error
        made_by = sidecar["tokenizer_sha256"]
        if tokenizer_sha256 is not None and tokenizer_sha256 != made_by:
            raise LilmError(
                f"packed with another tokenizer ({made_by[:12]}, not {tokenizer_sha256[:12]})",
                where=str(path),
                remedy="run the pack stage again",
            )
        shards = [open_shard(pack_dir / "tokens" / shard["name"]) for shard in figures["shards"]]
        store = cls(shards, figures, sidecar["bos_id"], sidecar["eos_id"])
        if len(store.lengths) != store.n_documents or int(store._ends[-1]) != store.n_tokens:
            raise LilmError(
                f"the shards of {lang} {split} have {len(store.lengths)} documents and {store._ends[-1]} tokens, "
                f"not {store.n_documents} and {store.n_tokens}",
                where=str(path),
                remedy="run the pack stage again with --force",
            )
        return store

    @staticmethod
    def vocab_size(pack_dir: Path) -> int:
        """Ids of the tokenizer that packed. Raises LilmError when that cannot be read."""
        return int(_sidecar(pack_dir)["vocab_size"])

    def document(self, index: int) -> Array:
        """Ids of document `index`: a view of the file, uint16 or int32."""
        if not 0 <= index < self.n_documents:
            raise IndexError(f"document {index} of {self.n_documents}")
        shard = int(np.searchsorted(self._first, index, side="right")) - 1
        within = index - int(self._first[shard])
        start, stop = self._starts[shard][within : within + 2]
        return self._tokens[shard][start:stop]

    def tokens(self, start: int, stop: int) -> Array:
        """Ids [start, stop) of the whole store as int64, across shards; clipped at its ends."""
        start, stop = max(0, start), min(stop, self.n_tokens)
        parts = [
            tokens[max(0, start - int(first)) : max(0, stop - int(first))]
            for tokens, first in zip(self._tokens, self._ends[:-1], strict=True)
        ]
        return np.concatenate([np.empty(0, dtype=np.int64), *parts]).astype(np.int64)
