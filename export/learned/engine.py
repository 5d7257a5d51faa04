"""One step of learning blocks, as the trainer's loop asks for it."""

from typing import Any

import torch
from torch.nn.utils import get_total_norm
from transformers import LlamaForCausalLM

from lilm.export.learned.divergence import summed_divergence
from lilm.export.learned.matrix import LearntMatrix
from lilm.export.learned.student import Student
from lilm.memory import trim_heap
from lilm.recipe import LearnedConfig
from lilm.train.pack.packing import IGNORE
from lilm.train.trainer.batches import Batch
from lilm.train.trainer.engine import State, put_back, state_of
from lilm.train.trainer.optimizer import set_rate


def optimizer_of(student: Student, config: LearnedConfig) -> torch.optim.AdamW:
    """AdamW in two groups: the weights that are rounded to codes, and all else, at `scale_lr` of their rate."""
    codes = [m.latent for _, m in student.learnt if isinstance(m, LearntMatrix) and m.codes_learn]
    chosen = {id(parameter) for parameter in codes}
    others = [one for one in student.parameters() if one.requires_grad and id(one) not in chosen]
    groups = [{"params": codes, "lr_scale": 1.0}, {"params": others, "lr_scale": config.scale_lr / config.lr}]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=config.lr,
        betas=(0.9, config.beta2),
        weight_decay=0.0,
        fused=True,
    )


def hidden_states(model: Any, batch: Batch, bfloat16: bool) -> torch.Tensor:
    """Returns the last hidden states [tokens, hidden_size] of the tokens whose next token is learnt."""
    with torch.autocast(batch.input_ids.device.type, torch.bfloat16, enabled=bfloat16):
        found = model.model(input_ids=batch.input_ids, position_ids=batch.position_ids, use_cache=False)
    hidden: torch.Tensor = found.last_hidden_state[batch.labels != IGNORE]
    return hidden.bfloat16() if bfloat16 else hidden


def narrow(teacher: LlamaForCausalLM) -> None:
    """Hold the layers' matrices in bfloat16, as which autocast would compute with them at every step anyway."""
    for module in teacher.model.layers.modules():
        if isinstance(module, torch.nn.Linear):
            module.weight.data = module.weight.data.bfloat16()


class DistilEngine:
    """The trainer's engine for a student: the loss is the divergence from the teacher, in nats per token.

    The gradient norm is that of the weights that the student computes with.
    """

    def __init__(
        self, student: Student, teacher: LlamaForCausalLM, config: LearnedConfig, micro_batch_size: int
    ) -> None:
        self._student, self._teacher, self._micro = student, teacher, micro_batch_size
        self._bfloat16, self._max_norm = config.dtype == "bfloat16", config.max_grad_norm
        self._optimizer = optimizer_of(student, config)
        self._named = {name: one for name, one in student.named_parameters() if one.requires_grad}
        student.refresh()

    def step(self, batch: Batch, counted: int, rate: float) -> tuple[float, float]:
        model = self._student.get_base_model()
        total = torch.zeros((), dtype=torch.float64, device=model.device)
        for one in batch.to(model.device).split(self._micro):
            with torch.no_grad():
                wanted = hidden_states(self._teacher, one, self._bfloat16)
            hidden = hidden_states(model, one, self._bfloat16)
            loss = summed_divergence(hidden, output_matrix(model), wanted, output_matrix(self._teacher)) / counted
            torch.autograd.backward(loss)
            total += loss.detach()
        norm = get_total_norm([one.grad for one in model.parameters() if one.grad is not None])
        self._student.pull((self._max_norm / (norm + 1e-6)).clamp(max=1.0))
        set_rate(self._optimizer, rate)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self._student.refresh()
        trim_heap()  # what a step frees fits the next one badly: 135M parameters grew from 5 to 11 GB in 250 steps
        return float(total), float(norm)

    def state(self) -> State:
        return state_of(self._named, self._optimizer)

    def restore(self, state: State, step: int) -> None:
        put_back(state, self._named, self._optimizer)
        self._student.refresh()

    def close(self) -> None:
        """Nothing was taken apart."""


def output_matrix(model: Any) -> torch.Tensor:
    weight: torch.Tensor = model.get_output_embeddings().weight
    return weight
