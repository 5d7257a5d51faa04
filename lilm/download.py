"""A file by its address: resumed after a broken connection, its hash checked, whole or not there."""

import http.client
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from lilm.cache import cache_dir, check_sha256
from lilm.errors import LilmError
from lilm.pipeline.hashing import sha256_json, write_json
from lilm.progress import Reporter

CHUNK = 1 << 20
TIMEOUT = 60.0  # seconds without a byte
_RANGE = re.compile(r"bytes (\d+)-")


def cached_path(url: str) -> Path:
    """Where `url` lies in the cache once it is fetched."""
    name = Path(urllib.parse.unquote(urllib.parse.urlsplit(url).path)).name or "file"
    return cache_dir() / "downloads" / sha256_json(url)[:16] / name


def download(url: str, sha256: str, reporter: Reporter) -> Path:
    """The file at `url`, from the cache or the network. sha256: what it must be; empty: anything.

    What came before the connection broke is kept, and the next try asks for the rest, if the server still has the same
    file. Raises LilmError when the server says no, the connection breaks, or the file is another one.
    """
    target = cached_path(url)
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(target.name + ".part")
        try:
            _fetch(url, part, reporter)
        except (OSError, http.client.HTTPException) as error:  # urllib's errors are OSErrors
            raise LilmError(
                f"cannot download ({error})",
                where=url,
                remedy="check the address and the connection, then run again (it goes on where it stopped)",
            ) from error
        if sha256:
            try:
                check_sha256(part, sha256)
            except LilmError:
                part.unlink()  # going on from it would end in the same
                _mark(part).unlink()
                raise
        part.replace(target)
        _mark(part).unlink(missing_ok=True)
    elif sha256:
        check_sha256(target, sha256)
    return target


def _mark(part: Path) -> Path:
    """Beside an unfinished file: which version of it the server sent, and its bytes (0: it did not say)."""
    return part.with_name(part.name + ".json")


def _fetch(url: str, part: Path, reporter: Reporter) -> None:
    """Append to `part` what it lacks. Raises OSError when the connection ends before the file does."""
    mark = _mark(part)
    known = json.loads(mark.read_text(encoding="utf-8")) if mark.is_file() and part.is_file() else {}
    version = known.get("version", "")
    done = part.stat().st_size if version else 0
    if done and done == known.get("bytes"):
        return  # all of it had come when the process ended, and the server has no byte after it
    answer = (_rest(url, done, version) if done else None) or _asked(url, {})
    with answer:
        if answer.status != http.client.PARTIAL_CONTENT:
            part.unlink(missing_ok=True)  # before its mark says anything of another version
            done, version = 0, ""
        left = answer.headers.get("Content-Length")
        total = done + int(left) if left is not None else 0
        write_json(mark, {"version": _version(answer) or version, "bytes": total})
        with (
            part.open("ab" if done else "wb") as out,
            reporter.bar("download MB", total // CHUNK if total else None, done // CHUNK) as bar,
        ):
            _copy(answer, out, bar, done)
    if total and part.stat().st_size != total:
        raise OSError(f"it ended after {part.stat().st_size:,} of {total:,} bytes")


def _asked(url: str, headers: dict[str, str]) -> Any:
    request = urllib.request.Request(url, headers={"User-Agent": "lilm", **headers})  # noqa: S310 - the recipe has https
    return urllib.request.urlopen(request, timeout=TIMEOUT)  # noqa: S310


def _rest(url: str, done: int, version: str) -> Any:
    """The server's answer: what comes after `done` bytes of `version`, or a whole file; None where it has no such rest,
    or sends that of another version, as not all know If-Range."""
    try:
        answer = _asked(url, {"Range": f"bytes={done}-", "If-Range": version})
    except urllib.error.HTTPError as error:
        if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        return None
    found = _RANGE.match(answer.headers.get("Content-Range") or "")
    goes_on = _version(answer) in ("", version) and (found is None or int(found[1]) == done)
    if answer.status == http.client.PARTIAL_CONTENT and not goes_on:
        answer.close()
        return None
    return answer


def _version(answer: Any) -> str:
    return answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""


def _copy(answer: Any, out: Any, bar: Any, done: int) -> None:
    while chunk := answer.read(CHUNK):
        out.write(chunk)
        before, done = done, done + len(chunk)
        bar.advance(done // CHUNK - before // CHUNK)
