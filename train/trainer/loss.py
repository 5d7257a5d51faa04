"""Cross-entropy that never holds all logits: 16k tokens × 51,520 pieces in float32 are 3.4 GB a copy."""

from typing import Any

import torch
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear
from transformers import PreTrainedModel

from lilm.train.pack.packing import IGNORE
from lilm.train.trainer.attention import document_borders
from lilm.train.trainer.batches import Batch, SoftTargets
from lilm.train.trainer.chunks import CHUNK_ELEMENTS
from lilm.train.trainer.loss_fused import FusedLoss, chunk_rows, scaled_gradients


class _SummedLoss(torch.autograd.Function):
    """The gradient is taken where the loss is, chunk by chunk, while the logits are at hand: they are made once and
    never kept (as in Liger, Hsu et al. 2024, arXiv:2410.10989, and Cut Your Losses, Wijmans et al. 2024)."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        labels: torch.Tensor,
        rows: int,
        soft: SoftTargets | None,
        kept_rows: int,
    ) -> torch.Tensor:
        """hidden: [tokens, hidden_size]; weight: [vocab_size, hidden_size]; labels: [tokens]; rows: of a chunk;
        kept_rows: see `summed_loss`."""
        learns_hidden, learns_weight, *_ = ctx.needs_input_grad
        total = torch.zeros((), device=hidden.device)
        hidden_grad = torch.empty_like(hidden) if learns_hidden else None
        weight_grad = torch.zeros_like(weight, dtype=torch.float32) if learns_weight else None
        wide = weight.to(hidden.dtype)
        for at in range(0, len(hidden), rows):
            part, wanted = hidden[at : at + rows], labels[at : at + rows, None]
            logits = linear(part, wide).float()
            counts = wanted != IGNORE
            chosen = wanted.clamp(min=0)
            norm = logits.logsumexp(-1, keepdim=True)
            total += ((norm - logits.gather(-1, chosen)) * counts).sum()
            if hidden_grad is None and weight_grad is None:
                continue
            logits.sub_(norm).exp_()
            if soft is None:
                logits.scatter_add_(-1, chosen, logits.new_full((1, 1), -1.0).expand(chosen.shape))
            else:
                _subtract(soft.rows(at, at + len(part)), chosen, logits)
            slope = logits.mul_(counts).to(hidden.dtype)
            if hidden_grad is not None:
                hidden_grad[at : at + rows] = slope @ wide
            if weight_grad is not None and slope.dtype == torch.float32:
                weight_grad[kept_rows:].addmm_(slope[:, kept_rows:].T, part)
            elif weight_grad is not None:
                weight_grad[kept_rows:] += slope[:, kept_rows:].T @ part
        ctx.save_for_backward(hidden_grad, weight_grad)
        ctx.weight_dtype = weight.dtype
        return total

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, upper: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return (*scaled_gradients(ctx, upper), None, None, None, None)


def _subtract(soft: SoftTargets, chosen: torch.Tensor, probabilities: torch.Tensor) -> None:
    """Take the target distribution off `probabilities` [tokens, vocab_size], in place. chosen: labels [tokens, 1]."""
    tokens, vocab_size = probabilities.shape
    token = torch.repeat_interleave(torch.arange(tokens, device=chosen.device), soft.starts.diff())
    left = probabilities.new_ones(tokens).index_add_(0, token, soft.shares, alpha=-1.0)
    flat = probabilities.view(-1)
    flat.index_add_(0, token * vocab_size + soft.pieces, soft.shares, alpha=-1.0)
    probabilities.scatter_add_(-1, chosen, -left[:, None])


def summed_loss(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    labels: torch.Tensor,
    soft: SoftTargets | None = None,
    kept_rows: int = 0,
) -> torch.Tensor:
    """Sum of the negative log likelihoods (nats) over labels that are not IGNORE, float32.

    hidden: [batch, sequence, hidden_size], whose type the logits are made in; weight: output matrix
    [vocab_size, hidden_size]; labels: [batch, sequence], already shifted. soft: targets beside the labels, of the same
    tokens: the gradient is that of the cross-entropy with both, the value stays that of the labels alone, so that it
    can be compared. kept_rows: the first rows of `weight`, which do not learn: their gradient is 0 and costs nothing.
    Can be differentiated once.
    """
    flat, wanted = hidden.reshape(-1, hidden.shape[-1]), labels.reshape(-1)
    if flat.device.type == "cuda" and soft is None:
        fused: torch.Tensor = FusedLoss.apply(  # type: ignore[no-untyped-call]
            flat, weight, wanted, chunk_rows(len(flat), len(weight)), kept_rows
        )
        return fused
    rows = max(1, CHUNK_ELEMENTS // weight.shape[0])
    loss: torch.Tensor = _SummedLoss.apply(flat, weight, wanted, rows, soft, kept_rows)  # type: ignore[no-untyped-call]
    return loss


class LossModel(torch.nn.Module):
    """A Llama, also one wrapped by peft, that returns the summed loss of a batch: what every engine runs.

    dtype: "bfloat16" runs it under autocast; weights stay as they are. flat: the batch's rows are laid end to end as
    one sequence, which is how `flat_attention` wants packed documents; their borders keep them apart.
    cache_casts: keep the bfloat16 copies of weights for the length of a pass. kept_rows: the first rows of the output
    matrix, which get no gradient of the loss.
    """

    def __init__(
        self, model: torch.nn.Module, dtype: str, flat: bool = False, cache_casts: bool = True, kept_rows: int = 0
    ) -> None:
        super().__init__()
        self.model = model
        self._bfloat16, self._flat, self._cache_casts = dtype == "bfloat16", flat, cache_casts
        self._kept_rows = kept_rows

    def output_matrix(self) -> torch.nn.Parameter:
        weight: torch.nn.Parameter = self._causal().get_output_embeddings().weight
        return weight

    def _causal(self) -> Any:
        model: Any = self.model
        return model if isinstance(model, PreTrainedModel) else model.get_base_model()

    def inputs(self, batch: Batch, micro_batch_size: int) -> list[tuple[Any, ...]]:
        """What `forward` takes, for each micro-batch, on the model's device.

        All of it goes there before the first is run, and borders are counted before: both would wait for the GPU.
        """
        device = self.output_matrix().device
        parts = batch.to(device).split(micro_batch_size)
        found = [(one.input_ids, one.position_ids, one.labels, one.soft) for one in parts]
        if not self._flat:
            return list(found)
        borders = [document_borders(one.position_ids).to(device) for one in batch.split(micro_batch_size)]
        for one in borders:  # so that another number of documents is no reason to compile again
            torch._dynamo.maybe_mark_dynamic(one, 0)
        return [(*tensors, one) for tensors, one in zip(found, borders, strict=True)]

    def forward(
        self,
        input_ids: torch.Tensor,
        position_ids: torch.Tensor,
        labels: torch.Tensor,
        soft: SoftTargets | None = None,
        borders: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """What `Batch` has, and the documents' borders when the model is `flat` (see `document_borders`) -> float32
        scalar, in nats."""
        hidden = self.hidden(input_ids, position_ids, borders)
        return summed_loss(hidden, self.output_matrix(), labels, soft, self._kept_rows)

    def hidden(
        self, input_ids: torch.Tensor, position_ids: torch.Tensor, borders: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The last layer's states [batch, sequence_length, hidden_size], of all rows as one where the model is
        `flat`, in the type that logits are made in."""
        told: dict[str, Any] = {}
        if self._flat:
            told = {"cu_seq_lens_q": borders, "max_length_q": input_ids.shape[1]}
            input_ids, position_ids = input_ids.view(1, -1), position_ids.view(1, -1)
        device = input_ids.device.type
        with torch.autocast(device, torch.bfloat16, enabled=self._bfloat16, cache_enabled=self._cache_casts):
            hidden: torch.Tensor = (
                self._causal()
                .model(input_ids=input_ids, position_ids=position_ids, use_cache=False, **told)
                .last_hidden_state
            )
        return hidden.bfloat16() if self._bfloat16 else hidden
