"""What the pieces buy: tokens saved and megabytes paid as the vocabulary grows.

New pieces stand in the order of their merges, so a smaller vocabulary is the base's pieces, the first so many of the
new ones, and all single characters: it is measured without learning anything again.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lilm.progress import Reporter
from lilm.train.tokenizer.report.tokenizers import Cutter, density
from lilm.vocabulary.sentencepiece import NORMAL, empty_proto

STEP = 1000
FEWEST_POINTS = 8
FILE_TYPES = {
    "F16": ("F16", "F16"),
    "Q8_0": ("Q8_0", "Q8_0"),
    "Q6_K": ("Q6_K", "Q6_K"),
    "Q5_K_M": ("Q5_K", "Q6_K"),
    "Q4_K_M": ("Q4_K", "Q6_K"),
    "Q4_0": ("Q4_0", "Q6_K"),
}
"""Types of the input and the output matrix; one matrix for both has the latter's (llama-quant.cpp)."""
FALLBACK = {"Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0"}
"""Taken by llama.cpp when a row is no multiple of 256 (llama-quant.cpp)."""


@dataclass(frozen=True)
class Shape:
    """The shape of the two matrices that have a row for each piece. tied: they are one."""

    hidden_size: int
    tied: bool

    def row_bytes(self, file_type: str) -> float:
        """Bytes that one piece costs in a GGUF of this type."""
        source, output = FILE_TYPES[file_type]
        width = self.hidden_size
        return row_bytes(width, output) + (0.0 if self.tied else row_bytes(width, source))


def row_bytes(columns: int, name: str) -> float:
    """Bytes of one row of `columns` weights in the GGML type `name`, or in the one that llama.cpp takes instead."""
    import gguf

    block, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]]
    if columns % block:
        return row_bytes(columns, FALLBACK.get(name, "F16"))
    return columns / block * size


def truncated(proto: Any, base_size: int, new: int) -> Any:
    """The vocabulary with `new` new pieces at most: all single characters, and the first of the others. With fewer
    than there are characters, the base's alone; unused pieces go."""
    pieces = [piece for piece in list(proto.pieces)[base_size:] if piece.type == NORMAL]
    characters = sum(len(piece.piece) == 1 for piece in pieces)
    words = max(0, new - characters)
    copy = empty_proto()
    copy.CopyFrom(proto)
    del copy.pieces[base_size:]
    if new >= characters:
        for piece in pieces:
            if len(piece.piece) == 1 or words > 0:
                words -= len(piece.piece) > 1
                copy.pieces.add(piece=piece.piece, score=piece.score, type=piece.type)
    return copy


def sizes(characters: int, new: int) -> list[int]:
    """Numbers of new pieces to measure: none, the characters alone, then steps of STEP (smaller for a small one).

    >>> sizes(700, 4000)
    [0, 700, 1000, 1500, 2000, 2500, 3000, 3500, 4000]
    """
    step = STEP
    while step > 1 and new / step < FEWEST_POINTS:
        step = max(1, step // 2)
    inner = {size for size in range(step, new, step) if size > characters}
    return sorted({0, characters, new} | inner)


def vocabulary_curve(
    wanted: Sequence[int], smaller: Callable[[int], Cutter], texts: Sequence[str], shape: Shape, reporter: Reporter
) -> Iterator[dict[str, Any]]:
    """Yields for each number in `wanted`: new (pieces added), vocab_size, tokens of `texts`, chars_per_token, and mb by
    file type: 10^6 bytes of both matrices. smaller: cuts text with so many new pieces."""
    with reporter.bar("vocabulary sizes", len(wanted)) as bar:
        for new in wanted:
            cutter = smaller(new)
            size = cutter.vocab_size
            yield {
                "new": new,
                "vocab_size": size,
                **density(cutter, texts).as_json(),
                "mb": {name: round(size * shape.row_bytes(name) / 1e6, 3) for name in FILE_TYPES},
            }
            bar.advance(note=f"{size:,} pieces")
