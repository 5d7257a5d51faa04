"""How terms are to be translated: a TSV file, a term and its translation a line."""

import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from lilm.disk import read_utf8
from lilm.errors import LilmError

AS = "write term, one tab, translation; others that are right too after a |"


@dataclass(frozen=True)
class Glossary:
    """terms: a term and its translations, of which the first is asked for and each is accepted."""

    terms: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def of(self, text: str) -> dict[str, tuple[str, ...]]:
        """The terms that stand in a text as words, in any case, with a plural's s too; within a longer one none is."""
        spelled = [term for _, term in self._spellings]
        found = {spelled[(match.lastindex or 1) - 1] for match in self._pattern.finditer(text)} if self.terms else set()
        return {term: self.terms[term] for term in sorted(found)}

    def missed(self, source: str, translation: str) -> list[str]:
        """Terms of the source whose translations all lack in its translation."""
        small = translation.casefold()
        return [term for term, right in self.of(source).items() if not any(one.casefold() in small for one in right)]

    @cached_property
    def _spellings(self) -> list[tuple[str, str]]:
        """(a term as it is written or in small letters, the term), the longest first. Ignoring case is not enough: the
        small letters of "Straße" are "strasse", and "İ" is found as "i" though it has other ones."""
        both = {(spelling, term) for term in self.terms for spelling in (term, term.casefold())}
        return sorted(both, key=lambda pair: (-len(pair[0]), pair))

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        """Has a group for each spelling."""
        each = "|".join(f"({re.escape(spelling)})" for spelling, _ in self._spellings)
        return re.compile(rf"(?<!\w)(?:{each})(?:e?s)?(?!\w)", re.IGNORECASE)


def read_glossary(path: Path) -> Glossary:
    """Of a file in UTF-8; blank lines and those that begin with # say nothing.

    Raises LilmError naming the line that is no term and translation, or has a term again.
    """
    terms: dict[str, tuple[str, ...]] = {}
    small: set[str] = set()
    for number, line in enumerate(read_utf8(path).split("\n"), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        where = f"{path}, line {number}"
        cells = [cell.strip() for cell in line.split("\t")]
        right = tuple(one.strip() for one in cells[1].split("|")) if len(cells) == 2 else ()
        if not cells[0] or not right or not all(right):
            raise LilmError("no term with its translation", where=where, remedy=AS)
        if cells[0].casefold() in small:
            raise LilmError(f"{cells[0]!r} stood there before", where=where, remedy="keep one of the two")
        small.add(cells[0].casefold())
        terms[cells[0]] = right
    if not terms:
        raise LilmError("no term in it", where=str(path), remedy=AS)
    return Glossary(terms)
