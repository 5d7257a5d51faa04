"""The block types a matrix may have in a GGUF file: their sizes, the rows they divide, where they are fast."""

from dataclasses import dataclass

import gguf

# Fast on phones and in the browser. Phones: llama.cpp repacks these for NEON (ggml-cpu/repack.cpp,
# ggml_repack_get_optimal_repack_type) when the matrix has a multiple of 4 rows, for K types of 8.
# Browser: wasm/src/kernels/mul_mat.c, find_type, has a kernel for each.
FAST = ("Q8_0", "Q6_K", "Q5_K", "Q4_K", "Q4_0", "IQ4_NL")
# llama.cpp computes these too, with one row at a time: fewer bytes, but not faster ones. Q5_0, 5.5 bits, and Q3_K,
# 3.44, have kernels of ours in the browser; on phones they are repacked nowhere, and have only vector code of their own
# (arch/arm/quants.c).
PLAIN = ("Q5_1", "Q5_0", "Q4_1", "IQ4_XS", "Q3_K", "Q2_K")
WHOLE = "F16"  # of what no block fits


@dataclass(frozen=True)
class BlockType:
    """name: of a ggml_type. block: weights in a block, a row is a multiple of it. bytes: of a block. fast: see FAST."""

    name: str
    block: int
    bytes: int
    fast: bool

    @property
    def bits(self) -> float:
        """Per weight."""
        return self.bytes * 8 / self.block

    def fits(self, columns: int) -> bool:
        """Whether a row of so many weights is whole blocks."""
        return columns % self.block == 0

    def matrix_bytes(self, rows: int, columns: int) -> int:
        return rows * (columns // self.block) * self.bytes


def block_type(name: str) -> BlockType:
    """The type of that name. Raises KeyError for one that GGML does not have."""
    block, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]]
    return BlockType(name, int(block), int(size), name in FAST or name == WHOLE)


def fitting(names: tuple[str, ...], columns: int) -> tuple[BlockType, ...]:
    """Those of `names` that divide rows of `columns` weights, smallest first; F16 alone where none does."""
    types = sorted((block_type(name) for name in names), key=lambda one: (one.bits, one.name))
    return tuple(one for one in types if one.fits(columns)) or (block_type(WHOLE),)
