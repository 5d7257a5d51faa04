"""The last product of a model, from hidden states to logits, computed as llama.cpp does and without decoding again."""

from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

from lilm.gguf_file import GGUFFile, GGUFTensor, open_gguf

ROWS = 8_192  # of the matrix that are widened at once

States = NDArray[np.float16]


def head_of(file: GGUFFile) -> GGUFTensor | None:
    """The matrix that makes logits; None where it is not in F16. For one that is, ggml rounds hidden states to F16, so
    that these, kept in F16, are all that it reads."""
    found = file.tensors.get("output.weight") or file.tensors.get("token_embd.weight")
    wanted = found is not None and found.type == gguf.GGMLQuantizationType.F16 and len(found.shape) == 2
    return found if wanted else None


class KeptStates:
    """Normed hidden states of one file's tokens, [tokens, n_embd], in a file as F16, and the head that is theirs."""

    def __init__(self, model: Path, states: Path) -> None:
        file = open_gguf(model)
        head = head_of(file)
        if head is None:
            raise ValueError(f"{model} has no head in F16")
        self._head = file.rows(head).view(np.float16)
        self._states: States = np.memmap(states, np.float16, "r").reshape(-1, head.shape[1])

    @property
    def n_vocab(self) -> int:
        return len(self._head)

    def logits(self, start: int, count: int) -> NDArray[np.float32]:
        """[count, n_vocab] of the tokens from `start` on; sums are in F32, as ggml's are."""
        states = self._states[start : start + count].astype(np.float32)
        found = np.empty((len(states), self.n_vocab), np.float32)
        for row in range(0, self.n_vocab, ROWS):
            np.matmul(states, self._head[row : row + ROWS].astype(np.float32).T, out=found[:, row : row + ROWS])
        return found
