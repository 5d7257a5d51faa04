"""A Llama whose matrices are what the blocks of a GGUF file can hold, and the parameters that decide which."""

import copy
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from numpy.typing import NDArray
from transformers import LlamaForCausalLM

from lilm.errors import LilmError
from lilm.export.learned.formats import decode, encode
from lilm.export.learned.kinds import KINDS
from lilm.export.learned.matrix import LearntMatrix, LearntVector
from lilm.export.learned.search import searched
from lilm.gguf_file import GGUFFile, open_gguf
from lilm.llama.layout import Entry, layout, permute_rows
from lilm.llama.shape import Shape

Learnt = LearntMatrix | LearntVector


class Student(torch.nn.Module):
    """A model for the trainer, like one that peft has wrapped: its parameters learn, `get_base_model` computes.

    The model inside is a copy of the teacher; its weights are at first those of the file `start`. `refresh` copies the
    weights of the blocks into it, `pull` turns the gradients of its weights into those of the parameters. learnt: each
    tensor that learns, with its place in the file. kept: GGUF names of the matrices whose type cannot be learnt; they
    stay as they are in the file.
    """

    def __init__(self, teacher: LlamaForCausalLM, start: Path, codes_learn: bool = True) -> None:
        """start: a quantised file of this very model; its types are those that are learnt.

        Raises LilmError when it is another model's.
        """
        super().__init__()
        # in a list, so that it is no part of this module: what is inside does not learn by itself
        self._held = [copy.deepcopy(teacher).eval().requires_grad_(True)]
        self.config: Any = teacher.config
        self.learnt: list[tuple[Entry, Learnt]] = []
        self.kept: list[str] = []
        file = open_gguf(start)
        for entry in layout(Shape.of(teacher.config.to_dict())):
            tensor = file.tensors.get(entry.target)
            if tensor is None or tensor.shape != entry.shape:
                raise LilmError(f"{entry.target} is not the model's", where=str(start), remedy="export the model again")
            self._take(entry, file, teacher, codes_learn)

    def _take(self, entry: Entry, file: GGUFFile, teacher: LlamaForCausalLM, codes_learn: bool) -> None:
        parameter, full = self._parameter(entry), teacher.get_parameter(entry.source).detach()
        if len(entry.shape) == 1:
            self._learn(entry, LearntVector(full))
            return
        tensor = file.tensors[entry.target]
        rows = np.array(file.rows(tensor))
        if entry.heads:
            rows = rows[_order(entry).argsort()]
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(gguf.dequantize(rows, tensor.type).reshape(entry.shape)))
        kind = KINDS.get(tensor.type.name)
        if kind is None:
            parameter.requires_grad_(False)
            self.kept.append(entry.target)
            return
        parts = decode(rows, kind.name)
        if codes_learn:
            parts = searched(full, parts, kind)
        self._learn(entry, LearntMatrix(full, parts, kind, codes_learn))

    def _learn(self, entry: Entry, learnt: Learnt) -> None:
        self.add_module(entry.target.replace(".", "/"), learnt)  # torch wants no dots in names
        self.learnt.append((entry, learnt))

    def _parameter(self, entry: Entry) -> torch.nn.Parameter:
        parameter: torch.nn.Parameter = self._held[0].get_parameter(entry.source)
        return parameter

    def get_base_model(self) -> LlamaForCausalLM:
        model: LlamaForCausalLM = self._held[0]
        return model

    def get_input_embeddings(self) -> Any:
        return self._held[0].get_input_embeddings()

    def get_output_embeddings(self) -> Any:
        return self._held[0].get_output_embeddings()

    @torch.no_grad()
    def refresh(self) -> None:
        """Copy the weights of the blocks, as they are now, into the model inside."""
        for entry, learnt in self.learnt:
            self._parameter(entry).copy_(learnt.weight().view(entry.shape))

    def pull(self) -> None:
        """Turn the gradients of the model inside into those of the parameters, and clear them."""
        for entry, learnt in self.learnt:
            parameter = self._parameter(entry)
            if parameter.grad is not None:
                learnt.pull(parameter.grad)
                parameter.grad = None

    def blocks(self) -> dict[str, NDArray[np.uint8]]:
        """Returns the bytes of each learnt tensor by GGUF name, uint8 [rows, bytes of a row], in the file's order."""
        found: dict[str, NDArray[np.uint8]] = {}
        for entry, learnt in self.learnt:
            if isinstance(learnt, LearntMatrix):
                rows = encode(learnt.parts(), learnt.kind.name, entry.shape[0])
                found[entry.target] = rows[_order(entry)] if entry.heads else rows
            else:
                vector = learnt.weight().float().cpu()
                turned = permute_rows(vector, entry.heads) if entry.heads else vector
                found[entry.target] = turned.contiguous().numpy().astype("<f4").view(np.uint8).reshape(1, -1)
        return found


def _order(entry: Entry) -> NDArray[np.int64]:
    """Returns, for each row in the file, which row it is in Hugging Face's order."""
    order: NDArray[np.int64] = permute_rows(np.arange(entry.shape[0]).reshape(-1, 1), entry.heads).reshape(-1)
    return order
