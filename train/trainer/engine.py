"""What runs a step: one process with torch alone, several with summed gradients, or DeepSpeed (its own file)."""

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch.nn.parallel import DistributedDataParallel

from lilm.train.trainer.batches import Batch
from lilm.train.trainer.loss import LossModel
from lilm.train.trainer.optimizer import set_rate
from lilm.train.trainer.rank import current_rank

Named = dict[str, torch.Tensor]
MOMENTS = ("exp_avg", "exp_avg_sq")  # as torch's AdamW calls them


@dataclass(frozen=True)
class State:
    """All that a run needs to go on: weights by parameter name, and AdamW's `NAME.exp_avg`, `NAME.exp_avg_sq`,
    `NAME.step`. Whole tensors, however many processes share them."""

    weights: Named
    moments: Named


class Engine(Protocol):
    def step(self, batch: Batch, counted: int, rate: float) -> tuple[float, float]:
        """One optimizer step on this process's share of a batch of `counted` labels over all processes.

        Returns (this process's part of the loss, in nats per counted label; the gradient norm before clipping).
        """
        ...

    def state(self) -> State:
        """All processes must ask for it together; the tensors may be those that learn."""
        ...

    def restore(self, state: State, step: int) -> None:
        """Go on from `state`, which was taken after `step` steps."""
        ...

    def close(self) -> None:
        """The model holds whole trained parameters again, as before the engine was made; they may be other objects."""
        ...


def state_of(named: dict[str, torch.nn.Parameter], optimizer: torch.optim.Optimizer) -> State:
    """The parameters themselves, and what AdamW keeps of each."""
    moments = {
        f"{name}.{key}": value
        for name, parameter in named.items()
        for key, value in optimizer.state.get(parameter, {}).items()
    }
    return State({name: parameter.detach() for name, parameter in named.items()}, moments)


@torch.no_grad()
def put_back(state: State, named: dict[str, torch.nn.Parameter], optimizer: torch.optim.Optimizer) -> None:
    for name, parameter in named.items():
        parameter.copy_(state.weights[name])
        if f"{name}.step" in state.moments:
            optimizer.state[parameter] = {
                # `step` too: the fused AdamW counts where the parameter is
                key: state.moments[f"{name}.{key}"].to(parameter.device)
                for key in (*MOMENTS, "step")
            }


class PlainEngine:
    """torch's AdamW. With several processes each holds everything, and DistributedDataParallel sums gradients."""

    def __init__(
        self,
        loss_model: LossModel,
        optimizer: torch.optim.Optimizer,
        named: dict[str, torch.nn.Parameter],
        micro_batch_size: int,
        max_grad_norm: float,
    ) -> None:
        self._loss_model, self._optimizer, self._named = loss_model, optimizer, named
        self._micro, self._max_norm = micro_batch_size, max_grad_norm
        self._device = loss_model.output_matrix().device
        self._world_size = current_rank().world_size
        self._shared: DistributedDataParallel | None = None
        if self._world_size > 1:
            # Looking for unused parameters leaves them in the buckets where they began. Else torch orders the buckets
            # anew after a first step, three processes sum in another order then, and a restart has other bits.
            self._shared = DistributedDataParallel(loss_model, find_unused_parameters=True)

    def step(self, batch: Batch, counted: int, rate: float) -> tuple[float, float]:
        total = torch.zeros((), dtype=torch.float64, device=self._device)
        parts = self._loss_model.inputs(batch, self._micro)
        for number, inputs in enumerate(parts, 1):
            total += self._backward(inputs, counted, is_last=number == len(parts))
        norm = torch.nn.utils.clip_grad_norm_(list(self._named.values()), self._max_norm)
        set_rate(self._optimizer, rate)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return float(total), float(norm)  # asked for last: each waits for the GPU

    def _backward(self, inputs: tuple[Any, ...], counted: int, is_last: bool) -> torch.Tensor:
        """Adds the gradients of one micro-batch; after the last they are those of all processes. Returns the loss."""
        if self._shared is None:
            loss: torch.Tensor = self._loss_model(*inputs) / counted
            torch.autograd.backward(loss)
            return loss.detach()
        with nullcontext() if is_last else self._shared.no_sync():
            loss = self._shared(*inputs) / counted
            torch.autograd.backward(loss * self._world_size)  # of which DistributedDataParallel takes the mean
        return loss.detach()

    def state(self) -> State:
        return state_of(self._named, self._optimizer)

    def restore(self, state: State, step: int) -> None:
        put_back(state, self._named, self._optimizer)

    def close(self) -> None:
        """Nothing was taken apart."""
