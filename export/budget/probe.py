"""Computes a model's output with some of its matrices changed, and only the layers that the change reaches."""

import math
from collections.abc import Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lilm.export.budget.inputs import rounding_inputs
from lilm.export.chunk import Matrix
from lilm.export.full_model import no_numbers
from lilm.llama.layout import layout, restore_rows
from lilm.llama.shape import Shape

POSITIONS = 64  # whose logits are computed at once


class Probe:
    """A LlamaForCausalLM `model` of `shape`, and the text that it reads.

    windows: token ids [windows, tokens]. every: logits are compared at each `every`-th position; those of neighbours
    differ little. Memory: the hidden states before each layer and the logits that are compared stay in memory as
    float32, tokens * hidden * layers + tokens / every * vocab numbers.
    Raises LilmError, here and in `kld`, when it computes what is no number: by that no type is better than another.
    """

    def __init__(self, model: Any, shape: Shape, windows: NDArray[np.int64], every: int) -> None:
        self._model, self._shape, self._every = model, shape, every
        self._entries = {entry.target: entry for entry in layout(shape)}
        self._layers = list(model.model.layers)
        self._ids = torch.from_numpy(windows).to(model.device)
        self._states: list[torch.Tensor] = []
        with torch.no_grad():
            seen = [layer.register_forward_pre_hook(self._keep) for layer in self._layers]
            last = model.model(input_ids=self._ids, use_cache=False).last_hidden_state
            for hook in seen:
                hook.remove()
            self._final = self._picked(last)
            self._logits = torch.cat([model.lm_head(part) for part in self._final.split(POSITIONS)])
        if not bool(torch.isfinite(self._logits).all()):
            raise no_numbers("its output")

    def _keep(self, _: Any, inputs: tuple[torch.Tensor, ...]) -> None:
        self._states.append(inputs[0].clone())

    def _picked(self, states: torch.Tensor) -> torch.Tensor:
        return states[:, self._every - 1 :: self._every].reshape(-1, states.shape[-1])

    @property
    def positions(self) -> int:
        """How many positions are compared."""
        return len(self._logits)

    def kld(self, changed: Mapping[str, Matrix], layer: int, kind: str = "F32") -> float:
        """Returns KL(model || model with `changed`) in nats, the mean over the compared positions.

        changed: new values of matrices [rows, columns], by GGUF name and in GGUF's order of rows. layer: the `layer` of
        their group. kind: their type, as which their inputs are rounded.
        """
        with torch.no_grad(), self._changed(changed), rounding_inputs(self._multiplying(changed), kind):
            final = self._final if layer == self._shape.layers else self._picked(self._from(layer, changed))
            total = 0.0
            for part, before in zip(final.split(POSITIONS), self._logits.split(POSITIONS), strict=True):
                total += float(divergences(before, self._model.lm_head(part)).double().sum())
        if not math.isfinite(total):
            raise no_numbers(f"its output, with {' and '.join(changed)} as {kind},")
        return total / self.positions

    def _from(self, layer: int, changed: Mapping[str, Matrix]) -> torch.Tensor:
        inner = self._model.model
        states = inner.embed_tokens(self._ids) if "token_embd.weight" in changed else self._states[layer]
        inner.layers = torch.nn.ModuleList(self._layers[layer:])
        try:
            result: torch.Tensor = inner(inputs_embeds=states, use_cache=False).last_hidden_state
        finally:
            inner.layers = torch.nn.ModuleList(self._layers)
        return result

    def _multiplying(self, changed: Mapping[str, Matrix]) -> list[torch.nn.Module]:
        """Where the matrices are multiplied by: rows of an embedding are only looked up, unless it is the output matrix
        too."""
        parameters = [self._model.get_parameter(self._entries[name].source) for name in changed]
        linear = (module for module in self._model.modules() if isinstance(module, torch.nn.Linear))
        return [module for module in linear if any(module.weight is one for one in parameters)]

    @contextmanager
    def _changed(self, changed: Mapping[str, Matrix]) -> Any:
        before: list[tuple[torch.nn.Parameter, torch.Tensor]] = []
        for name, matrix in changed.items():
            entry = self._entries[name]
            numbers = torch.from_numpy(matrix)
            parameter = self._model.get_parameter(entry.source)
            before.append((parameter, parameter.data))
            parameter.data = (restore_rows(numbers, entry.heads) if entry.heads else numbers).to(parameter.device)
        try:
            yield
        finally:
            for parameter, data in before:
                parameter.data = data


def divergences(before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """Returns KL(before || after) of logits [positions, vocab], in nats, [positions].

    Let d be the difference of the logits minus its mean under `before`. The divergence is log E[exp d]; it is computed
    as log(1 + E[exp(d) - 1 - d]). Log-probabilities can be a million times larger than the divergence: in a difference
    of them it would be lost in rounding.
    """
    odds = before.softmax(-1)
    difference = after - before
    difference = difference - (odds * difference).sum(-1, keepdim=True)
    return (odds * (difference.expm1() - difference)).sum(-1).clamp_min(0).log1p()
