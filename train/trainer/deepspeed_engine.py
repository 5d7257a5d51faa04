"""ZeRO through DeepSpeed: optimizer state, gradients and parameters shared out over the processes.

Weights and optimizer state stay float32 and bfloat16 comes from autocast, as in the plain engine; so a step means the
same in both, and what does not learn keeps its bits.
"""

import logging
from typing import Any

import torch

from lilm.train.trainer.batches import Batch
from lilm.train.trainer.engine import MOMENTS, Named, State
from lilm.train.trainer.hosts import require_deepspeed
from lilm.train.trainer.loss import LossModel
from lilm.train.trainer.optimizer import set_rate
from lilm.train.trainer.rank import current_rank

GATHERED_AT_ONCE = 50_000_000  # elements of ZeRO's buckets; DeepSpeed's own default reserves ten times as many


def load_deepspeed() -> Any:
    """The package, quiet. Raises LilmError when it is not installed."""
    require_deepspeed()
    import deepspeed

    logging.getLogger("DeepSpeed").setLevel(logging.ERROR)
    # a reduction for inference, compiled for half a minute at the first start, which training never calls
    deepspeed.ops.__compatible_ops__.pop("deepspeed_shm_comm", None)
    return deepspeed


class DeepSpeedEngine:
    """ZeRO stage 1, 2 or 3 over the processes of the group that `join` has made."""

    def __init__(
        self,
        loss_model: LossModel,
        optimizer: torch.optim.Optimizer,
        named: dict[str, torch.nn.Parameter],
        zero: int,
        micro_batch_size: int,
        micro_batches: int,
        max_grad_norm: float,
    ) -> None:
        deepspeed = load_deepspeed()
        self._loss_model, self._named, self._stage, self._micro = loss_model, named, zero, micro_batch_size
        self._device = loss_model.output_matrix().device
        if zero == 3:
            # the loss multiplies by the output matrix itself, outside the module that owns it
            deepspeed.zero.register_external_parameter(loss_model, loss_model.output_matrix())
        settings = {
            "train_micro_batch_size_per_gpu": micro_batch_size,
            "gradient_accumulation_steps": micro_batches,
            "gradient_clipping": max_grad_norm,
            "zero_allow_untested_optimizer": True,
            "zero_force_ds_cpu_optimizer": False,
            "zero_optimization": {
                "stage": zero,
                "reduce_bucket_size": GATHERED_AT_ONCE,
                "allgather_bucket_size": GATHERED_AT_ONCE,
                "stage3_prefetch_bucket_size": GATHERED_AT_ONCE,
            },
        }
        self._engine: Any
        self._engine, *_ = deepspeed.initialize(
            model=loss_model, optimizer=optimizer, config=settings, dist_init_required=False
        )
        self._zero: Any = self._engine.optimizer
        self._make_moments()

    def _make_moments(self) -> None:
        """AdamW's state, which it makes in the first step, made before: so that it can be restored, too."""
        if self._stage == 3:
            flats = self._zero.fp32_partitioned_groups_flat
        else:
            flats = self._zero.single_partition_of_fp32_groups
        for flat in flats:
            moments = {key: torch.zeros_like(flat) for key in MOMENTS}
            self._zero.optimizer.state[flat] = {"step": torch.zeros((), device=flat.device), **moments}
        if self._stage < 3:
            self._zero._lazy_init_hp_params_optimizer_state()

    def _count(self, step: int) -> None:
        for state in self._zero.optimizer.state.values():
            state["step"].fill_(float(step))

    def step(self, batch: Batch, counted: int, rate: float) -> tuple[float, float]:
        set_rate(self._zero.optimizer, rate)
        total = torch.zeros((), dtype=torch.float64, device=self._device)
        for inputs in self._loss_model.inputs(batch, self._micro):
            loss = self._engine(*inputs) / counted
            # DeepSpeed takes the mean over the processes; the loss is already the mean over all their labels
            self._engine.backward(loss * current_rank().world_size, scale_wrt_gas=False)
            self._engine.step()
            total += loss.detach()
        return float(total), float(self._engine.get_global_grad_norm())

    def state(self) -> State:
        from deepspeed.utils import safe_get_full_fp32_param, safe_get_full_optimizer_state

        keep = current_rank().rank == 0  # the others only bring their parts
        step = next(iter(self._zero.optimizer.state.values()))["step"].detach().cpu().reshape(()).clone()
        weights: Named = {}
        moments: Named = {}
        for name, parameter in self._named.items():
            found = {name: safe_get_full_fp32_param(parameter)}
            found |= {f"{name}.{key}": safe_get_full_optimizer_state(parameter, key) for key in MOMENTS}
            if keep:
                weights[name] = found.pop(name).reshape(self._shape(parameter)).cpu()
                moments |= {key: value.reshape(self._shape(parameter)).cpu() for key, value in found.items()}
                moments[f"{name}.step"] = step.clone()
        return State(weights, moments)

    @staticmethod
    def _shape(parameter: torch.nn.Parameter) -> torch.Size:
        shape: torch.Size = getattr(parameter, "ds_shape", parameter.shape)
        return shape

    def restore(self, state: State, step: int) -> None:
        import deepspeed
        from deepspeed.utils import safe_set_full_fp32_param, safe_set_full_optimizer_state

        for name, parameter in self._named.items():
            value = state.weights[name].to(self._device)
            # ZeRO keeps two: what AdamW moves, and what the model runs with
            safe_set_full_fp32_param(parameter, value)
            with deepspeed.zero.GatheredParameters([parameter], modifier_rank=0), torch.no_grad():
                parameter.copy_(value)
            for key in MOMENTS:
                safe_set_full_optimizer_state(parameter, state.moments[f"{name}.{key}"].to(self._device), key)
        self._count(step)

    def close(self) -> None:
        """Whole parameters of this module's own again; DeepSpeed's are left behind with all that hangs on them."""
        whole = {id(parameter): self._whole(parameter) for parameter in self._loss_model.parameters()}
        self._engine.destroy()
        for module in self._loss_model.modules():
            # ZeRO-3 has put a dictionary in its place that gathers parameters when they are asked for
            module._parameters = {
                name: None if parameter is None else whole[id(parameter)]
                for name, parameter in dict.items(module._parameters)
            }
            module.__dict__.pop("_external_params", None)

    def _whole(self, parameter: torch.nn.Parameter) -> torch.nn.Parameter:
        import deepspeed

        if hasattr(parameter, "ds_id"):
            with deepspeed.zero.GatheredParameters([parameter]):
                return torch.nn.Parameter(parameter.data.clone(), requires_grad=parameter.requires_grad)
        return torch.nn.Parameter(parameter.data.clone(), requires_grad=parameter.requires_grad)
