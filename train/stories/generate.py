"""Stories without end: the i-th one depends on its language, the seed and i alone, so any part can be made apart."""

import random
from collections.abc import Iterator

from lilm.errors import LilmError
from lilm.train.stories import english, japanese, plots

_TELLERS = {"ja": japanese.tell, "en": english.tell}


def stories(lang: str, count: int, seed: int) -> Iterator[str]:
    """`count` stories in `lang` ("ja" or "en"), one paragraph each.

    Raises LilmError for another language.
    """
    if lang not in _TELLERS:
        raise LilmError(f"no stories in '{lang}'", where="stories", remedy=f"use one of {', '.join(_TELLERS)}")
    return (_story(lang, seed, index) for index in range(count))


def _story(lang: str, seed: int, index: int) -> str:
    # A string seed goes through SHA-512, which is the same on every Python since 3.2.
    rng = random.Random(f"lilm story {lang} {seed} {index}")
    return _TELLERS[lang](plots.draw(rng), rng)
