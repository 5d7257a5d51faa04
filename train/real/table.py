"""Who is compared, at which rates, and which of three rates each has."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lilm.errors import LilmError
from lilm.train.real.contender import Outcome, Trial, Way


def _stages() -> Way:
    from lilm.train.real.by_stages import ByStages

    return ByStages()


def _trainer() -> Way:
    from lilm.train.real.by_trainer import ByTrainer

    return ByTrainer()


def _seed_loop() -> Way:
    from lilm.train.real.by_seed_loop import BySeedLoop

    return BySeedLoop()


@dataclass(frozen=True)
class Contender:
    """title: in tables. changes: of the recipe. rates: peak learning rates to try; rate: the one that is used, which
    `--choose-rates` found to end lowest in Japanese on text that is not reported."""

    title: str
    way: Callable[[], Way]
    rates: tuple[float, float, float]
    rate: float
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Derived:
    """derive: from the trial and the outcome of `ours`."""

    title: str
    derive: Callable[[Trial, Outcome], Outcome]


def _averaged(trial: Trial, ours: Outcome) -> Outcome:
    from lilm.train.real.averaged import averaged

    return averaged(trial, ours)


OWN_VOCABULARY = {
    "tokenizer": {"pieces": 0},
    "pretrain": {"stage1": {"steps": 0}, "keep_base_rows": False, "keep_layers": 0, "embedding_lr_scale": 1.0},
}
MAIN = {
    "ours": Contender("LiLM, recipe smollm2-ja", _stages, (2e-4, 3e-4, 4e-4), 3e-4),
    "trainer": Contender("transformers' Trainer, its defaults", _trainer, (5e-5, 1e-4, 2e-4), 5e-5, OWN_VOCABULARY),
    "seed2023": Contender(
        "decisions of 2023",
        _seed_loop,
        (2e-4, 5e-4, 1e-3),
        2e-4,
        {"tokenizer": {"pieces": 19_470, "multiple": 1}, "pretrain": {"init": "random", "replay": 0.0}},
    ),
    "no_new_pieces": Contender("LiLM, no new vocabulary", _stages, (1e-4, 2e-4, 4e-4), 2e-4, OWN_VOCABULARY),
}
"""Each of them always runs, in this order."""
VARIANTS = {
    "lora": Contender("LiLM with LoRA", _stages, (5e-4, 1e-3, 2e-3), 1e-3, {"pretrain": {"method": "lora"}}),
    "mean": Contender(
        "LiLM, new rows at the mean",
        _stages,
        (2e-4, 3e-4, 4e-4),
        3e-4,
        {"pretrain": {"init": "mean", "bigrams": 0.0}},
    ),
    "distilled": Contender(
        "LiLM, input rows distilled",
        _stages,
        (2e-4, 3e-4, 4e-4),
        3e-4,
        {"pretrain": {"init": "distillation", "distillation_steps": 20}},
    ),
}
"""Run when asked for by name. One more is a line here: what it changes in the recipe, or another Way."""
DERIVED = {"averaged": Derived("LiLM, a quarter of the base averaged in", _averaged)}
"""Made of what `ours` left, without training; when asked for by name."""


def chosen(variants: str) -> tuple[dict[str, Contender], dict[str, Derived]]:
    """MAIN and those of VARIANTS, and those of DERIVED, that a list with commas names.

    Raises LilmError for a name that is none.
    """
    names = [name.strip() for name in variants.split(",") if name.strip()]
    known = [*VARIANTS, *DERIVED]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise LilmError(f"no variant {unknown[0]!r}", where="--variants", remedy="use some of " + ", ".join(known))
    contenders = MAIN | {name: VARIANTS[name] for name in names if name in VARIANTS}
    return contenders, {name: DERIVED[name] for name in names if name in DERIVED}


def rated(choose_rates: str, contenders: Mapping[str, Contender]) -> list[str]:
    """Those of `contenders` that a list with commas names; all for "all".

    Raises LilmError for a name that is none.
    """
    names = [name.strip() for name in choose_rates.split(",") if name.strip()]
    if names == ["all"]:
        return list(contenders)
    unknown = [name for name in names if name not in contenders]
    if unknown:
        remedy = "use all, or some of " + ", ".join(contenders)
        raise LilmError(f"no contender {unknown[0]!r}", where="--choose-rates", remedy=remedy)
    return names


def titles(contenders: Mapping[str, Contender], derived: Mapping[str, Derived]) -> dict[str, str]:
    return {name: one.title for name, one in contenders.items()} | {name: one.title for name, one in derived.items()}
