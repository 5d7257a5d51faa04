"""What a run is measured by: bits per byte of held-out text in each language, and what the model writes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedModel

from lilm.train.trainer.measure import Encode, bits_per_byte
from lilm.train.trainer.samples import Decode, beginnings, sample


@dataclass(frozen=True)
class HeldOut:
    """texts: by language, never trained on. window: tokens. samples: texts per language whose beginnings the model
    goes on with, for `sample_tokens` tokens."""

    texts: Mapping[str, list[str]]
    window: int
    bos_token_id: int
    eos_token_id: int
    samples: int
    sample_tokens: int

    def bits(self, model: PreTrainedModel, encode: Encode) -> dict[str, float]:
        """`bits_per_byte_LANGUAGE` for each language."""
        return {
            f"bits_per_byte_{language}": bits_per_byte(model, encode, self.bos_token_id, texts, self.window)
            for language, texts in self.texts.items()
        }

    def measure(self, model: PreTrainedModel, encode: Encode, decode: Decode) -> dict[str, Any]:
        """As `bits`, and `samples`: texts by language, when there are to be any."""
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
