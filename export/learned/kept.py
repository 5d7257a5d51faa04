"""Text that nothing is learnt from: how far a model is from its teacher there."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from lilm.export.learned.divergence import same_top, summed_divergence
from lilm.export.learned.engine import hidden_states, output_matrix
from lilm.progress import Reporter
from lilm.train.trainer.batches import Batch


class KeptText:
    """What the teacher says of it is computed once, in float32, and kept as hidden states [tokens, hidden_size]."""

    @torch.no_grad()
    def __init__(self, teacher: Any, batches: Mapping[str, Sequence[Batch]], reporter: Reporter) -> None:
        """batches: by language."""
        self._batches = [(lang, batch.to(teacher.device)) for lang, some in batches.items() for batch in some]
        self._reporter = reporter
        self._wanted = []
        with reporter.bar("measure", len(self._batches)) as bar:  # minutes, of a billion parameters
            for _, batch in self._batches:
                self._wanted.append(hidden_states(teacher, batch, False))
                bar.advance(note="sequences, the F16 model")
        self._matrix = output_matrix(teacher).detach().clone()  # the teacher may be rounded itself

    @torch.no_grad()
    def measured(self, model: Any) -> dict[str, float]:
        """kld: nats per token, kld_LANGUAGE: of each, and same_top: the share of tokens with the same likeliest next
        one; in float32."""
        nats = {lang: 0.0 for lang, _ in self._batches}
        tokens = dict.fromkeys(nats, 0)
        same = 0
        with self._reporter.bar("measure", len(self._batches)) as bar:
            for (lang, batch), wanted in zip(self._batches, self._wanted, strict=True):
                told = hidden_states(model, batch, False), output_matrix(model), wanted, self._matrix
                nats[lang] += float(summed_divergence(*told))
                same += same_top(*told)
                tokens[lang] += len(wanted)
                bar.advance(note="sequences kept apart")
        count = sum(tokens.values())
        return {
            "kld": sum(nats.values()) / count,
            "same_top": same / count,
            **{f"kld_{lang}": nats[lang] / tokens[lang] for lang in nats},
        }
