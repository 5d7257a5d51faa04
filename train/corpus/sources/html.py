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

PAGE_LIMIT = 4 * MB  # bytes; the tree of a page takes a hundred times as much memory at worst
_CHARSET = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([A-Za-z0-9_-]+)""")
# trafilatura drops the text of inline elements that it does not know.
INLINE = ("time", "abbr", "bdi", "bdo", "data", "dfn", "wbr", "small", "var", "samp")
CODE = ("pre",)


def read_file(path: Path, source: SourceConfig) -> Iterator[Item]:
    """The main text, or a Skip. Raises Damaged for bytes that fit no encoding, neither declared nor detected."""
    with opened(path) as stream:
        data = stream.read(PAGE_LIMIT + 1)
    try:
        yield page_text(data, source.lang)
    except Undecodable as error:
        raise Damaged(f"{path}@{error.position}", error.what, error.remedy) from error


def page_text(data: bytes, lang: str, charset: str = "") -> str | Skip:
    """A page's main text, or a Skip when it has none or is larger than PAGE_LIMIT. Raises Undecodable.

    charset: what the server said.
    """
    if len(data) > PAGE_LIMIT:
        return Skip(data[:200].decode("utf-8", errors="replace"), "page_size", f"more than {PAGE_LIMIT / MB:g} MB")
    page = decode_page(data, lang, charset)
    return main_text(page) or Skip(page[:200], "no_main_text", "trafilatura found none")


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
    etree.strip_elements(tree, *CODE, with_tail=False)
    etree.strip_tags(tree, *INLINE)
    for signature in tree.xpath("//blockquote//footer"):  # of a quoted letter, not of the page
        signature.drop_tag()
    return trafilatura.extract(tree, include_comments=False, include_tables=False, favor_recall=True) or ""
