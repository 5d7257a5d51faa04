"""Articles of a MediaWiki XML dump (pages-articles): namespace 0, no redirects, wikitext as plain text.

The format: https://www.mediawiki.org/xml/export-0.11.xsd
"""

import io
from collections.abc import Iterator
from pathlib import Path

from lxml import etree

from lilm.recipe import SourceConfig
from lilm.train.corpus.sources.base import Damaged, Item, identified
from lilm.train.corpus.sources.compressed import CHUNK
from lilm.train.corpus.sources.files import opened
from lilm.train.corpus.sources.wikitext import plain_text

NO_TEXT = ("-2", "6", "14")  # namespaces whose links show none: media, files, categories
ALIASES = frozenset(("media", "file", "image", "category", "画像"))  # that the dump does not name
FETCH = "fetch the file again"


def read_file(path: Path, source: SourceConfig) -> Iterator[Item]:
    """One text per article, with its page's id. Raises Damaged when it is no dump, or where it is broken or cut."""
    dropped = ALIASES
    with opened(path) as stream:
        for name, element in _elements(stream, path):
            if name == "namespace":
                if element.get("key") in NO_TEXT:
                    dropped |= {(element.text or "").lower()}
                continue
            if element.findtext("{*}ns", "0") == "0" and element.find("{*}redirect") is None:
                revisions = element.findall("{*}revision/{*}text")  # the newest stands last in a dump with history
                text = plain_text((revisions[-1].text if revisions else "") or "", dropped)
                if text:
                    page = element.findtext("{*}id") if source.id_field else None
                    yield identified(text, page, f"{path}, page with id {page}")


def _elements(stream: io.BufferedReader, path: Path) -> Iterator[tuple[str, etree._Element]]:
    """Each finished <namespace> and <page>; a page is forgotten when the next one is asked for."""
    head = stream.peek(CHUNK)
    if head and b"<mediawiki" not in head:
        raise Damaged(str(path), "no MediaWiki dump (no <mediawiki> at its beginning)", "set another `format`")
    pages = 0
    events = etree.iterparse(
        stream, tag=("{*}namespace", "{*}page"), resolve_entities=False, no_network=True, huge_tree=True
    )
    try:
        for _, element in events:
            name = element.tag.rpartition("}")[2]  # etree.QName refuses a namespace that is no address
            yield name, element
            if name == "page":
                pages += 1
                element.clear()
                while element.getprevious() is not None:
                    del element.getparent()[0]
    except etree.XMLSyntaxError as error:
        raise Damaged(f"{path}, after page {pages}", f"broken or cut short ({error.msg})", FETCH) from error
