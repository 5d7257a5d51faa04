"""Collects squared inputs of each matrix while the model reads text."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lilm.export.full_model import no_numbers
from lilm.export.imatrix.importance import MOST, Importance
from lilm.llama.layout import layout
from lilm.llama.shape import Shape

AT_ONCE = 8  # windows


def collect(
    model: Any,
    shape: Shape,
    windows: NDArray[np.int64],
    datasets: tuple[str, ...],
    on_windows: Callable[[int], None] | None = None,
) -> Importance:
    """Returns the importance of each matrix's input columns, measured on token ids `windows` [windows, tokens].

    model: a LlamaForCausalLM of `shape`. datasets: names of the text, for the file. The output matrix is measured at
    every token; with tied embeddings it goes by the embedding's name. An embedding that is not tied multiplies no
    inputs, and has no importance. Sums are float64, in which late tokens count as much as early ones.
    on_windows(number) is called after each batch of windows. Raises LilmError when the model computes what is no
    number, or none that a rounding can reckon with.
    """
    sums: dict[str, torch.Tensor] = {}
    counts: dict[str, int] = {}

    def add(name: str, inputs: torch.Tensor) -> None:
        rows = inputs.detach().reshape(-1, inputs.shape[-1])
        squares = rows.double().square().sum(0).cpu()
        sums[name] = sums[name] + squares if name in sums else squares
        counts[name] = counts.get(name, 0) + len(rows)

    with ExitStack() as stack, torch.inference_mode():
        for entry in layout(shape):
            if len(entry.shape) == 2 and entry.source.startswith("model.layers."):
                module = model.get_submodule(entry.source.removesuffix(".weight"))

                def see(_: Any, inputs: tuple[torch.Tensor, ...], name: str = entry.target) -> None:
                    add(name, inputs[0])

                stack.callback(module.register_forward_pre_hook(see).remove)
        for start in range(0, len(windows), AT_ONCE):
            some = torch.from_numpy(windows[start : start + AT_ONCE]).to(model.device)
            last = model.model(input_ids=some, use_cache=False).last_hidden_state
            add("token_embd.weight" if shape.tied else "output.weight", last)
            if on_windows is not None:
                on_windows(len(some))
    for name, one in sums.items():  # in the order of the layers: what comes after a bad one is bad too
        if not bool((one / counts[name] <= MOST).all()):
            raise no_numbers(name)
    numbers = {name: one.numpy() for name, one in sums.items()}
    return Importance(numbers, counts, datasets, len(windows), windows.shape[1])
