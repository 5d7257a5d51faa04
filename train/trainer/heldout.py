"""What a run is measured by: bits per byte of held-out text in each language, and what the model writes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from transformers import PreTrainedModel

from lilm.progress import Reporter
from lilm.train.trainer.measure import Encode, byte_count, cut_windows, text_nats
from lilm.train.trainer.samples import Decode, beginnings, sample

BITS = "bits_per_byte_"  # and the language


@dataclass(frozen=True)
class HeldOut:
    """texts: by language, never trained on. window: tokens. samples: texts per language whose beginnings the model
    goes on with, for `sample_tokens` tokens. reporter: shown a bar, as a large model takes minutes."""

    texts: Mapping[str, list[str]]
    window: int
    bos_token_id: int
    eos_token_id: int
    samples: int
    sample_tokens: int
    reporter: Reporter

    def bits(self, model: PreTrainedModel, encode: Encode) -> dict[str, float]:
        """`bits_per_byte_LANGUAGE` for each language."""
        return {
            BITS + language: sum(nats) / math.log(2) / byte_count(self.texts[language])
            for language, nats in self.nats(model, encode).items()
        }

    def nats(self, model: PreTrainedModel, encode: Encode) -> dict[str, list[float]]:
        """Negative log likelihood of each text, by language."""
        cut = {
            language: cut_windows(encode, self.bos_token_id, texts, self.window)
            for language, texts in self.texts.items()
        }
        total = sum(len(window.ids) - 1 for windows in cut.values() for window in windows)
        found = {}
        with self.reporter.bar("measure", total) as bar:
            for language, windows in cut.items():
                found[language] = text_nats(
                    model,
                    windows,
                    len(self.texts[language]),
                    on_tokens=partial(bar.advance, note=f"tokens, {language}"),
                )
        return found

    def measure(self, model: PreTrainedModel, encode: Encode, decode: Decode) -> dict[str, Any]:
        """Returns what `bits` does, and `samples`: texts by language, when there are to be any."""
        found: dict[str, Any] = dict(self.bits(model, encode))
        if self.samples:
            ends = self.bos_token_id, self.eos_token_id
            found["samples"] = {
                language: [
                    sample(model, encode, decode, *ends, prompt, self.sample_tokens)
                    for prompt in beginnings(texts, self.samples)
                ]
                for language, texts in self.texts.items()
            }
        return found
