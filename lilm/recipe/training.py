"""What every kind of training has: an optimizer, LoRA where it is wanted, and processes that share the work."""

from typing import Literal

from pydantic import Field, model_validator

from lilm.recipe.section import Section


class OptimConfig(Section):
    """AdamW with linear warm-up and decay to `final_lr` times the peak."""

    steps: int = Field(ge=0, le=100_000_000)
    """Optimizer steps; 0: no training."""
    lr: float = Field(gt=0, le=1)
    """Peak learning rate."""
    batch_size: int = Field(default=16, ge=1, le=1_000_000)
    """Sequences per optimizer step."""
    micro_batch_size: int = Field(default=0, ge=0, le=1_000_000)
    """Sequences per forward pass; 0: the whole batch at once."""
    warmup: float = Field(default=0.05, ge=0, le=1)
    """Share of the steps."""
    schedule: Literal["cosine", "wsd", "constant"] = "cosine"
    """wsd: warm-up, stable, and a linear decay over the last fifth."""
    final_lr: float = Field(default=0.1, ge=0, le=1)
    """Rate at the end, as a part of the peak."""
    weight_decay: float = Field(default=0.1, ge=0)
    """Of matrices; vectors such as norms have none."""
    beta2: float = Field(default=0.95, gt=0, lt=1)
    """AdamW's second beta; the first is 0.9."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """A longer gradient is scaled down to this norm."""
    diverged: float = Field(default=1.0, ge=0)
    """When the mean loss of 50 steps is so many nats above the lowest such mean, training goes back to its last sound
    checkpoint and on from there at half the rate, three times at most; then, or without a checkpoint, it stops. 0:
    never."""

    @model_validator(mode="after")
    def _divides(self) -> "OptimConfig":
        if self.micro_batch_size and self.batch_size % self.micro_batch_size:
            raise ValueError(
                f"batch_size {self.batch_size} is not a multiple of micro_batch_size {self.micro_batch_size}"
            )
        return self


class NewRowsOptimConfig(OptimConfig):
    """As OptimConfig, for training where old rows must keep their bits."""

    weight_decay: float = Field(default=0.0, ge=0, le=0)
    """Stays 0: AdamW's decay would move the old rows too."""


class AdapterConfig(Section):
    """LoRA on the linear layers."""

    rank: int = Field(default=64, ge=1, le=65_536)
    """Rank of each pair of matrices."""
    alpha: int = Field(default=64, ge=1, le=1_000_000)
    """Scale of the adapter, over its rank or the rank's root."""
    use_rslora: bool = True
    """Scale by alpha over the rank's root, and not over the rank."""
    target_modules: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    """Linear layers that get one, by transformers' names."""
    train_embeddings: bool = True
    """Embedding and output matrix are trained beside the adapter."""
    embedding_lr_scale: float = Field(default=0.2, gt=0, le=1)
    """Their rate, as a part of the adapter's: whole matrices want a fifth to a tenth of what an adapter does."""


class DistributedConfig(Section):
    """Training by several processes: one for each GPU, or a few on each machine of a CPU cluster.

    The batch stays the same: every process takes its share of it.
    """

    processes: int = Field(default=1, ge=1, le=1_024)
    """On this machine. More than one: started by torchrun."""
    hostfile: str = ""
    """Several machines: DeepSpeed's file with a line `HOST slots=N` for each, whose slots are the processes; it starts
    them by ssh. The run folder must be on a disk that all of them see."""
    zero: Literal[0, 1, 2, 3] = 1
    """What is shared out over the processes instead of kept by each: 1 optimizer state, 2 gradients too, 3 weights
    too (DeepSpeed's ZeRO); 0 nothing, which needs no DeepSpeed."""

    @model_validator(mode="after")
    def _one_of_them(self) -> "DistributedConfig":
        if self.hostfile and self.processes > 1:
            raise ValueError("with a hostfile its slots say how many processes there are; leave out processes")
        return self
