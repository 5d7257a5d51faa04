"""A Llama whose matrices are what the blocks of a GGUF file can hold, and the parameters that decide which."""

import copy
from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import LlamaForCausalLM

from lilm.export.learned.begin import ToRound
from lilm.export.learned.blocks import Parts
from lilm.export.learned.kinds import Kind
from lilm.export.learned.matrix import LearntMatrix, LearntVector
from lilm.export.learned.start import stored
from lilm.llama.layout import Entry, permute_rows

Learnt = LearntMatrix | LearntVector


class Start(Protocol):
    """What learning begins with: see StartFile."""

    @property
    def entries(self) -> Sequence[Entry]: ...
    def kind(self, entry: Entry) -> Kind | None: ...
    def parts(self, entry: Entry, kind: Kind) -> Parts: ...
    def give(self, model: Any) -> None: ...


class Student(torch.nn.Module):
    """A model for the trainer, like one that peft has wrapped: its parameters learn, `get_base_model` computes.

    The model inside is a copy of the teacher, first with the weights of the file; `refresh` gives it those of
    the blocks as they are, `pull` hands the gradients of its weights to what learns. learnt: each tensor that learns,
    and what it is in the file. kept: names of the matrices of other types; they stay as the file has them.
    """

    def __init__(self, teacher: LlamaForCausalLM, file: Start, codes_learn: bool = True) -> None:
        """file: of this very model; its types are those that are learnt."""
        super().__init__()
        # in a list, so that it is no part of this module: what is inside does not learn by itself
        self._held = [copy.deepcopy(teacher).eval().requires_grad_(True)]
        self.config: Any = teacher.config
        self.learnt: list[tuple[Entry, Learnt]] = []
        self.kept: list[str] = []
        file.give(self._held[0])
        for entry in file.entries:
            full, kind = teacher.get_parameter(entry.source).detach(), file.kind(entry)
            if len(entry.shape) == 1:
                self._learn(entry, LearntVector(full))
            elif kind is None:
                self._parameter(entry).requires_grad_(False)
                self.kept.append(entry.target)
            else:
                self._learn(entry, LearntMatrix(full, file.parts(entry, kind), kind, codes_learn))

    def _learn(self, entry: Entry, learnt: Learnt) -> None:
        self.add_module(_module(entry), learnt)
        self.learnt.append((entry, learnt))

    def to_round(self, teacher: LlamaForCausalLM) -> dict[str, ToRound]:
        """What `begin` may round: the matrices that learn, by the name of the model's parameter."""
        matrices = [(place, entry, one) for place, (entry, one) in enumerate(self.learnt)]
        return {
            entry.source: ToRound(
                one.kind,
                partial(lambda source: teacher.get_parameter(source).detach(), entry.source),
                partial(self._begin, place),
            )
            for place, entry, one in matrices
            if isinstance(one, LearntMatrix)
        }

    def _begin(self, place: int, weight: torch.Tensor, parts: Parts) -> None:
        """Have the matrix at `place` of `learnt` begin with these blocks: see LearntMatrix."""
        entry, before = self.learnt[place]
        if not isinstance(before, LearntMatrix):
            raise TypeError(f"{entry.target} is no matrix")
        learnt = LearntMatrix(weight, parts, before.kind, before.codes_learn)
        self.learnt[place] = entry, learnt
        self.add_module(_module(entry), learnt)
        learnt.give(self._parameter(entry))

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
            learnt.give(self._parameter(entry))

    def pull(self, factor: float | torch.Tensor = 1.0) -> None:
        """Turn the gradients of the model inside, times `factor`, into those of what learns."""
        for entry, learnt in self.learnt:
            parameter = self._parameter(entry)
            if parameter.grad is not None:
                learnt.pull(parameter.grad, factor)
                parameter.grad = None

    def blocks(self) -> dict[str, NDArray[np.uint8]]:
        """Returns the bytes of each learnt tensor by GGUF name, uint8 [rows, bytes of a row], in the file's order."""
        found: dict[str, NDArray[np.uint8]] = {}
        for entry, learnt in self.learnt:
            if isinstance(learnt, LearntMatrix):
                found[entry.target] = stored(learnt.parts(), learnt.kind, entry)
            else:
                vector = learnt.weight().float().cpu()
                turned = permute_rows(vector, entry.heads) if entry.heads else vector
                found[entry.target] = turned.contiguous().numpy().astype("<f4").view(np.uint8).reshape(1, -1)
        return found


def _module(entry: Entry) -> str:
    return entry.target.replace(".", "/")  # torch wants no dots in names
