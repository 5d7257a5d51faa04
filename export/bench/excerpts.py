"""Which held-out text the files are measured on, cut into windows of tokens."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lilm.pipeline.hashing import sha256_json

Encode = Callable[[str], list[int]]

DOCUMENT_SHARE = 16  # at most one part in this many of the tokens comes from one document
PIECE_CHARS = 16  # no piece is longer, so a longer text need not be tokenised to be cut


@dataclass(frozen=True)
class Excerpts:
    """windows: BOS and the tokens after it, at most n_ctx in all; every token but BOS is predicted. document: of each
    window the number of the text that it comes from. texts: these, as far as they are measured.

    tokens, bytes, documents: predicted tokens, UTF-8 bytes of their text, texts it comes from. sha256: of these whole
    texts' sorted hashes, by which two runs know whether they were measured on the same ones.
    """

    windows: list[list[int]]
    document: list[int]
    texts: list[str]
    tokens: int
    bytes: int
    documents: int
    sha256: str


def choose(texts: Iterable[str], encode: Encode, bos: int, n_ctx: int, eval_tokens: int) -> Excerpts:
    """At least `eval_tokens` tokens of `texts`, or all there are.

    Texts come in the order of their hash, which mixes the sources; long ones give their beginning only.
    encode: text -> ids without special tokens. Each window begins with BOS, so the first token of a window is
    predicted from BOS alone and a token from at most n_ctx - 1 others.
    """
    ordered = sorted(texts, key=lambda text: hashlib.sha256(text.encode()).digest())
    share = max(n_ctx - 1, eval_tokens // DOCUMENT_SHARE)
    windows: list[list[int]] = []
    document: list[int] = []
    measured: list[str] = []
    tokens = n_bytes = 0
    documents: list[str] = []
    for text in ordered:
        if tokens >= eval_tokens:
            break
        whole = text
        text, ids = shortened(text, encode, min(share, eval_tokens - tokens))
        if ids:
            windows += [[bos, *ids[at : at + n_ctx - 1]] for at in range(0, len(ids), n_ctx - 1)]
            document += [len(documents)] * (len(windows) - len(document))
            measured.append(text)
            tokens += len(ids)
            n_bytes += len(text.encode())
            documents.append(hashlib.sha256(whole.encode()).hexdigest())
    return Excerpts(windows, document, measured, tokens, n_bytes, len(documents), sha256_json(sorted(documents)))


def shortened(text: str, encode: Encode, limit: int) -> tuple[str, list[int]]:
    """The beginning of `text` that has about `limit` tokens, and its ids. It is cut between characters."""
    text = text[: limit * PIECE_CHARS]
    ids = encode(text)
    if len(ids) > limit:
        text = text[: max(1, len(text) * limit // len(ids))]
        ids = encode(text)
    return text, ids
