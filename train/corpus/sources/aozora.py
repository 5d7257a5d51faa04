"""Aozora Bunko's text format: header and colophon off, ruby and notes out, gaiji back to characters.

The format: https://www.aozora.gr.jp/annotation/
"""

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from lilm.recipe import SourceConfig
from lilm.train.corpus.sources.base import Item, Skip
from lilm.train.corpus.sources.decoding import decoded
from lilm.train.corpus.sources.files import read_bytes

_COPYRIGHT = re.compile("著作権.{0,12}存続")
_RULE = re.compile(r"-{8,}\s*")
_HEADINGS = ("【テキスト中に現れる記号について】", "［表記について］")
_HEADER_LINES = 60  # a header ends within so many lines
_NAMES = 10  # lines of title, subtitle, author and translator, with the empty ones between them
_SENTENCE = re.compile(r"。|[！？]」\s*$|.{80}")
_COLOPHON = re.compile(r"^底本(?:の親本)?：", re.MULTILINE)
_RUBY = re.compile(r"《[^《》\n]*》")
_ALONE = re.compile(r"^[ 　]*(?:［＃[^［］\n]*］[ 　]*)+\n", re.MULTILINE)
_NOTE = re.compile(r"［＃[^［］]*］")
_FOOTNOTE = re.compile(r"［※[0-9０-９～]+］")
_GAIJI = re.compile(r"※［＃([^［］]*)］")
_MENKUTEN = re.compile(r"(?<![0-9-])([12])-(\d{1,2})-(\d{1,2})$")
_UNICODE = re.compile(r"U\+(?![Dd][89A-Fa-f])((?:10|0?[1-9A-Fa-f])?[0-9A-Fa-f]{4})(?![0-9A-Fa-f])")
_ACCENTED = re.compile(r"〔([ -~…—‥]+)〕")
# only where the mark can be one: the ' of l'homme, d'or and qu'il is an apostrophe
_ACCENT = re.compile(r"[AEIOUaeiou][`^:_]|(?<![Qq])[AEIOUYaeiouy]'|[ANOano]~|[AUau]&|[CSTcst],(?=[a-z])")
_MARKS = {
    "`": "\u0300",
    "'": "\u0301",
    "^": "\u0302",
    "~": "\u0303",
    ":": "\u0308",
    "&": "\u030a",
    ",": "\u0327",
    "_": "\u0304",
}
_LIGATURES = {"AE&": "Æ", "ae&": "æ", "OE&": "Œ", "oe&": "œ", "s&": "ß"}
MISSING = "〓"  # the printers' sign for a character that is not in the set


def read_file(path: Path, source: SourceConfig) -> Iterator[Item]:
    """One document, or a Skip when header or colophon says that the copyright persists."""
    text = decoded(read_bytes(path), path, source.lang)
    header, body, colophon = parts(text)
    if _COPYRIGHT.search(header) or _COPYRIGHT.search(colophon):
        yield Skip(header[:200], "copyright", "header or colophon says that the copyright persists")
    else:
        yield clean(body)


def parts(text: str) -> tuple[str, str, str]:
    """(header, body, colophon) of a file. The header has title, author and the block between dashed lines."""
    lines = text.split("\n")
    start = _body_start(lines)
    body = "\n".join(lines[start:])
    found = list(_COLOPHON.finditer(body))
    end = found[0].start() if found else len(body)
    if len(found) > 1 and "底本の親本" not in found[1][0]:
        end = found[-1].start()  # the work itself speaks of a 底本
    return "\n".join(lines[:start]), _without_endnotes(body[:end]), body[end:]


def _body_start(lines: list[str]) -> int:
    head = lines[:_HEADER_LINES]
    rules = [number for number, line in enumerate(head) if _RULE.fullmatch(line)]
    heading = next((number for number, line in enumerate(head) if line.strip() in _HEADINGS), None)
    if heading is not None:
        after = [number for number in rules if number > heading]
        if after:
            return after[0] + 1
    if len(rules) > 1 and _names_a_work(head[: rules[0]]):
        return rules[1] + 1
    blank = next((number for number, line in enumerate(head) if not line.strip()), None)
    return blank + 1 if blank is not None and _names_a_work(head[:blank]) else 0


def _names_a_work(lines: list[str]) -> bool:
    """Whether these lines are title, author and the like, not the text of a file that has no header."""
    return len(lines) <= _NAMES and not any(line.startswith("　") or _SENTENCE.search(line) for line in lines)


def _without_endnotes(body: str) -> str:
    """Old files end in a block of the typist's notes between two dashed lines."""
    lines = body.rstrip().split("\n")
    rules = [number for number, line in enumerate(lines) if _RULE.fullmatch(line)]
    if len(rules) > 1 and rules[-1] == len(lines) - 1 and "入力者" in lines[rules[-2] + 1]:
        return "\n".join(lines[: rules[-2]])
    return body


def clean(body: str) -> str:
    """The body as a reader sees it, without ruby.

    >>> clean("皆｜頸《くび》を※［＃「靈」の「巫」に代えて「女」、第3水準1-47-53］へ［＃「へ」に傍点］。いろ／＼")
    '皆頸を孁へ。いろ〳〵'
    """
    text = _RUBY.sub("", body).replace("｜", "")
    text = _GAIJI.sub(_character, text)
    text = _ALONE.sub("", text)
    while _NOTE.search(text):  # notes may stand inside notes
        text = _NOTE.sub("", text)
    text = _FOOTNOTE.sub("", text)
    text = text.replace("／″＼", "〴〵").replace("／＼", "〳〵")
    return _ACCENTED.sub(_with_accents, text)


def _character(match: re.Match[str]) -> str:
    """The character that a gaiji note describes, by its JIS X 0213 or Unicode number; else 〓."""
    note = match[1]
    if found := _UNICODE.search(note):
        return chr(int(found[1], 16))
    if found := _MENKUTEN.search(note):
        plane, row, cell = (int(number) for number in found.groups())
        if row > 94 or cell > 94:
            return MISSING
        code = (b"\x8f" if plane == 2 else b"") + bytes((0xA0 + row, 0xA0 + cell))
        return code.decode("euc_jis_2004", errors="replace").replace("\ufffd", MISSING)
    return MISSING


def _with_accents(match: re.Match[str]) -> str:
    """〔fiance'〕 -> fiancé; brackets without such a mark stay."""
    text = match[1]
    for written, ligature in _LIGATURES.items():
        text = text.replace(written, ligature)
    text = _ACCENT.sub(lambda pair: unicodedata.normalize("NFC", pair[0][0] + _MARKS[pair[0][1]]), text)
    return text if text != match[1] else match[0]
