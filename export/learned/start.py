"""The file that learning begins with, its rows in the order in which Hugging Face's model has them."""

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from numpy.typing import NDArray

from lilm.errors import LilmError
from lilm.export.learned.blocks import Bytes, Parts
from lilm.export.learned.formats import decode, encode
from lilm.export.learned.kinds import KINDS, Kind
from lilm.gguf_file import open_gguf
from lilm.llama.layout import Entry, layout, permute_rows
from lilm.llama.shape import Shape

LAYERS = "model.layers."  # how the names of what is in them begin


class StartFile:
    """A quantised file of a Llama. entries: its tensors."""

    def __init__(self, path: Path, shape: Shape) -> None:
        """Raises LilmError when it is no file of a model of this shape."""
        self.path = path
        self._file = open_gguf(path)
        self.entries = tuple(layout(shape))
        for entry in self.entries:
            tensor = self._file.tensors.get(entry.target)
            if tensor is None or tensor.shape != entry.shape:
                raise LilmError(f"{entry.target} is not the model's", where=str(path), remedy="export the model again")

    def kind(self, entry: Entry) -> Kind | None:
        """What blocks a matrix has; None: such as are not learnt, or it is no matrix."""
        return KINDS.get(self._file.tensors[entry.target].type.name) if len(entry.shape) > 1 else None

    def learns(self, of_layers: bool) -> bool:
        """Whether it has a matrix whose blocks are learnt, in its layers or at all."""
        return any(
            self.kind(entry) is not None and (entry.source.startswith(LAYERS) or not of_layers)
            for entry in self.entries
        )

    def _rows(self, entry: Entry) -> Bytes:
        rows = np.array(self._file.rows(self._file.tensors[entry.target]))
        return rows[order(entry).argsort()] if entry.heads else rows

    def weights(self, entry: Entry) -> torch.Tensor:
        """A matrix, float32 [rows, columns]."""
        kind = self._file.tensors[entry.target].type
        return torch.from_numpy(gguf.dequantize(self._rows(entry), kind).reshape(entry.shape))

    def parts(self, entry: Entry, kind: Kind) -> Parts:
        return decode(self._rows(entry), kind.name)

    @torch.no_grad()
    def give(self, model: Any) -> None:
        """Give a LlamaForCausalLM the matrices of the file."""
        for entry in self.entries:
            if len(entry.shape) > 1:
                model.get_parameter(entry.source).copy_(self.weights(entry))


def stored(parts: Parts, kind: Kind, entry: Entry) -> Bytes:
    """The bytes of a matrix [rows, bytes of a row], as the file orders its rows."""
    rows = encode(parts, kind.name, entry.shape[0])
    return rows[order(entry)] if entry.heads else rows


def order(entry: Entry) -> NDArray[np.int64]:
    """Which row of Hugging Face's stands at each place of the file, of an entry with heads."""
    places: NDArray[np.int64] = permute_rows(np.arange(entry.shape[0]).reshape(-1, 1), entry.heads).reshape(-1)
    return places
