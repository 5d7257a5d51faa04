"""Which characters new pieces may hold: those of the language's own scripts.

English text holds none of them, so its token ids stay exactly the base's. A language in Latin letters has no such
characters; see lilm.train.tokenizer.beside.
"""

from collections import Counter
from collections.abc import Iterable

import regex

from lilm.errors import LilmError
from lilm.vocabulary.latin import LATIN

# fmt: off
SCRIPTS = (
    "Arab", "Armn", "Beng", "Cans", "Cher", "Copt", "Cyrl", "Deva", "Ethi", "Geor", "Grek", "Gujr", "Guru", "Hang",
    "Hani", "Hebr", "Hira", "Kana", "Khmr", "Knda", "Laoo", "Mlym", "Mong", "Mymr", "Orya", "Sinh", "Syrc", "Taml",
    "Telu", "Tfng", "Thaa", "Thai", "Tibt", "Yiii",
)
# fmt: on
"""Living scripts other than Latin (ISO 15924)."""

WRITTEN_TOGETHER = (frozenset({"Hani", "Hira", "Kana"}),)
MIN_SHARE = 0.01  # of the letters outside Latin: a script below it is a guest, its letters stay bytes

EAST_ASIAN = frozenset({"Hani", "Hira", "Kana", "Hang"})
EAST_ASIAN_SIGNS = r"\u3000-\u303f\u3200-\u33ff\uff00-\uffef"  # 「、〜㍿ and the full-width forms
# Signs that Unicode also gives to other scripts but English uses: Latin-1, general punctuation, arrows, dingbats.
SHARED = r"[[\u0000-\u036f]||[\u2000-\u2bff]||\p{scx=Latn}]"


LATIN_LETTERS = r"[\p{sc=Latn}\p{Mn}]"  # and marks on them: Yoruba's ẹ́ is two characters


def is_shared(char: str) -> bool:
    """Whether English may hold the character, so that no new piece may.

    >>> is_shared("a"), is_shared("…"), is_shared("、"), is_shared("犬")
    (True, True, False, False)
    """
    return regex.match(SHARED, char, regex.V1) is not None


def count_characters(texts: Iterable[str]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    return counts


def scripts_of(counts: Counter[str]) -> list[str]:
    """ISO 15924 names of the scripts that a text's letters outside Latin are in, guests left out."""
    letters = {name: regex.compile(rf"[\p{{L}}&&\p{{sc={name}}}]", regex.V1) for name in SCRIPTS}
    found = {
        name: sum(count for char, count in counts.items() if pattern.match(char)) for name, pattern in letters.items()
    }
    wanted = {name for name, count in found.items() if count and count >= MIN_SHARE * sum(found.values())}
    for group in WRITTEN_TOGETHER:
        if wanted & (group - {"Hani"}):
            wanted |= group
    return sorted(wanted)


def is_in_latin(counts: Counter[str], language: str) -> bool:
    """Whether a text, given how often characters stand there, is in English's own letters: most of its letters are when
    the language is written so, all of them when it is not known to be."""
    if language not in LATIN:
        return not scripts_of(counts)
    latin = sum(count for char, count in counts.items() if regex.match(LATIN_LETTERS, char))
    return 2 * latin >= sum(count for char, count in counts.items() if char.isalpha())


def learnable_pattern(counts: Counter[str], language: str) -> "regex.Pattern[str]":
    """Matches one character that new pieces may hold, given how often characters stand in the language's text.

    Raises LilmError when the text has no letters outside the Latin script.
    """
    scripts = scripts_of(counts)
    if not scripts:
        raise LilmError(
            f"the text of language {language!r} has no letters outside the Latin script",
            where="tokenizer",
            remedy="check that its sources hold that language",
        )
    allowed = "||".join(rf"\p{{scx={name}}}" for name in scripts)
    if EAST_ASIAN & set(scripts):
        allowed += f"||[{EAST_ASIAN_SIGNS}]"
    return regex.compile(rf"[[{allowed}]--{SHARED}]", regex.V1)


def learnable_counts(counts: Counter[str], language: str) -> Counter[str]:
    """The counts of those characters that new pieces may hold. Raises LilmError as `learnable_pattern` does."""
    pattern = learnable_pattern(counts, language)
    return Counter({char: count for char, count in counts.items() if pattern.match(char)})
