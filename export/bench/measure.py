"""Quality of one GGUF file: bits per byte, divergence from the full file, and what it writes."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lilm.export.bench.excerpts import Excerpts
from lilm.export.quality.interval import difference_of
from lilm.llamacpp.engine import Engine, Score
from lilm.recipe import BenchConfig

DIGITS = 6
LEAST_DOCUMENTS = 3  # for an interval: of one nothing is known, of two next to nothing (Student's t: 12.7 errors)


@dataclass
class Clock:
    """Tokens and seconds of what was decoded, for speeds."""

    tokens: int = 0
    seconds: float = 0.0

    def add(self, tokens: int, seconds: float) -> None:
        self.tokens += tokens
        self.seconds += seconds

    @property
    def tokens_per_second(self) -> float | None:
        return round(self.tokens / self.seconds, 1) if self.seconds else None


def clustered_error(values: list[NDArray[np.float64]]) -> float | None:
    """Standard error of the mean of all values, when those in one array (a document) depend on each other; None of
    fewer than LEAST_DOCUMENTS, which are too little to tell.

    The ratio estimator's: the square root of the sum of squared residual sums of the documents, divided by the count
    (Cochran, Sampling Techniques, chapter 6).
    """
    if len(values) < LEAST_DOCUMENTS:
        return None
    count = sum(len(one) for one in values)
    mean = sum(float(one.sum()) for one in values) / count
    residuals = [float((one - mean).sum()) for one in values]
    correction = len(values) / (len(values) - 1)
    return math.sqrt(correction * sum(value * value for value in residuals)) / count


def by_document(values: list[NDArray[np.float64]], document: Sequence[int]) -> list[NDArray[np.float64]]:
    """The values of each window, those of one document together: windows of a long one are as alike as any."""
    found: dict[int, list[NDArray[np.float64]]] = {}
    for one, number in zip(values, document, strict=True):
        found.setdefault(number, []).append(one)
    return [np.concatenate(some) for some in found.values()]


def summarise(scores: list[Score], excerpts: Excerpts) -> dict[str, Any]:
    """Figures of one file on one language; those against the reference are None for the reference itself.

    bits_per_byte; kld_mean, kld_se, kld_p99: nats per token, kld_se None where it is too little to tell;
    top1_agreement: share of the tokens.
    """
    nats = sum(float(score.nll.sum()) for score in scores)
    figures: dict[str, Any] = {"bits_per_byte": round(nats / math.log(2) / excerpts.bytes, DIGITS)}
    divergences = [score.kld for score in scores if score.kld is not None]
    same = [score.same_top for score in scores if score.same_top is not None]
    if not divergences:
        return {**figures, "kld_mean": None, "kld_se": None, "kld_p99": None, "top1_agreement": None}
    together, error = np.concatenate(divergences), clustered_error(by_document(divergences, excerpts.document))
    return {
        **figures,
        "kld_mean": round(float(together.mean()), DIGITS),
        "kld_se": None if error is None else round(error, DIGITS),
        "kld_p99": round(float(np.quantile(together, 0.99)), DIGITS),
        "top1_agreement": round(float(np.concatenate(same).mean()), DIGITS),
    }


def rise(nats: Sequence[float], base: Sequence[float]) -> dict[str, float | None]:
    """rise: the share by which bits per byte are more than the base's on the same text; rise_low, rise_high: the ends
    of its 95% interval, None of fewer than LEAST_DOCUMENTS.

    nats, base: of each document, [documents], in pairs: what both find hard cancels.
    """
    if len(base) < LEAST_DOCUMENTS:
        return {"rise": round(sum(nats) / sum(base) - 1, DIGITS), "rise_low": None, "rise_high": None}
    mine, before = np.array(nats), np.array(base)
    found = difference_of(mine, before, before)
    ends = {"rise": found.value, "rise_low": found.low, "rise_high": found.high}
    return {name: round(value, DIGITS) for name, value in ends.items()}


def quality(
    engine: Engine,
    excerpts: Mapping[str, Excerpts],
    base: Mapping[str, Sequence[float]],
    clock: Clock,
    on_window: Callable[[], None],
) -> dict[str, dict[str, Any]]:
    """`summarise` and `rise` for each language. base: nats of the base for each document. The clock gets the decoding
    of the windows."""
    figures = {}
    for lang, sample in excerpts.items():
        scores = []
        for window in sample.windows:
            scores.append(engine.score(window))
            clock.add(len(window), scores[-1].seconds)
            on_window()
        nats = [float(one.sum()) for one in by_document([score.nll for score in scores], sample.document)]
        figures[lang] = {**summarise(scores, sample), **rise(nats, base[lang])}
    return figures


def prompt_ids(engine: Engine, config: BenchConfig) -> list[tuple[str, str, list[int]]]:
    """(kind, words, ids) of every prompt: kind "chat" is asked through the chat template, "text" is gone on with."""
    asked = ((words, [{"role": "user", "content": words}]) for words in config.chats)
    return [
        *(("chat", words, engine.tokenize_chat(messages)) for words, messages in asked),
        *(("text", words, engine.tokenize(words)) for words in config.prompts),
    ]


def write_samples(
    engine: Engine, prompts: list[tuple[str, str, list[int]]], n_predict: int, clock: Clock
) -> list[dict[str, Any]]:
    """Greedy text after each prompt, and its ids. The clock gets the generation, one token at a time."""
    samples = []
    for kind, words, ids in prompts:
        said = engine.greedy(ids, n_predict)
        clock.add(max(0, len(said.ids) - 1), said.seconds)
        samples.append({"kind": kind, "prompt": words, "text": said.text, "ids": list(said.ids)})
    return samples


def equal_tokens(ids: list[int], reference: list[int]) -> int:
    """How many tokens two texts share before they part."""
    for count, (one, other) in enumerate(zip(ids, reference, strict=False)):
        if one != other:
            return count
    return min(len(ids), len(reference))
