"""What runs a step: one process with torch alone, several with summed gradients, or DeepSpeed (its own file)."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import distributed

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
        """The model holds whole trained parameters again, as before the engine was made."""
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
    """torch's AdamW. With several processes each holds everything, and gradients are summed over them."""

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
        if current_rank().world_size > 1:
            for parameter in loss_model.parameters():  # all begin as the first does
                distributed.broadcast(parameter.data, 0)

    def step(self, batch: Batch, counted: int, rate: float) -> tuple[float, float]:
        total = torch.zeros((), dtype=torch.float64, device=self._device)
        for inputs in self._loss_model.inputs(batch, self._micro):
            loss = self._loss_model(*inputs) / counted
            torch.autograd.backward(loss)
            total += loss.detach()
        if current_rank().world_size > 1:
            self._sum_gradients()
        norm = torch.nn.utils.clip_grad_norm_(list(self._named.values()), self._max_norm)
        set_rate(self._optimizer, rate)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return float(total), float(norm)  # asked for last: each waits for the GPU

    def _sum_gradients(self) -> None:
        for parameter in self._named.values():
            if parameter.grad is None:  # every process must bring the same tensors
                parameter.grad = torch.zeros_like(parameter)
        pending = [distributed.all_reduce(p.grad, async_op=True) for p in self._named.values()]
        for work in pending:
            work.wait()

    def state(self) -> State:
        return state_of(self._named, self._optimizer)

    def restore(self, state: State, step: int) -> None:
        put_back(state, self._named, self._optimizer)

    def close(self) -> None:
        """Nothing was taken apart."""
