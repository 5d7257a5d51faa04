"""Real text of other scripts, out of Debian's packages: translated help pages, and messages of a program."""

import re
import unicodedata
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from lilm.errors import LilmError
from lilm.progress import Reporter
from lilm.recipe import RulesConfig
from lilm.train.corpus.language import other_language
from lilm.train.corpus.normalise import normalise_all
from lilm.train.corpus.pieces import pieces
from lilm.train.corpus.rules import refusals
from lilm.train.languages.debian import fetch, find_packages
from lilm.train.languages.sources import LANGUAGES, Language, Source
from lilm.train.languages.texts import Page, read_pages

SHORT = 150  # characters of a page that is too short to be judged
MARKS = re.compile(r"[\u0300-\u036f\u0900-\u0903\u093a-\u094f\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u064b-\u0652]")


def some(source: Source) -> Source:
    """Of LibreOffice's help what is about tables and texts: a third, read in seconds."""
    files = source.files.replace("text/.*", "text/(?:scalc|swriter)/.*")
    return replace(source, files=files, original=source.original and some(source.original))


@pytest.fixture(scope="module", params=["ko", "zh", "th", "vi", "ar", "hi"])
def real(request: pytest.FixtureRequest) -> tuple[str, list[Page]]:
    """(language, its pages). Skipped where neither cache nor archive has the packages."""
    language = Language(request.param, tuple(some(source) for source in LANGUAGES[request.param].sources[:1]))
    reporter = Reporter(Console(quiet=True))
    try:
        debs: dict[str, Path] = {
            name: fetch(package, reporter) for name, package in find_packages(language.packages()).items()
        }
    except LilmError as error:
        pytest.skip(error.line())
    return language.code, read_pages(language, debs)


def kept(texts: list[str], lang: str) -> list[bool]:
    return [one is None for one in refusals(normalise_all(texts, lang, "、。"), lang, RulesConfig(), web=False)]


def test_what_is_clean_in_english_is_kept(real: tuple[str, list[Page]]) -> None:
    lang, pages = real
    english = kept([page.original for page in pages], "en")
    clean = [page.text for page, is_kept in zip(pages, english, strict=True) if is_kept and len(page.text) >= SHORT]
    assert len(clean) > 100 and sum(kept(clean, lang)) >= 0.95 * len(clean)
    told = [other_language(text, lang) for text in clean]  # pages of functions are mostly English code
    assert sum(keep or reason.startswith("en (") for keep, reason in told) >= 0.95 * len(clean)


def test_letters_and_their_marks_stay(real: tuple[str, list[Page]]) -> None:
    lang, pages = real
    texts = [page.text for page in pages]
    made = normalise_all(texts, lang, "、。")
    assert normalise_all(made, lang, "、。") == made, "once is enough"
    apart = [unicodedata.normalize("NFD", text) for text in texts]
    assert normalise_all(apart, lang, "、。") == made, "letters that were written apart are put together"
    for text, found in zip(texts, made, strict=True):
        assert unicodedata.is_normalized("NFC", found)
        was, now = (Counter(MARKS.findall(unicodedata.normalize("NFD", one))) for one in (text, found))
        assert was == now, text


def test_no_part_begins_inside_of_a_letter(real: tuple[str, list[Page]]) -> None:
    lang, pages = real
    for text in normalise_all([page.text for page in pages], lang, "、。"):
        parts = pieces(text, 40)
        assert max(map(len, parts)) <= 40 and not any(MARKS.match(part) for part in parts)
        assert re.sub(r"\s", "", "".join(parts)) == re.sub(r"\s", "", text)
