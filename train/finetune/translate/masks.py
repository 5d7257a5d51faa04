"""What a translator must copy, behind placeholders: inline code, addresses, tags, formulas."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

# A paragraph's end ends code that nobody closed; without the limit a text of openings alone would take hours.
_KEPT = re.compile(
    r"(`+)(?!`)(?:(?!\n[ \t]*\n).){1,1000}?(?<!`)\1(?!`)"  # inline code, with as many backticks at its end
    r"|\b(?:https?|ftp)://[^\s<>\"'`「」『』（）、。]+"
    r"|\bwww\.[\w-]+\.[^\s<>\"'`「」『』（）、。]+"
    r"|(?<![\w.+-])[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+"
    r"|</?[A-Za-z][^<>\n]*>|<!--(?:(?!<!--).){0,1000}?-->"
    r"|\\\((?:(?!\\\().){1,1000}?\\\)|\\\[(?:(?!\\\[).){1,1000}?\\\]|\$\$[^$]{1,1000}\$\$",
    re.DOTALL,
)
_AFTER = ".,;:!?)]}*_"  # ends the sentence around an address, and not the address
LETTERS = "xyzwvuq"  # one of which the text itself has in no placeholder


class Lost(Exception):
    """A translation without a placeholder that it needs, or with one too many. args[0]: what it stands for."""


@dataclass(frozen=True)
class Masked:
    """text: with `<x1/>` and so on in the place of what is kept. kept: that, in its order. letter: of placeholders."""

    text: str
    kept: tuple[str, ...]
    letter: str

    @property
    def plain(self) -> str:
        """The text without placeholders."""
        return without_marks(self.text, self.letter)

    def restore(self, translation: str) -> str:
        """The translation with what was kept. Raises Lost unless each placeholder stands in it once."""
        found = Counter(int(number) for number in _marks(self.letter).findall(translation))
        wanted = Counter(range(1, len(self.kept) + 1))
        for number in sorted((wanted - found) | (found - wanted)):
            raise Lost(self.kept[number - 1] if number in wanted else f"<{self.letter}{number}/>")
        return _marks(self.letter).sub(lambda mark: self.kept[int(mark[1]) - 1], translation)


def mask(text: str) -> Masked:
    """The text with placeholders.

    >>> mask("Run `ls -l`, see https://a.example/b.").text
    'Run <x1/>, see <x2/>.'
    """
    letter = next((one for one in LETTERS if not _marks(one).search(text)), LETTERS[0])
    kept: list[str] = []

    def put(match: re.Match[str]) -> str:
        found, after = match[0], ""
        if found[0] not in "`<\\$":
            found = found.rstrip(_AFTER)
            after = match[0][len(found) :]
        kept.append(found)
        return f"<{letter}{len(kept)}/>{after}"

    return Masked(_KEPT.sub(put, text), tuple(kept), letter)


def is_within(text: str) -> Callable[[int], bool]:
    """Says of a place in the text whether it is within something that is kept."""
    spans = [match.span() for match in _KEPT.finditer(text)]
    return lambda at: any(start < at < end for start, end in spans)


def without_marks(text: str, letter: str) -> str:
    return _marks(letter).sub(" ", text)


def _marks(letter: str) -> re.Pattern[str]:
    """Placeholders as translators write them too: `< x1 >`, `＜x1／＞`."""
    return re.compile(rf"[<＜]\s*{letter}(\d{{1,6}})\s*[/／]?\s*[>＞]")
