"""Which language a document is in: by its script where that decides, else by py3langid (after langid.py, Lui 2012)."""

import re
from functools import cache
from typing import Any

from lilm.errors import LilmError

# Languages that have much text on the web: few candidates are told apart better, and faster.
CANDIDATES = (
    "ar bg bn ca cs da de el en es et fa fi fr he hi hr hu id it ja ko lt lv nl no pl pt ro ru sk sl sr sv ta th tr uk "
    "ur vi zh"
)
SLICES, SLICE_CHARS = 3, 300  # what is looked at of a long document: its beginning, middle and end
KANA_SHARE = 0.2  # of the letters: nothing but Japanese is written in kana
MIN_LETTERS = 20  # a shorter text is left alone too: names in kanji alone are taken for Chinese
MIN_CONFIDENCE = 0.65  # below, a document is left alone (FineWeb asks its own identifier for as much)
_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa\uff66-\uff9d]+")
_LETTERS = re.compile(r"[^\W\d_]+")


def tell(text: str, expected: str) -> tuple[str, float]:
    """(language, confidence from 0 to 1), of 900 characters at most; `expected`, a candidate in any case, with 0 when
    there is too little to tell.

    The model (a second or two, 100 MB) is loaded once per process, when a text needs it. Raises LilmError when it does
    not know `expected`.
    """
    part = excerpt(text)
    kana = sum(map(len, _KANA.findall(part)))
    letters = sum(map(len, _LETTERS.findall(part)))
    if kana and kana >= KANA_SHARE * letters:
        return "ja", 1.0
    if letters < MIN_LETTERS:
        return expected, 0.0
    language, confidence = _identifier(expected).classify(part)
    return str(language), float(confidence)


def other_language(text: str, expected: str) -> tuple[bool, str]:
    """(keep, reason): whether the text is in `expected`, or too unclear to say that it is not. Raises as `tell`."""
    language, confidence = tell(text, expected)
    keep = language == expected or confidence < MIN_CONFIDENCE
    return keep, "" if keep else f"{language} ({confidence:.2f}), not {expected}"


def is_known(language: str) -> bool:
    """Whether documents in it can be told from others."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return language in CANDIDATES.split() or language in LanguageIdentifier.from_model_file(MODEL_FILE).labels


def require_known(language: str, where: str) -> None:
    """Raises LilmError for a language whose documents cannot be told from others."""
    if not is_known(language):
        raise LilmError(
            f"py3langid does not know {language!r}", where=where, remedy="correct lang, or set detect_language = false"
        )


def excerpt(text: str) -> str:
    """The whole text, or SLICES slices evenly spread over it."""
    if len(text) <= SLICES * SLICE_CHARS:
        return text
    step = (len(text) - SLICE_CHARS) // (SLICES - 1)
    return "\n".join(text[start : start + SLICE_CHARS] for start in range(0, SLICES * step, step))


def _identifier(expected: str) -> Any:
    return _model(tuple(sorted({*CANDIDATES.split(), expected})))


@cache
def _model(languages: tuple[str, ...]) -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    model = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    unknown = set(languages) - set(model.labels)
    if unknown:
        raise LilmError(
            f"py3langid does not know {min(unknown)!r}",
            where="corpus sources: lang",
            remedy="set detect_language = false for its sources",
        )
    model.set_languages(languages)
    return model
