"""All rules in order: who refuses a text, and what each says of one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lilm.recipe import RulesConfig
from lilm.train.corpus.rules import compression, english, length, lines, repetition, scripts, sentences, vocabulary
from lilm.train.corpus.rules.batch import Batch
from lilm.train.corpus.rules.rule import Rule

RULES: tuple[Rule, ...] = (
    *length.RULES,
    *scripts.RULES,
    *english.RULES,
    *sentences.RULES,
    *lines.RULES,
    *vocabulary.RULES,
    *repetition.RULES,
    *compression.RULES,
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rule says of one text. reason: the figure beside the limit."""

    name: str
    keep: bool
    reason: str


class Refusal(NamedTuple):
    """Why a text is not kept. kept_by: what some looser limits of the rule would say, see `Rule.looser`."""

    rule: str
    reason: str
    kept_by: tuple[tuple[float, bool], ...] = ()


def refusals(texts: Sequence[str], lang: str, rules: RulesConfig, web: bool) -> list[Refusal | None]:
    """Returns for each text what the first rule says that refuses it, or None when it is kept."""
    batch = Batch(texts, lang, rules)
    refused: list[Refusal | None] = [None] * len(texts)
    for rule in RULES:
        if rule.holds_for(lang, web):
            for index in rule.refused(batch).nonzero()[0].tolist():
                refused[index] = refused[index] or Refusal(
                    rule.name, rule.reason(batch, index), rule.kept_by(batch, index)
                )
    return refused


def verdicts(text: str, lang: str, rules: RulesConfig, web: bool) -> list[Verdict]:
    """What each rule that holds for such a text says of it, in their order; figures are exact."""
    batch = Batch([text], lang, rules, exact=True)
    return [
        Verdict(rule.name, not bool(rule.refused(batch)[0]), rule.reason(batch, 0))
        for rule in RULES
        if rule.holds_for(lang, web)
    ]
