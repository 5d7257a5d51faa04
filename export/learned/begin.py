"""Walks the layers and gives each matrix the blocks that learning begins with."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from lilm.export.full_model import no_numbers
from lilm.export.learned.blocks import Parts
from lilm.export.learned.compensate import compensated, spread
from lilm.export.learned.kinds import Kind
from lilm.memory import trim_heap
from lilm.train.pack.packing import IGNORE
from lilm.train.trainer.batches import Batch

# By the matrix that is watched, those with the same inputs: one set of products serves them all.
SHARED = {
    "self_attn.q_proj": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "self_attn.o_proj": ("self_attn.o_proj",),
    "mlp.gate_proj": ("mlp.gate_proj", "mlp.up_proj"),
    "mlp.down_proj": ("mlp.down_proj",),
}


@dataclass(frozen=True)
class ToRound:
    """A matrix of a layer. full: its weights [rows, columns] before any rounding; take(weights, blocks): is told what
    `compensated` answers, and gives the model the weights of these blocks."""

    kind: Kind
    full: Callable[[], torch.Tensor]
    take: Callable[[torch.Tensor, Parts], None]


@torch.no_grad()
def begin(
    model: Any,
    chosen: Mapping[str, ToRound],
    batches: Sequence[Batch],
    bfloat16: bool,
    threads: int,
    on_layer: Callable[[], None] | None = None,
) -> None:
    """Give matrices of the layers codes whose errors cancel out on `batches` (see `compensated`).

    chosen: by the name of the model's parameter. One layer after another, each with the inputs that it gets behind
    those already rounded. Embedding and output stay as they are: what makes up for errors in one use of a shared matrix
    is an error in the other. In memory are the tokens' hidden states and the products of one layer's inputs.
    Raises LilmError when the model computes what is no number.
    """
    batches = [batch.to(model.device) for batch in batches]
    states = [model.model.embed_tokens(batch.input_ids) for batch in batches]
    for number, layer in enumerate(model.model.layers):
        sources = {name: [f"model.layers.{number}.{part}.weight" for part in parts] for name, parts in SHARED.items()}
        sources = {name: [one for one in some if one in chosen] for name, some in sources.items()}
        for one in (one for some in sources.values() for one in some):
            model.get_parameter(one).copy_(chosen[one].full())
        with _products(layer, [name for name, some in sources.items() if some]) as seen:
            _through(model, layer, states, batches, bfloat16, seen)
        while seen:
            name, products = seen.popitem()
            if not bool(torch.isfinite(products.sums).all()):
                raise no_numbers(f"layer {number}")
            errors = spread(products.sums)
            for one in sources[name]:
                chosen[one].take(*compensated(chosen[one].full(), products.sums, errors, chosen[one].kind, threads))
        states = _through(model, layer, states, batches, bfloat16)
        trim_heap()  # the blocks that stay lie among what a layer's products and factors leave
        if on_layer is not None:
            on_layer()


class _Products:
    """Sums X^T X [columns, columns] over the tokens that count."""

    def __init__(self) -> None:
        self.sums = torch.zeros(())
        self.counted = torch.zeros(())

    def see(self, _: Any, inputs: tuple[torch.Tensor, ...]) -> None:
        rows = inputs[0][self.counted].float()
        self.sums = self.sums.to(rows.device) + rows.T @ rows


@contextmanager
def _products(layer: Any, names: Sequence[str]) -> Iterator[dict[str, _Products]]:
    seen = {name: _Products() for name in names}
    hooks = [layer.get_submodule(name).register_forward_pre_hook(one.see) for name, one in seen.items()]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def _through(
    model: Any,
    layer: Any,
    states: Sequence[torch.Tensor],
    batches: Sequence[Batch],
    bfloat16: bool,
    seen: dict[str, _Products] | None = None,
) -> list[torch.Tensor]:
    """The hidden states behind `layer` of those before it, [batch, tokens, hidden] each."""
    inner, layers = model.model, model.model.layers
    outputs: list[torch.Tensor] = []

    def keep(_: Any, inputs: Any, output: Any) -> None:
        outputs.append(output[0] if isinstance(output, tuple) else output)

    hook = layer.register_forward_hook(keep)
    inner.layers = torch.nn.ModuleList([layer])
    try:
        for batch, before in zip(batches, states, strict=True):
            for one in (seen or {}).values():
                one.counted = batch.labels != IGNORE
            with torch.autocast(before.device.type, torch.bfloat16, enabled=bfloat16):
                inner(inputs_embeds=before, position_ids=batch.position_ids, use_cache=False)
    finally:
        inner.layers = layers
        hook.remove()
    return outputs
