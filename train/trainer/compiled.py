"""torch.compile where it pays on a CPU: the layers, one by one, which share one graph."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import PreTrainedModel

SMALLEST = 50_000_000  # parameters from which a CPU gains more than the half minute that compiling takes
COMPILERS = ("c++", "g++", "clang++")


def compiles(model: Any, device: torch.device, wanted: bool | str) -> bool:
    """Whether to compile, given the recipe's word: "auto" on a GPU, and on a CPU for what is large enough when there is
    a C++ compiler."""
    if wanted != "auto":
        return bool(wanted)
    if device.type == "cuda":
        return True
    return model.num_parameters() >= SMALLEST and any(map(shutil.which, COMPILERS))


@contextmanager
def compiled_layers(model: Any, wanted: bool) -> Iterator[None]:
    """Within, each layer of a Llama, also one wrapped by peft, runs compiled for the shapes that it is given.

    What is between the matrix products (norms, rotation, gates, changes of type) is then read and written once.
    """
    if not wanted:
        yield
        return
    causal = model if isinstance(model, PreTrainedModel) else model.get_base_model()
    layers = list(causal.model.layers)
    for layer in layers:
        layer.forward = torch.compile(layer.forward, dynamic=False)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward  # its class's own is there again


@contextmanager
def eager(wanted: bool) -> Iterator[None]:
    """Within, nothing is compiled: measurements have other shapes at every turn."""
    if not wanted:
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield
