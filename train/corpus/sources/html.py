"""Main text of HTML pages, by trafilatura; navigation, code blocks and comments are left out."""

import re
from collections.abc import Iterator
from pathlib import Path

import trafilatura
from lxml import etree

from lilm.recipe import SourceConfig
from lilm.train.corpus.sources.base import Item, Skip
from lilm.train.corpus.sources.decoding import decode, decode_as
from lilm.train.corpus.sources.files import read_bytes

_CHARSET = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([A-Za-z0-9_-]+)""")
# trafilatura drops the text of inline elements that it does not know.
INLINE = ("time", "abbr", "bdi", "bdo", "data", "dfn", "wbr", "small", "var", "samp")
CODE = ("pre",)


def read_file(path: Path, source: SourceConfig) -> Iterator[Item]:
    """Raises LilmError for bytes that do not fit the declared (else the detected) encoding."""
    data = read_bytes(path)
    text = main_text(_decoded(data, path, source.lang))
    yield text or Skip(data[:200].decode("utf-8", errors="replace"), "no_main_text", "trafilatura found none")


def _decoded(data: bytes, path: Path, lang: str) -> str:
    declared = _CHARSET.search(data[:2048])
    if declared:
        try:
            return decode_as(data, declared[1].decode("ascii"), path)
        except LookupError:  # a name that Python does not know
            pass
    return decode(data, path, lang)


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
