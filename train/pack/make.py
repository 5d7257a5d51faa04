"""Encodes the corpus and writes its token stores. Every document is `<s>`, its tokens, `</s>`, as for Llama.

A tokenizer without BOS has its EOS in front too: models that know no other mark saw it between texts. An instruct
tokenizer's EOS ends turns; a text ends with the token for ends of texts then, see lilm.chat.marks.
"""

import json
import shutil
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from lilm.chat.files import read_chat_template
from lilm.chat.marks import text_mark
from lilm.documents import Split, count_documents
from lilm.errors import LilmError
from lilm.pipeline.artifact import Artifact
from lilm.pipeline.hashing import sha256_file, write_json
from lilm.pipeline.stage import Context
from lilm.recipe import PackConfig
from lilm.train.pack.megatron import ShardWriter, data_file, index_file, token_dtype
from lilm.train.pack.mix import read_mixed, read_weights
from lilm.train.pack.report import PAGE, write_report_with_tokens
from lilm.train.pack.token_store import SIDECAR
from lilm.vocabulary.pieces import open_pieces
from lilm.vocabulary.sentencepiece import has_model

SPLITS: tuple[Split, ...] = ("train", "heldout")
FEW_TOKENS = 2_000  # held out, below which bits per byte differ by chance more than by training
BATCH = 1000  # documents encoded at once


def pack_corpus(config: PackConfig, corpus: Path, tokenizer_dir: Path, out_dir: Path, context: Context) -> Artifact:
    """See lilm.train.pack.stage.run."""
    path = tokenizer_dir / "tokenizer.json"
    tokenizer = _load(path)
    eos_id = _text_end(tokenizer, tokenizer_dir)
    bos_id = _special(tokenizer, tokenizer_dir, "bos_token", eos_id)
    dtype = token_dtype(tokenizer.get_vocab_size())
    shutil.rmtree(out_dir / "tokens", ignore_errors=True)
    (out_dir / "tokens").mkdir(parents=True)
    weights = read_weights(corpus)
    stores: dict[str, Any] = {}
    started = time.perf_counter()
    for lang in (context.language, context.base_language):
        for split in SPLITS:
            total = count_documents(corpus, lang, split)
            if total == 0:
                raise LilmError(
                    f"no {split} documents of language {lang!r}", where=str(corpus), remedy="add text of that language"
                )
            with context.reporter.bar(f"pack {lang} {split}", total) as bar:
                packed = _Packed(out_dir / "tokens", f"{lang}-{split}", dtype, config.shard_tokens)
                for batch in _batches(read_mixed(corpus, lang, split, weights)):
                    encodings = tokenizer.encode_batch_fast([text for text, _ in batch], add_special_tokens=False)
                    for (text, times), encoding in zip(batch, encodings, strict=True):
                        for _ in range(times):
                            packed.add([bos_id, *encoding.ids, eos_id], text)
                    bar.advance(len(batch))
                stores[f"{lang}-{split}"] = packed.close()
                if not stores[f"{lang}-{split}"]["tokens"]:
                    raise LilmError(
                        f"no document of {lang!r} is left in the {split} split",
                        where="corpus.sources",
                        remedy="raise the weight of its sources, which leaves out documents below 1, or add text",
                    )
    seconds = time.perf_counter() - started
    sidecar = {
        "tokenizer_sha256": sha256_file(path),
        "vocab_size": tokenizer.get_vocab_size(),
        "dtype": dtype,
        "bos_id": bos_id,
        "eos_id": eos_id,
        "document": "bos_id, tokens of the text without special tokens, eos_id; as often as its source's weight says",
        "stores": stores,
    }
    write_json(out_dir / SIDECAR, sidecar)
    for name, store in stores.items():
        if name.endswith("-heldout") and store["tokens"] < FEW_TOKENS:
            context.reporter.say(
                f"  only {store['tokens']:,} tokens of {name.removesuffix('-heldout')!r} are held out, and figures "
                "about them waver: add text, or raise corpus.heldout"
            )
    write_report_with_tokens(corpus, stores, seconds, out_dir)
    size = sum(store["bytes"] for store in stores.values())
    return Artifact(
        {
            "tokens": {name: store["tokens"] for name, store in stores.items()},
            "characters_per_token": {
                name: round(store["characters"] / store["tokens"], 3) for name, store in stores.items()
            },
            "bytes_per_token": {name: round(store["bytes"] / store["tokens"], 3) for name, store in stores.items()},
            "mb_per_s": round(size / seconds / 1e6, 1),
        },
        volatile=(PAGE,),
    )


class _Packed:
    """The shards of one store while they are written."""

    def __init__(self, folder: Path, name: str, dtype: str, shard_tokens: int) -> None:
        self._folder, self._name, self._dtype, self._limit = folder, name, dtype, shard_tokens
        self._documents = self._tokens = self._characters = self._bytes = self._in_shard = 0
        self._shards: list[dict[str, str | int]] = []
        self._writer = self._open()

    def _open(self) -> ShardWriter:
        self._in_shard = 0
        return ShardWriter(self._folder / f"{self._name}-{len(self._shards):05d}", self._dtype)

    def add(self, ids: list[int], text: str) -> None:
        if self._in_shard and self._in_shard + len(ids) > self._limit:
            self._finish()
            self._writer = self._open()
        self._writer.add(ids)
        self._in_shard += len(ids)
        self._documents += 1
        self._tokens += len(ids)
        self._characters += len(text)
        self._bytes += len(text.encode())

    def _finish(self) -> None:
        self._writer.close()
        prefix = self._writer.prefix
        self._shards.append(
            {
                "name": prefix.name,
                "tokens": self._in_shard,
                "bin_sha256": sha256_file(data_file(prefix)),
                "idx_sha256": sha256_file(index_file(prefix)),
            }
        )

    def close(self) -> dict[str, Any]:
        self._finish()
        return {
            "documents": self._documents,
            "tokens": self._tokens,
            "characters": self._characters,
            "bytes": self._bytes,
            "shards": self._shards,
        }


def _batches(documents: Iterator[tuple[str, int]]) -> Iterator[list[tuple[str, int]]]:
    while batch := list(islice(documents, BATCH)):
        yield batch


def _load(path: Path) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises nothing more specific
        raise LilmError(
            f"unreadable ({error})", where=str(path), remedy="run the tokenizer stage again with --force"
        ) from error
    tokenizer.encode_special_tokens = True  # "</s>" written in a document is text, not the end of it
    return tokenizer


def _text_end(tokenizer: Tokenizer, folder: Path) -> int:
    """EOS, or what ends a text where EOS ends turns of a chat."""
    if has_model(folder):
        return open_pieces(folder).eos_id
    names = {token.content: at for at, token in tokenizer.get_added_tokens_decoder().items()}
    eos_id = _special(tokenizer, folder, "eos_token")
    return names.get(text_mark(str(tokenizer.id_to_token(eos_id)), read_chat_template(folder), names), eos_id)


def _special(tokenizer: Tokenizer, folder: Path, key: str, default: int | None = None) -> int:
    """Id of the token that tokenizer_config.json names under `key`; `default` where it says that there is none."""
    path = folder / "tokenizer_config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        named = config[key] if default is None else config.get(key)
    except (OSError, ValueError, KeyError) as error:
        raise LilmError(f"names no {key} ({error})", where=str(path), remedy="run the tokenizer stage again") from error
    if named is None and default is not None:
        return default
    token = named["content"] if isinstance(named, dict) else named
    number = tokenizer.token_to_id(token) if isinstance(token, str) else None
    if number is None:
        raise LilmError(
            f"{key} {token!r} is not in the vocabulary", where=str(path), remedy="run the tokenizer stage again"
        )
    return int(number)
