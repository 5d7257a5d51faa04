"""A token store held in memory, for texts small enough: the scratch base's English."""

from collections.abc import Sequence

import numpy as np

Tokens = np.ndarray[tuple[int], np.dtype[np.int64]]


class MemoryStore:
    """Documents of token ids, in the order given."""

    def __init__(self, documents: Sequence[Sequence[int]]) -> None:
        self._documents = [np.asarray(document, dtype=np.int64) for document in documents]

    @property
    def n_documents(self) -> int:
        return len(self._documents)

    @property
    def n_tokens(self) -> int:
        return sum(len(document) for document in self._documents)

    def document(self, index: int) -> Tokens:
        return self._documents[index]
