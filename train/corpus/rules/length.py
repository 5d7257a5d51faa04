"""How long a text is."""

from lilm.train.corpus.rules.batch import Batch, Figures
from lilm.train.corpus.rules.rule import Rule


def characters(batch: Batch) -> Figures:
    return batch.characters


RULES = (
    Rule("min_chars", characters, "min_chars", "{figure:.0f} characters", at_least=True),
    Rule(
        "min_web_chars",
        characters,
        "min_web_chars",
        "{figure:.0f} characters",
        at_least=True,
        web=True,
    ),
)
