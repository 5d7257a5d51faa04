"""Pages of a web archive: the main text of every HTTP response that has status 200 and is HTML.

The format: ISO 28500, https://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/
It is read here because FastWARC 2 takes an archive that was cut short, or is broken inside its gzip, for a whole one.
"""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from lilm.recipe import SourceConfig
from lilm.train.corpus.sources.base import Damaged, Item, Skip
from lilm.train.corpus.sources.compressed import CHUNK
from lilm.train.corpus.sources.decoding import Undecodable
from lilm.train.corpus.sources.files import opened
from lilm.train.corpus.sources.html import PAGE_LIMIT, page_text
from lilm.train.corpus.sources.http_response import parse_response

HEAD_LINE = 1 << 16  # bytes of one header line
HEAD_LINES = 1_000
LENGTH = re.compile("[0-9]{1,18}")
BLOCK = 2 * PAGE_LIMIT  # bytes of a record that are kept
FETCH = "fetch the file again"


class WarcRecord(NamedTuple):
    """where: path and record id. kind: WARC-Type. block: the first BLOCK bytes of its content."""

    where: str
    kind: str
    block: bytes


def read_file(path: Path, source: SourceConfig) -> Iterator[Item]:
    """The main text of each page, or a Skip when it has none, is too large, or its encoding is broken: on the web that
    is too common to count as damage. Raises Damaged where a record is broken or cut short."""
    with opened(path) as stream:
        for where, kind, block in records(stream, path):
            if kind != "response":
                continue
            response = parse_response(block)
            if not response.is_page:
                continue
            try:
                yield page_text(response.body(), source.lang, response.charset)
            except Undecodable as error:
                yield Skip(block[:200].decode("utf-8", errors="replace"), "undecodable_page", f"{where}: {error.what}")


def records(stream: io.BufferedReader, path: Path) -> Iterator[WarcRecord]:
    """All records in order. Raises Damaged at path@byte, or naming the record."""
    position = 0
    while line := stream.readline(HEAD_LINE):
        start = position
        position += len(line)
        if not line.strip():
            continue
        if not line.startswith(b"WARC/"):
            raise Damaged(f"{path}@{start}", "no WARC record begins here", FETCH)
        fields, size = _header(stream, f"{path}@{start}")
        where = f"{path}, record {fields.get('warc-record-id', f'@{start}')[:200]}"
        written = fields.get("content-length", "missing")
        if not LENGTH.fullmatch(written):
            raise Damaged(where, f"Content-Length is {written[:80]}", FETCH)
        length = int(written)
        block = stream.read(min(length, BLOCK))
        passed = len(block)
        while passed < length and (more := stream.read(min(length - passed, CHUNK))):
            passed += len(more)
        if passed < length:
            raise Damaged(where, f"cut short: {passed} of {length} bytes", FETCH)
        position += size + length
        yield WarcRecord(where, fields.get("warc-type", ""), block)


def _header(stream: io.BufferedReader, where: str) -> tuple[dict[str, str], int]:
    """The fields by lower-case name, and how many bytes they take. Raises Damaged."""
    fields: dict[str, str] = {}
    size = 0
    for _ in range(HEAD_LINES):
        line = stream.readline(HEAD_LINE)
        size += len(line)
        if not line.endswith(b"\n"):
            break
        if not line.strip():
            return fields, size
        name, _, value = line.decode("utf-8", errors="replace").partition(":")
        fields[name.strip().lower()] = value.strip()
    raise Damaged(where, "the record's header has no end", FETCH)
