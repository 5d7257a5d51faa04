"""The site as an ASGI application: cross-origin isolation, byte ranges, ETags, no way out of the folder."""

import os
import re
from collections.abc import Collection, Iterable
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from lilm.demo.middleware import OursOnly, WithHeaders

# Python asks the machine for these, and machines differ. Browsers refuse scripts of another type.
TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
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
}
CHUNK_BYTES = 1 << 20  # each costs a change of threads: with Starlette's 64 KiB a model takes ten times as long
ONE_RANGE = re.compile(rb"bytes=(?:(\d{1,18})-(\d{0,18})|-\d{1,18})")


def site_app(root: Path, names: Collection[str], routes: Iterable[BaseRoute] = ()) -> Starlette:
    """Serves the files of `root` to those who ask by one of `names` (see `lilm.demo.hosts`); `routes` go first."""
    return Starlette(
        routes=[*routes, Mount("/", SiteFiles(directory=root, html=True))],
        middleware=[Middleware(WithHeaders, fields=HEADERS), Middleware(OursOnly, names=names)],
    )


class SiteFiles(StaticFiles):
    """StaticFiles with the types of `TYPES`, and which ignores the ranges that RFC 9110 has a server ignore: Starlette
    answers 400 to them."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        scope["headers"] = [one for one in scope["headers"] if one[0] != b"range" or is_one_range(one[1])]
        return await super().get_response(path, scope)

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        if isinstance(response, FileResponse):  # and not 304
            response.chunk_size = CHUNK_BYTES
            response.headers["Content-Type"] = TYPES.get(Path(full_path).suffix, response.headers["Content-Type"])
        return response


def is_one_range(header: bytes) -> bool:
    """Whether a `Range` header asks for one range of bytes, not ending before it begins. Several, which a server may
    ignore, would only make downloads that the page does not know."""
    match = ONE_RANGE.fullmatch(header.strip())
    return match is not None and not (match[1] and match[2] and int(match[2]) < int(match[1]))
