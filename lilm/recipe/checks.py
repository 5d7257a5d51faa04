"""[finetune.checks]: what chats from files and the hub are looked at for before they are learnt."""

from typing import Literal

from pydantic import Field

from lilm.recipe.section import Section

Action = Literal["keep", "drop"]
"""keep: counted and shown with samples, and learnt all the same; drop: left out as well."""


class ChecksConfig(Section):
    """What LiLM makes itself (format "chats") is not looked at."""

    exact: Action = "drop"
    """Chats of the same words as an earlier one."""
    near: Action = "keep"
    """Chats that are nearly an earlier one, by `similarity`."""
    similarity: float = Field(default=0.8, ge=0.5, le=1)
    """Jaccard similarity of character 5-grams from which on two texts are one, as in [corpus.dedup]."""
    evaluation: Action = "drop"
    """Chats with a question that is nearly one in the files of `path`, or with 25 letters in a row out of them. It is
    also for the pairs of [finetune.preference], of which such as ask what a held-out chat asks are always dropped."""
    path: tuple[str, ...] = ()
    """Evaluation files (JSON, JSONL or text; globs allowed), relative to the recipe."""
    same_answer: Action = "keep"
    """Chats of nothing but answers that `same_answer_questions` different questions get, after the first one."""
    same_answer_questions: int = Field(default=5, ge=2)
    """See `same_answer`."""
    language: Action = "keep"
    """Chats whose answers are in neither of the recipe's languages."""
    length: Action = "keep"
    """Chats with an answer of fewer than `min_chars` or more than `max_chars` characters."""
    min_chars: int = Field(default=2, ge=0)
    """See `length`."""
    max_chars: int = Field(default=8_000, ge=1)
    """See `length`."""
    refusal: Action = "keep"
    """Chats with an answer that refuses, or tells that an AI speaks."""
    cut_off: Action = "keep"
    """Chats whose last answer breaks off."""
    untranslated: Action = "keep"
    """Japanese: chats with an English sentence in an answer that nobody asked for."""
    mixed_scripts: Action = "keep"
    """Japanese: chats with letters in an answer that Japanese does not use."""
    mistranslation: Action = "keep"
    """Japanese: chats with a term that machines write for another, such as 「高貴なガス」 for a noble gas, 希ガス."""
