"""How many bytes the files of an export need."""

from collections.abc import Iterable

from lilm.recipe import QuantType

F16_BITS = 16.0
# Bits per weight of the widest type a file can hold; the second figure is for rows that are no multiple of 256.
WIDEST = {
    "Q8_0": (8.5, 16.0),
    "Q6_K": (6.5625, 16.0),
    "Q5_K_M": (6.5625, 16.0),
    "Q4_K_M": (6.5625, 16.0),
    "Q4_0": (6.5625, 16.0),
    "IQ4_NL": (6.5625, 16.0),
}
VOCAB_BYTES = 64  # of one piece: its text, score and type, with room


def bytes_needed(parameters: int, vocab_size: int, quants: Iterable[QuantType], whole_rows: bool) -> int:
    """An upper bound for the F16 file and all quantised ones.

    whole_rows: all rows are a multiple of 256.
    """
    bits = [F16_BITS] + [WIDEST[quant][0 if whole_rows else 1] for quant in quants]
    return int(sum(bits) / 8 * parameters) + len(bits) * (vocab_size * VOCAB_BYTES + (1 << 20))
