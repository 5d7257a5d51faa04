"""Boilerplate of web pages: lines that are no text are taken out one by one, menus as a whole."""

import re
from dataclasses import dataclass

from lilm.recipe import RulesConfig
from lilm.train.corpus.punctuation import ENDS
from lilm.train.corpus.rules.page_lines import candidates, kind_of

LONGEST_OF_MENU = 60  # characters of a menu's single long entry
_OTHERS = "".join(end for end in ENDS if end not in "。！？.!?؟")
_SENTENCE_END = re.compile(rf"(?:[。」』…：:{_OTHERS}]|[^\d\s.][.!?！？؟])[）)\"'”’]*$")
_ASKS = re.compile(r"[!?！？؟]$")
_EMPTY_LINES = re.compile("\n{3,}")


@dataclass(frozen=True, slots=True)
class Removed:
    """number: of the line, from 1. kind: as page_lines.kind_of says, or "menu"."""

    number: int
    kind: str
    line: str


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What is left of a text, and what was taken."""

    text: str
    removed: tuple[Removed, ...]


def without_boilerplate(text: str, rules: RulesConfig) -> Cleaned:
    """The text (normalised) of a web page without the lines that are no text.

    A menu is a run of `rules.menu_lines` or more lines that end no sentence, `rules.menu_chars` long on average at
    most. Poems set in lines without punctuation look so too.

    >>> without_boilerplate("朝の海は静かだった。\\n12件のコメント\\n続きを読む", RulesConfig()).text
    '朝の海は静かだった。'
    """
    taken: list[tuple[int, int, str]] = []  # start, end, kind
    run: list[re.Match[str]] = []
    for line in candidates(text):
        kind = kind_of(line[0])
        if kind:
            taken.append((*line.span(), kind))
        if run and text[run[-1].end() : line.start()].strip():  # text between them
            taken += _menu(run, rules)
            run = []
        if kind or _may_be_of_menu(line[0], rules.menu_chars):
            run.append(line)
    taken += _menu(run, rules)
    if not taken:
        return Cleaned(text, ())
    return _without(text, taken)


def _may_be_of_menu(line: str, short: int) -> bool:
    """Whether the line ends no sentence. A short one may ask or shout, as titles do."""
    if len(line) > LONGEST_OF_MENU:
        return False
    return not _SENTENCE_END.search(line) or (len(line) <= short and bool(_ASKS.search(line)))


def _menu(run: list[re.Match[str]], rules: RulesConfig) -> list[tuple[int, int, str]]:
    """The lines of a run when it is a menu."""
    if not rules.menu_lines or len(run) < rules.menu_lines:
        return []
    if sum(len(line[0]) for line in run) > rules.menu_chars * len(run):
        return []
    return [(*line.span(), "menu") for line in run]


def _without(text: str, taken: list[tuple[int, int, str]]) -> Cleaned:
    kept: list[str] = []
    removed: list[Removed] = []
    at, number, counted = 0, 1, 0
    for start, end, kind in sorted(taken, key=lambda one: one[:2]):
        if start < at:
            continue  # a button inside a menu
        kept.append(text[at:start])
        number += text.count("\n", counted, start)
        counted = start
        removed.append(Removed(number, kind, text[start:end]))
        at = end + 1  # with its line break
    kept.append(text[at:])
    return Cleaned(_EMPTY_LINES.sub("\n\n", "".join(kept)).strip(), tuple(removed))
