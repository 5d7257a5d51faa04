"""Main text of HTML pages, by trafilatura; navigation, code blocks and comments are left out."""

import re
from collections.abc import Iterator
from pathlib import Path

import trafilatura
from lxml import etree

from lilm.recipe import SourceConfig
from lilm.train.corpus.sources.base import MB, Damaged, Item, Skip
from lilm.train.corpus.sources.decoding import Undecodable, decode, decode_as
from lilm.train.corpus.sources.files import opened
from lilm.train.corpus.sources.superscripts import raised

PAGE_LIMIT = 4 * MB  # bytes; the tree of a page takes a hundred times as much memory at worst
TAG_LIMIT = 100_000  # of a page, end tags too; trafilatura takes a fifth of a millisecond for each
ATTRIBUTE_LIMIT = 1_000  # of a tag; the parser compares each with all others
_LONG_TAG = re.compile(rf"<[A-Za-z][^<>]{{{2 * ATTRIBUTE_LIMIT},}}")
_VALUE = re.compile(r""""[^"]*"|'[^']*'""")
_CHARSET = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([A-Za-z0-9_-]+)""")
# trafilatura drops the text of inline elements that it does not know.
INLINE = ("time", "abbr", "bdi", "bdo", "data", "dfn", "wbr", "small", "var", "samp")
CODE = ("pre",)
READINGS = ("rt", "rp", "rtc")  # of ruby: they stand over the text, not in it
RUBY = ("ruby", "rb")


def read_file(path: Path, source: SourceConfig) -> Iterator[Item]:
    """The main text, or a Skip. Raises Damaged for bytes that fit no encoding, neither declared nor detected."""
    with opened(path) as stream:
        data = stream.read(PAGE_LIMIT + 1)
    try:
        yield page_text(data, source.lang)
    except Undecodable as error:
        raise Damaged(f"{path}@{error.position}", error.what, error.remedy) from error


def page_text(data: bytes, lang: str, charset: str = "") -> str | Skip:
    """A page's main text, or a Skip when it has none or is larger than the limits. Raises Undecodable.

    charset: what the server said.
    """
    if len(data) > PAGE_LIMIT:
        return Skip(data[:200].decode("utf-8", errors="replace"), "page_size", f"more than {PAGE_LIMIT / MB:g} MB")
    page = decode_page(data, lang, charset)
    if too_much := _too_much(page):
        return Skip(page[:200], "page_size", too_much)
    return main_text(page) or Skip(page[:200], "no_main_text", "trafilatura found none")


def _too_much(page: str) -> str:
    """What the page has too much of; "" for a page like others."""
    if page.count("<") > TAG_LIMIT:
        return f"more than {TAG_LIMIT} tags"
    for tag in _LONG_TAG.finditer(page):
        if len(_VALUE.sub("", tag[0]).split()) > ATTRIBUTE_LIMIT:
            return f"a tag of more than {ATTRIBUTE_LIMIT} attributes"
    return ""


def decode_page(data: bytes, lang: str, charset: str = "") -> str:
    """UTF-8 when it fits, for servers and pages err; else as the server or the page says; else what is detected.

    Raises Undecodable when nothing fits.
    """
    try:
        return decode(data, lang="")
    except Undecodable:
        in_page = _CHARSET.search(data[:2048])
    for declared in (charset, in_page[1].decode("ascii") if in_page else ""):
        try:
            return decode_as(data, declared)
        except (LookupError, Undecodable):
            continue
    return decode(data, lang)


def main_text(html: str) -> str:
    """Paragraphs of the page's main text, one a line; "" when there is none."""
    tree = trafilatura.load_html(html)
    if tree is None:
        return ""
    _tidy_ruby(tree)
    etree.strip_elements(tree, *CODE, *READINGS, with_tail=False)
    etree.strip_tags(tree, *INLINE, *RUBY)
    for exponent in tree.iter("sup"):
        _raise(exponent)
    for signature in tree.xpath("//blockquote//footer"):  # of a quoted letter, not of the page
        signature.drop_tag()
    return trafilatura.extract(tree, include_comments=False, include_tables=False, favor_recall=True) or ""


def _tidy_ruby(tree: etree._Element) -> None:
    """Takes each rb out of the rt or rp before it, whose end tags pages leave out and the parser does not know; and
    away the line breaks between ruby's elements, which stand in the source only."""
    for base in reversed(tree.xpath("//rt//rb | //rp//rb")):
        base.xpath("ancestor::*[self::rt or self::rp]")[0].addnext(base)
    for ruby in tree.iter("ruby"):
        for element in ruby.iter():
            element.text = _without_break(element.text)
            if element is not ruby:
                element.tail = _without_break(element.tail)


def _without_break(text: str | None) -> str | None:
    return None if text and "\n" in text and not text.strip() else text


def _raise(exponent: etree._Element) -> None:
    """Puts an exponent's characters into the text."""
    text = "".join(exponent.itertext())
    if (high := raised(text)) != text:
        del exponent[:]
        exponent.text = high
