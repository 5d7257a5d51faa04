"""Which languages the answers are in."""

from collections import Counter
from collections.abc import Iterable, Sequence

from lilm.train.corpus.language import MIN_CONFIDENCE, tell
from lilm.train.finetune.checks.material import Found, Material, answers
from lilm.train.finetune.messages import Chat

UNKNOWN = "?"


def tell_languages(chats: Sequence[Chat], expected: str) -> list[tuple[str, float]]:
    """(language, confidence) of each chat's answers. Raises LilmError when `expected` is a language that cannot be
    told."""
    return [tell("\n".join(answers(chat)), expected) for chat in chats]


def language_mix(told: Iterable[tuple[str, float]]) -> dict[str, int]:
    """How many are in each language, most first; UNKNOWN where too little is said to tell."""
    found = Counter(language if confidence >= MIN_CONFIDENCE else UNKNOWN for language, confidence in told)
    return dict(found.most_common())


def other_language(material: Material) -> Found:
    """Chats whose answers are in neither of the recipe's languages, where that is clear."""
    wanted = (material.language, material.base_language)
    return {
        number: f"{language} ({confidence:.2f})"
        for number, (language, confidence) in enumerate(material.languages)
        if language not in wanted and confidence >= MIN_CONFIDENCE
    }
