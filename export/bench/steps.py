"""The models on the way to the files, on the very text that the files are measured on: the base, and the pretrained."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from lilm.devices import prepare_torch
from lilm.export.bench.excerpts import Excerpts
from lilm.export.bench.measure import DIGITS, rise
from lilm.pipeline.stage import Context
from lilm.train.base.model_folder import load_llama
from lilm.train.trainer.measure import Window, cut_windows, text_nats
from lilm.vocabulary.pieces import open_pieces

BASE, PRETRAIN = "base", "pretrain"  # stages, in whose folders the models are


@dataclass(frozen=True)
class Measured:
    """One model on one language. nats: of each document. tokens: as its own vocabulary counts them. window: its longest
    window, tokens with BOS."""

    nats: list[float]
    tokens: int
    window: int


def measure_steps(
    inputs: Mapping[str, Path], excerpts: Mapping[str, Excerpts], n_ctx: int, context: Context
) -> dict[str, dict[str, Measured]]:
    """By step and language. One model is in memory at a time.

    Each reads every byte of the excerpts once. The pretrained model has the files' vocabulary and their windows. The
    base reads the same texts in its own tokens, in windows that hold as much text on the average, or as much as its
    context does: in windows of as many tokens it would know less of what stands before a token.
    Raises LilmError when a model cannot be read.
    """
    return {name: _measure(name, inputs[name], excerpts, n_ctx, context) for name in (BASE, PRETRAIN)}


def _measure(
    name: str, folder: Path, excerpts: Mapping[str, Excerpts], n_ctx: int, context: Context
) -> dict[str, Measured]:
    model = load_llama(folder, prepare_torch(context.seed, context.threads))
    windows = {lang: windows_of(name, folder, model, sample, n_ctx) for lang, sample in excerpts.items()}
    tokens = {lang: sum(len(window.wanted) for window in some) for lang, some in windows.items()}
    found = {}
    with context.reporter.bar(f"bench {name}", sum(tokens.values())) as bar:
        for lang, some in windows.items():
            nats = text_nats(model, some, excerpts[lang].documents, on_tokens=bar.advance)
            found[lang] = Measured(nats, tokens[lang], max(len(window.ids) for window in some))
    return found


def windows_of(name: str, folder: Path, model: PreTrainedModel, sample: Excerpts, n_ctx: int) -> list[Window]:
    """As `measure_steps` tells."""
    if name == PRETRAIN:
        return [Window(number, ids) for number, ids in zip(sample.document, sample.windows, strict=True)]
    pieces = open_pieces(folder)
    tokens = sum(len(pieces.encode(text)) for text in sample.texts)
    as_much = 1 + math.ceil((n_ctx - 1) * tokens / sample.tokens)
    return cut_windows(pieces.encode, pieces.bos_id, sample.texts, min(as_much, model.config.max_position_embeddings))


def as_rows(steps: Mapping[str, Mapping[str, Measured]], excerpts: Mapping[str, Excerpts]) -> list[dict[str, Any]]:
    """For the report: {"step", "quality": by language {bits_per_byte, tokens, window, rise, rise_low, rise_high}}."""
    return [
        {
            "step": name,
            "quality": {
                lang: {
                    "bits_per_byte": round(sum(one.nats) / math.log(2) / excerpts[lang].bytes, DIGITS),
                    "tokens": one.tokens,
                    "window": one.window,
                    **rise(one.nats, steps[BASE][lang].nats),
                }
                for lang, one in found.items()
            },
        }
        for name, found in steps.items()
    ]
