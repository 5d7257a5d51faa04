"""An HTTP/1 response out of its bytes, as archives keep it (RFC 9112): status, type, and the body unpacked.

Archives often keep the headers of an encoding that they have taken off already; such a body is taken as it is.
"""

import re
import zlib
from typing import NamedTuple

from lilm.train.corpus.sources.decoding import Undecodable
from lilm.train.corpus.sources.html import PAGE_LIMIT

_HEAD_END = re.compile(rb"\r?\n\r?\n")
_STATUS = re.compile(rb"HTTP/\d(?:\.\d)?[ \t]+(\d{3})")
_CHARSET = re.compile(r"""charset\s*=\s*["']?\s*([A-Za-z0-9_-]+)""", re.IGNORECASE)
_CHUNK_SIZE = re.compile(rb"(?:\r?\n)?[ \t]*([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r?\n")
_WINDOW_BITS = {b"\x1f\x8b": 31, b"\x78\x01": 15, b"\x78\x5e": 15, b"\x78\x9c": 15, b"\x78\xda": 15}  # gzip, zlib
HTML = ("text/html", "application/xhtml+xml")


class Response(NamedTuple):
    """status: 0 when there is no HTTP in the block. charset: "" when the headers name none."""

    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def is_page(self) -> bool:
        return self.status == 200 and self.headers.get("content-type", "").lower().startswith(HTML)

    @property
    def charset(self) -> str:
        found = _CHARSET.search(self.headers.get("content-type", ""))
        return found[1] if found else ""

    def body(self) -> bytes:
        """Without transfer and content encoding; not much more than PAGE_LIMIT. Raises Undecodable."""
        data = self.raw
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            data = _joined(data)
        encoding = self.headers.get("content-encoding", "").strip().lower()
        return data if encoding in ("", "identity") else _inflated(data, encoding)


def parse_response(block: bytes) -> Response:
    head, status = _HEAD_END.search(block), _STATUS.match(block)
    if head is None or status is None:
        return Response(0, {}, b"")
    headers = {}
    for line in block[: head.start()].decode("latin-1").splitlines()[1:]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return Response(int(status[1]), headers, block[head.end() :])


def _joined(data: bytes) -> bytes:
    """The chunks of a chunked body."""
    joined, at = bytearray(), 0
    while len(joined) <= PAGE_LIMIT:
        size = _CHUNK_SIZE.match(data, at)
        if size is None:
            if at == 0:
                return data
            raise Undecodable(at, "broken chunk in the HTTP body", "")
        at = size.end() + int(size[1], 16)
        if at == size.end():
            break
        if at > len(data):
            raise Undecodable(len(data), "HTTP body cut short", "")
        joined += data[size.end() : at]
    return bytes(joined)


def _inflated(data: bytes, encoding: str) -> bytes:
    """The content of a compressed body."""
    if data.lstrip()[:1] == b"<":
        return data
    bits = _WINDOW_BITS.get(data[:2])
    if bits is None:
        raise Undecodable(0, f"content encoding {encoding!r}", "")
    unpacker = zlib.decompressobj(bits)
    try:
        content = unpacker.decompress(data, PAGE_LIMIT + 1)
    except zlib.error as error:
        raise Undecodable(0, f"content encoding {encoding!r} broken ({error})", "") from error
    if len(content) <= PAGE_LIMIT and not unpacker.eof:
        raise Undecodable(len(content), "HTTP body cut short", "")
    return content
