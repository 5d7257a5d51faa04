"""Pages out of Debian's packages, each with its English original.

What is not translated stands in English among the rest; a line is left out when it is one of the English page's.
"""

import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lilm.errors import LilmError
from lilm.train.languages.debian import WHERE, read_files
from lilm.train.languages.sources import Form, Language, Source

BLOCKS = frozenset(("p", "h1", "h2", "h3", "h4", "h5", "h6", "title", "td", "th", "li", "desc", "para"))
CODE = frozenset(("code", "screen", "pre", "bug", "programlisting"))  # elements, or classes of LibreOffice's elements
MESSAGES, SENTENCE = 15, 30  # messages of a page, in the order of the file; characters of one that is a sentence
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True)
class Page:
    """original: the same lines in English; of English itself "" and line ends."""

    text: str
    original: str


def read_pages(language: Language, debs: Mapping[str, Path]) -> list[Page]:
    """The language's pages. debs: packages by name. Raises LilmError when there is none in them, or one is broken."""
    pages = [page for source in language.sources for page in _pages(source, debs)]
    if not pages:
        raise LilmError(f"no text of language {language.code!r} in the packages", where=WHERE, remedy="leave it out")
    return pages


def _pages(source: Source, debs: Mapping[str, Path]) -> Iterator[Page]:
    if source.form == "messages":
        yield from _message_pages(debs[source.package], source.files)
        return
    found = _lines(source, debs)
    originals = _lines(source.original, debs) if source.original else {}
    for name in sorted(found):
        lines = _translated(found[name], originals.get(name, []))
        if len(lines) > 1:
            yield Page("\n".join(lines), "\n".join(lines.values()))


def _translated(lines: Sequence[str], original: Sequence[str]) -> dict[str, str]:
    """The lines that are not English, each once, with the English line in the same place; where the pages differ in
    what they have, with nothing, and the whole English page behind the first."""
    known = set(original)
    if len(lines) == len(original):
        pairs = dict(zip(lines, original, strict=True))
        return {line: other for line, other in pairs.items() if line not in known}
    kept = [line for line in dict.fromkeys(lines) if line not in known]
    return dict.fromkeys(kept, "") | ({kept[0]: "\n".join(original)} if kept else {})


def _lines(source: Source, debs: Mapping[str, Path]) -> dict[str, list[str]]:
    """Lines of each page, by its name."""
    read = _READERS[source.form]
    return {name: read(content) for name, content in read_files(debs[source.package], source.files)}


def _help(content: bytes) -> list[str]:
    from lxml import html

    shown = html.document_fromstring(content.decode("utf-8")).get_element_by_id("DisplayArea", None)
    return [] if shown is None else _blocks(shown)


def _handbook(content: bytes) -> list[str]:
    from lxml import html

    body = html.document_fromstring(content)
    for block in body.iter("div"):
        if block.get("class") == "para":
            block.tag = "para"
    return [line for line in _blocks(body) if len(line) >= SENTENCE]  # the others are links and headings


def _xml(content: bytes) -> list[str]:
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, recover=True)
    root = etree.fromstring(content, parser)
    return [] if root is None else _blocks(root)


_READERS: dict[Form, Callable[[bytes], list[str]]] = {
    "help": _help,
    "mallard": _xml,
    "docbook": _xml,
    "handbook": _handbook,
}


def _blocks(root: Any) -> list[str]:
    """Text of the blocks that have no block inside, in order, without code."""
    lines = []
    for block in root.iter("{*}*", "*"):
        if _name(block) not in BLOCKS:
            continue
        whole = list(block.iter())
        if any(_name(one) in BLOCKS for one in whole[1:]) or any(map(_is_code, whole)):
            continue
        if line := _SPACE.sub(" ", "".join(block.itertext())).strip():
            lines.append(line)
    return lines


def _name(element: Any) -> str:
    """Its tag without a namespace; "" of a comment."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _is_code(element: Any) -> bool:
    return _name(element) in CODE or element.get("class") in CODE


def _message_pages(deb: Path, files: str) -> Iterator[Page]:
    """Sentences that a program says, MESSAGES in a row as one page."""
    for name, content in sorted(read_files(deb, files)):
        said = [(text, original) for text, original in _messages(name, content, deb) if len(text) >= SENTENCE]
        for at in range(0, len(said), MESSAGES):
            page, originals = zip(*said[at : at + MESSAGES], strict=True)
            yield Page("\n".join(page), "\n".join(originals))


def _messages(name: str, content: bytes, deb: Path) -> Iterator[tuple[str, str]]:
    """(message, its English), each once."""
    import gettext

    try:
        catalogue: dict[Any, Any] = gettext.GNUTranslations(io.BytesIO(content))._catalog  # type: ignore[attr-defined]
    except (OSError, ValueError) as error:
        raise LilmError(
            f"{name} is no catalogue ({error})", where=str(deb), remedy="delete it and start again"
        ) from error
    seen: set[str] = set()
    for key, value in catalogue.items():
        if isinstance(key, str) and isinstance(value, str) and key:  # plural forms have other keys, the header has ""
            original, text = (_SPACE.sub(" ", one).strip() for one in (key.rpartition("\x04")[2], value))
            if text != original and text not in seen:
                seen.add(text)
                yield text, original
