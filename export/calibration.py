"""Which text the export measures on: documents that the model learnt from, never those that it is judged by."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lilm.documents import read_evenly, read_texts
from lilm.errors import LilmError
from lilm.gguf_file import open_gguf
from lilm.llamacpp.client import LlamaClient

FEWEST_TOKENS = 8  # that a document has, on average, where enough are asked for
PIECE_CHARS = 16  # no piece is longer, so a longer text need not be tokenised to be cut
AT_ONCE = 64  # texts to tokenise
SHARE = 16  # at most one part in this many of the tokens comes from one document
EVERY = 4  # one document in so many is for the second use


@dataclass(frozen=True)
class Sample:
    """windows: [windows, tokens], each beginning with BOS. documents: SHA-256 of the texts that they come from, whole,
    sorted."""

    windows: NDArray[np.int64]
    documents: tuple[str, ...]


def choose_calibration(
    corpus: Path, languages: Sequence[str], full: Path, tokens: tuple[int, int], n_ctx: tuple[int, int]
) -> tuple[Sample, Sample]:
    """Two samples of training documents without one in common, for importance and for sensitivity.

    Each is of about so many `tokens`, none where they are 0, the languages' shares the same, in windows of `n_ctx`.
    full: a GGUF file with the vocabulary. Documents are taken at even distances from the whole corpus, and of each only
    its beginning.
    Raises LilmError when a language has too little text, or a document is held out too.
    """
    bos = open_gguf(full).value("tokenizer.ggml.bos_token_id", int) or 0
    parts: tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]] = ([], [])
    used: tuple[set[str], set[str]] = (set(), set())
    with LlamaClient(full, {"do": "open_vocabulary", "path": str(full)}) as client:

        def encode(texts: Sequence[str]) -> list[list[int]]:
            ids: list[list[int]] = client.ask("tokenize", texts=texts, add_bos=False, parse_special=False)[0]["ids"]
            return ids

        for lang in languages:
            wanted = [-(-one // len(languages)) for one in tokens]
            texts = sorted(set(read_evenly(corpus, lang, "train", sum(wanted) // FEWEST_TOKENS)), key=digest)
            uses = ([text for at, text in enumerate(texts) if at % EVERY], texts[::EVERY])
            for use in (0, 1):
                windows, read = _windows(uses[use], encode, bos, wanted[use], n_ctx[use])
                if wanted[use] and not len(windows):
                    raise LilmError(
                        f"too little training text of {lang!r} to measure on",
                        where=str(corpus),
                        remedy="give that language more text, or give [export] no target_mb, bits_per_weight or device",
                    )
                parts[use].append(windows)
                used[use].update(map(digest, read))
    _check_apart(corpus, languages, used[0] | used[1])
    first, second = (Sample(np.concatenate(parts[use]), tuple(sorted(used[use]))) for use in (0, 1))
    return first, second


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _windows(
    texts: Sequence[str], encode: Callable[[Sequence[str]], list[list[int]]], bos: int, tokens: int, n_ctx: int
) -> tuple[NDArray[np.int64], list[str]]:
    """The beginnings of `texts`, one after another, cut into whole windows of BOS and n_ctx - 1 tokens; and the texts
    that were read."""
    most = max(n_ctx, tokens // SHARE)
    wanted = -(-tokens // n_ctx) * (n_ctx - 1)
    stream: list[int] = []
    read: list[str] = []
    for start in range(0, len(texts), AT_ONCE):
        some = texts[start : start + AT_ONCE]
        ids = encode([text[: most * PIECE_CHARS] for text in some])
        for text, one in zip(some, ids, strict=True):
            if len(stream) < wanted and one:
                stream += [bos, *one[:most]] if stream else one[:most]
                read.append(text)
        if len(stream) >= wanted:
            break
    count = min(wanted, len(stream)) // (n_ctx - 1)
    rows = np.array(stream[: count * (n_ctx - 1)], np.int64).reshape(count, n_ctx - 1)
    return np.concatenate([np.full((count, 1), bos, np.int64), rows], axis=1), read


def _check_apart(corpus: Path, languages: Sequence[str], used: set[str]) -> None:
    """What is measured on later must not decide here which file is good."""
    for lang in languages:
        for text in read_texts(corpus, lang, "heldout"):
            if digest(text) in used:
                raise LilmError(
                    f"a training document of {lang!r} is held out too: {text[:40]!r}",
                    where=str(corpus),
                    remedy="run the corpus stage again with --force",
                )
