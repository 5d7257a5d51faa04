"""Blocks that are rounded and not learnt further, with one copy of the model in memory; learning wants several."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lilm.export.full_model import as_full
from lilm.export.learned.begin import ToRound, begin
from lilm.export.learned.blocks import Parts
from lilm.export.learned.kinds import Kind
from lilm.export.learned.start import LAYERS, StartFile, stored
from lilm.llama.layout import Entry
from lilm.llama.weights import Weights
from lilm.train.trainer.batches import Batch


@torch.no_grad()
def rounded(
    model: Any,
    file: StartFile,
    source: Path,
    batches: Sequence[Batch],
    bfloat16: bool,
    threads: int,
    on_layer: Callable[[], None] | None = None,
) -> dict[str, NDArray[np.uint8]]:
    """Returns, by GGUF name, the bytes of the layers' matrices [rows, bytes of a row] as `begin` rounds them to the
    types of `file`, in the order of its rows.

    model: a LlamaForCausalLM with the matrices of `file`, which become those of the blocks. source: the folder of the
    full weights.
    """
    blocks: dict[str, NDArray[np.uint8]] = {}

    def full(entry: Entry) -> torch.Tensor:
        with Weights(source) as weights:  # opened for one: what is read of a file stays in memory while it is open
            return as_full(weights.tensor(entry.source)).to(model.device)

    def take(entry: Entry, kind: Kind, _: torch.Tensor, parts: Parts) -> None:
        blocks[entry.target] = stored(parts, kind, entry)
        model.get_parameter(entry.source).copy_(torch.from_numpy(parts.weights(kind)).view(entry.shape))

    chosen: dict[str, ToRound] = {}
    for entry in file.entries:
        kind = file.kind(entry)
        if kind is not None and entry.source.startswith(LAYERS):
            chosen[entry.source] = ToRound(kind, partial(full, entry), partial(take, entry, kind))
    begin(model, chosen, batches, bfloat16, threads, on_layer)
    return blocks
