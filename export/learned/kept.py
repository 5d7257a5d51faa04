"""Text that nothing is learnt from: how far a model is from its teacher there."""

from collections.abc import Sequence
from typing import Any

import torch

from lilm.export.learned.divergence import same_top, summed_divergence
from lilm.export.learned.engine import hidden_states, output_matrix
from lilm.train.trainer.batches import Batch


class KeptText:
    """What the teacher says of it is computed once, in float32, and kept as hidden states [tokens, hidden_size]."""

    @torch.no_grad()
    def __init__(self, teacher: Any, batches: Sequence[Batch]) -> None:
        self._batches = [batch.to(teacher.device) for batch in batches]
        self._wanted = [hidden_states(teacher, batch, False) for batch in self._batches]
        self._matrix = output_matrix(teacher).detach().clone()  # the teacher may be rounded itself

    @torch.no_grad()
    def measured(self, model: Any) -> dict[str, float]:
        """kld: nats per token, and same_top: the share of tokens with the same likeliest next one; in float32."""
        nats, same, tokens = 0.0, 0, 0
        for batch, wanted in zip(self._batches, self._wanted, strict=True):
            told = hidden_states(model, batch, False), output_matrix(model), wanted, self._matrix
            nats += float(summed_divergence(*told))
            same += same_top(*told)
            tokens += len(wanted)
        return {"kld": nats / tokens, "same_top": same / tokens}
