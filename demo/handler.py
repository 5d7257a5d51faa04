"""Answers GET and HEAD for one folder's files: cross-origin isolation, byte ranges, ETags, no way out of the folder."""

import re
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lilm.demo.hosts import LOCAL, is_for_us, names_of

MIME = {
    ".css": "text/css; charset=utf-8",
    ".gguf": "application/octet-stream",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
}
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",  # these two make the page cross-origin isolated,
    "Cross-Origin-Embedder-Policy": "require-corp",  # without which it gets no shared memory and so no threads
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # kept, but asked for by ETag each time
    "Accept-Ranges": "bytes",
}
ONE_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
ETAG = re.compile(r'"[^"]*"|\*')


def find_file(root: Path, target: str) -> Path | None:
    """The file that the request target names; a folder's is its index.html. None for all outside `root`."""
    try:
        name = unquote(urlsplit(target).path, errors="strict")
        path = (root / name.lstrip("/")).resolve()
        if path.is_dir():
            path /= "index.html"
        inside = path.is_relative_to(root)
        return path if inside and path.is_file() else None
    except (ValueError, OSError):  # not UTF-8, a NUL in it, too long
        return None


def find_range(header: str, size: int) -> tuple[int, int] | None:
    """First byte and length of a `Range` header; None when it is not one range of bytes (RFC 9110: then ignored).

    Raises ValueError when the range lies outside `size` bytes.
    """
    match = ONE_RANGE.fullmatch(header.strip())
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":
        count = min(int(match[2]), size)
        first, last = size - count, size - 1
    else:
        first, last = int(match[1]), min(int(match[2]) if match[2] else size - 1, size - 1)
        if match[2] and int(match[2]) < first:
            return None
    if first > last:
        raise ValueError(f"range {header} of {size} bytes")
    return first, last - first + 1


class SiteHandler(BaseHTTPRequestHandler):
    """A subclass sets `root`, a resolved folder, and `names`, under which it is asked; see `lilm.demo.hosts`."""

    root: Path
    names: frozenset[str] = names_of(LOCAL[0])
    protocol_version = "HTTP/1.1"
    server_version = "lilm"
    sys_version = ""
    timeout = 120  # seconds an idle connection is kept

    def do_GET(self) -> None:
        try:
            self._answer(with_body=True)
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            self.close_connection = True  # the browser went away in the middle: its right

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, with_body: bool) -> None:
        if not is_for_us(self.headers.get("Host"), self.headers.get("Origin"), self.names):
            self._refuse(HTTPStatus.MISDIRECTED_REQUEST, with_body)
            return
        path = find_file(self.root, self.path)
        if path is None:
            self._refuse(HTTPStatus.NOT_FOUND, with_body)
            return
        with path.open("rb") as file:
            stat = path.stat()
            etag = f'"{stat.st_size:x}-{stat.st_mtime_ns:x}"'
            known = ETAG.findall(self.headers.get("If-None-Match", ""))
            if etag in known or "*" in known:
                self._head(HTTPStatus.NOT_MODIFIED, {"ETag": etag})
                return
            fields = {"Content-Type": MIME.get(path.suffix, "application/octet-stream"), "ETag": etag}
            fields["Last-Modified"] = formatdate(stat.st_mtime, usegmt=True)
            try:
                part = self._wanted_range(stat.st_size, etag, fields["Last-Modified"])
            except ValueError:
                self._refuse(
                    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, with_body, {"Content-Range": f"bytes */{stat.st_size}"}
                )
                return
            status, (first, count) = HTTPStatus.OK, (0, stat.st_size)
            if part is not None:
                status, (first, count) = HTTPStatus.PARTIAL_CONTENT, part
                fields["Content-Range"] = f"bytes {first}-{first + count - 1}/{stat.st_size}"
            self._head(status, {**fields, "Content-Length": str(count)})
            if with_body and count:
                self.wfile.flush()
                self.connection.sendfile(file, first, count)

    def _wanted_range(self, size: int, etag: str, modified: str) -> tuple[int, int] | None:
        header = self.headers.get("Range")
        if header is None or self.headers.get("If-Range", etag) not in (etag, modified):
            return None
        return find_range(header, size)

    def _refuse(self, status: HTTPStatus, with_body: bool, fields: dict[str, str] | None = None) -> None:
        body = f"{status.value} {status.phrase}\n".encode()
        length = {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(body))}
        self._head(status, {**length, **(fields or {})})
        if with_body:
            self.wfile.write(body)

    def _head(self, status: HTTPStatus, fields: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, **fields}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Silent: the terminal belongs to the address line."""
