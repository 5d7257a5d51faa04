"""Downloads: whole or not there, resumed where they broke, and what they must be."""

import hashlib
import os
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path

import pytest
from huggingface_hub import constants
from huggingface_hub.utils import filter_repo_objects
from rich.console import Console

from lilm.cache import pip_download
from lilm.download import cached_path, download
from lilm.errors import LilmError
from lilm.hub import download_model
from lilm.progress import Reporter
from lilm.train.base.stage import FETCHED

DATA = os.urandom(3 << 20)


class Server(ThreadingHTTPServer):
    """Serves `data`; its first answer ends after `cut` bytes. asked: each request's Range. knows_if_range: else it
    sends the rest of whatever file it has now."""

    cut = 0
    etag = '"one"'
    data = DATA
    tells_length = True
    knows_if_range = True

    def __init__(self) -> None:
        self.asked: list[str | None] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/models/a%20model.gguf"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append(wanted)
        data = self.server.data
        resumes = wanted is not None and (
            self.headers.get("If-Range") == self.server.etag or not self.server.knows_if_range
        )
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and resumes else 0
        if start >= len(data):
            self.send_error(416)
            return
        self.send_response(206 if resumes else 200)
        if self.server.tells_length:
            self.send_header("Content-Length", str(len(data) - start))
        self.send_header("ETag", self.server.etag)
        if resumes:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        end = self.server.cut or len(data)
        self.server.cut = 0
        self.wfile.write(data[start:end])

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("LILM_CACHE", str(tmp_path / "cache"))
    with Server() as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()


def test_once_is_enough(server: Server, reporter: Reporter) -> None:
    first = download(server.url, hashlib.sha256(DATA).hexdigest(), reporter)
    assert first.read_bytes() == DATA and first.name == "a model.gguf" and first == cached_path(server.url)
    assert download(server.url, "", reporter) == first and server.asked == [None]
    assert [path.name for path in first.parent.iterdir()] == ["a model.gguf"]


@pytest.mark.parametrize("changed", [False, True])
def test_goes_on_where_it_broke_unless_the_file_is_another(server: Server, reporter: Reporter, changed: bool) -> None:
    server.cut = 1 << 20
    with pytest.raises(LilmError, match=r"cannot download .*run again"):
        download(server.url, "", reporter)
    assert not cached_path(server.url).exists()
    server.etag = '"two"' if changed else server.etag
    assert download(server.url, "", reporter).read_bytes() == DATA
    assert server.asked == [None, f"bytes={1 << 20}-"]


def test_a_server_that_does_not_say_how_long_the_file_is(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is fetched, and nothing is said of what is left."""
    server.tells_length = False
    monkeypatch.setattr("lilm.progress.LOG_SECONDS", 0.0)
    said = Console(file=StringIO(), width=200)
    assert download(server.url, "", Reporter(said)).read_bytes() == DATA
    lines = said.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert re.fullmatch(r"  download MB \d+ · 0:0\d spent", lines[-1]), lines


def broken_off(server: Server, reporter: Reporter) -> Path:
    """The unfinished file of a download that ended early."""
    server.cut = 1 << 20
    with pytest.raises(LilmError):
        download(server.url, "", reporter)
    return cached_path(server.url).with_name("a model.gguf.part")


def test_a_server_that_sends_the_rest_of_another_file(server: Server, reporter: Reporter) -> None:
    broken_off(server, reporter)
    server.etag, server.data, server.knows_if_range = '"two"', os.urandom(3 << 20), False
    assert download(server.url, "", reporter).read_bytes() == server.data
    assert server.asked == [None, f"bytes={1 << 20}-", None]


def test_killed_when_all_bytes_had_come(server: Server, reporter: Reporter) -> None:
    """Its hash of gigabytes takes seconds: there is nothing after the last byte that the server could send."""
    part = broken_off(server, reporter)
    part.write_bytes(DATA)
    assert download(server.url, hashlib.sha256(DATA).hexdigest(), reporter).read_bytes() == DATA
    assert server.asked == [None]


def test_more_bytes_than_the_server_has(server: Server, reporter: Reporter) -> None:
    part = broken_off(server, reporter)
    part.write_bytes(DATA + b"more")
    assert download(server.url, "", reporter).read_bytes() == DATA


def test_another_file_than_the_recipe_says(server: Server, reporter: Reporter) -> None:
    with pytest.raises(LilmError, match=r"sha256 is .* expected 0000"):
        download(server.url, "0" * 64, reporter)
    assert list(cached_path(server.url).parent.glob("*.gguf*")) == []


def test_nobody_there(server: Server, reporter: Reporter) -> None:
    server.shutdown()
    server.server_close()
    with pytest.raises(LilmError, match="cannot download"):
        download(server.url, "", reporter)


def test_pip_without_an_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(LilmError, match=r"pip cannot download no_such-1\.whl .* connect to the package index"):
        pip_download("no-such-package-of-lilm", "1", tmp_path / "models" / "no_such-1.whl")
    assert list((tmp_path / "models").iterdir()) == []


@pytest.mark.parametrize("repo", ["https://huggingface.co/owner/name", "two words/name", "-"])
def test_a_name_that_the_hub_cannot_have(repo: str) -> None:
    with pytest.raises(LilmError, match=r"no name of a model \(.* — give OWNER/NAME"):
        download_model(repo, "main", ["config.json"])


def test_weights_in_folders_of_a_model_are_not_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    has = ("config.json", "model.safetensors", "checkpoint-100/model.safetensors", "onnx/config.json", "model.onnx")
    fetched: list[str] = []

    def snapshot(repo: str, *, revision: str, allow_patterns: list[str], ignore_patterns: str | None = None) -> str:
        chosen = filter_repo_objects(has, allow_patterns=allow_patterns, ignore_patterns=ignore_patterns)
        fetched.extend(map(str, chosen))
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    download_model("owner/name", "main", FETCHED)
    assert fetched == ["config.json", "model.safetensors"]


def test_a_hub_that_hangs_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def hang_up() -> None:
            with suppress(OSError):  # the test is over
                while True:
                    connection, _ = listening.accept()
                    connection.recv(1000)
                    connection.close()

        threading.Thread(target=hang_up, daemon=True).start()
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{listening.getsockname()[1]}")
        monkeypatch.setattr("huggingface_hub.hf_api.api.endpoint", constants.ENDPOINT)
        with pytest.raises(LilmError, match=r"owner/name@main: cannot download \(Server disconnected"):
            download_model("owner/name", "main", ["config.json"])
