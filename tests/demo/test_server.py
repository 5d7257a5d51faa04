"""The server gives a browser what threads and large downloads need, and nothing from outside the site."""

import http.client
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import pytest

from lilm.demo import serve as own_server
from lilm.demo.hosts import is_for_us, names_of
from lilm.demo.serve import site_server
from lilm.errors import LilmError


class Client:
    def __init__(self, url: str) -> None:
        self.host = url.removeprefix("http://").rstrip("/")

    def get(self, path: str, method: str = "GET", **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
        connection = http.client.HTTPConnection(self.host, timeout=10)
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return response, body


@pytest.fixture
def client(site: Path, serving: Callable[[Path], AbstractContextManager[str]]) -> Iterator[Client]:
    (site / "secret.txt").write_text("secret")
    (site / "site" / "link.txt").symlink_to(site / "secret.txt")
    (site / "site" / "models" / "letters.gguf").write_bytes(b"abcdefghij")
    with serving(site) as url:
        yield Client(url)


@pytest.mark.parametrize("path", ["/", "/app.js", "/wasm/threads/lilm-core.js", "/nothing"])
def test_every_answer_isolates_the_page(client: Client, path: str) -> None:
    response, _ = client.get(path)
    assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert response.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/wasm/runtime/lilm.mjs", "text/javascript; charset=utf-8"),
        ("/wasm/threads/lilm-core.wasm", "application/wasm"),
        ("/models.json", "application/json"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
        ("/models/letters.gguf?v=1", "application/octet-stream"),
    ],
)
def test_each_kind_of_file_has_its_type(client: Client, path: str, kind: str) -> None:
    response, _ = client.get(path)
    assert (response.status, response.headers["Content-Type"]) == (200, kind)


@pytest.mark.parametrize(
    ("wanted", "status", "body", "content_range"),
    [
        ("bytes=0-3", 206, b"abcd", "bytes 0-3/10"),
        ("bytes=7-", 206, b"hij", "bytes 7-9/10"),
        ("bytes=-2", 206, b"ij", "bytes 8-9/10"),
        ("bytes=8-99", 206, b"ij", "bytes 8-9/10"),
        ("bytes=-99", 206, b"abcdefghij", "bytes 0-9/10"),
        ("bytes=10-", 416, None, "bytes */10"),
        ("bytes=-0", 416, None, "bytes */10"),
        ("bytes=5-2", 200, b"abcdefghij", None),
        ("bytes=0-1,4-5", 200, b"abcdefghij", None),
        ("lines=1-2", 200, b"abcdefghij", None),
    ],
)
def test_ranges(client: Client, wanted: str, status: int, body: bytes | None, content_range: str | None) -> None:
    response, got = client.get("/models/letters.gguf", Range=wanted)
    assert (response.status, response.headers["Content-Range"]) == (status, content_range)
    assert int(response.headers["Content-Length"]) == len(got)
    if body is not None:
        assert got == body


def test_a_changed_file_is_sent_whole(client: Client) -> None:
    first, _ = client.get("/models/letters.gguf")
    same, body = client.get("/models/letters.gguf", Range="bytes=0-1", If_Range=first.headers["ETag"])
    assert (same.status, body) == (206, b"ab")
    other, body = client.get("/models/letters.gguf", Range="bytes=0-1", If_Range='"old"')
    assert (other.status, body) == (200, b"abcdefghij")


def test_an_unchanged_file_is_not_sent_again(client: Client) -> None:
    first, _ = client.get("/style.css")
    again, body = client.get("/style.css", If_None_Match=f'"other", {first.headers["ETag"]}')
    assert (again.status, body) == (304, b"")


def test_head_has_the_length_and_no_body(client: Client) -> None:
    response, body = client.get("/models/letters.gguf", method="HEAD")
    assert (response.status, response.headers["Content-Length"], body) == (200, "10", b"")


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/models/../../secret.txt",
        "/link.txt",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/models/%00",
        "/%ff",
        "/" + "a" * 5000,
        "/models/",
        "/models",
    ],
)
def test_nothing_outside_the_site_and_no_listing(client: Client, path: str) -> None:
    response, body = client.get(path)
    assert response.status == 404
    assert b"secret" not in body and b"letters" not in body


def test_a_busy_port_is_an_error_and_without_one_the_next_is_taken(site: Path) -> None:
    with site_server(site).in_background() as first:
        port = int(first.rstrip("/").rpartition(":")[2])
        with pytest.raises(LilmError, match=f"port {port} is in use"):
            site_server(site, port)
        with site_server(site).in_background() as second:
            assert second != first


def test_a_port_that_is_none_is_an_error(site: Path) -> None:
    with pytest.raises(LilmError, match="70000 is no port"):
        site_server(site, 70_000)


@pytest.mark.parametrize("name", ["[draft]", "a[/b]"])
def test_a_folder_s_brackets_are_no_markup(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / name
    folder.mkdir(parents=True)
    monkeypatch.setattr(own_server, "site_folder", lambda _: folder)
    monkeypatch.setattr(own_server.Server, "serve_forever", lambda self: self.listener.close())
    monkeypatch.setenv("COLUMNS", "1000")
    own_server.serve(folder)
    assert f"Serving {folder} at http://127.0.0.1:" in capsys.readouterr().out


def test_a_folder_without_a_site_is_told_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(LilmError, match=f"lilm run --run {tmp_path} --to site"):
        site_server(tmp_path)
    with pytest.raises(LilmError, match="no such folder"):
        site_server(tmp_path / "absent")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "127.0.0.1:8000"}, 200),
        ({"Host": "LOCALHOST"}, 200),
        ({"Host": "[::1]:8000"}, 200),
        ({"Host": "localhost", "Origin": "http://localhost:8000"}, 200),
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1.evil.example"}, 421),
        ({"Host": "[::1"}, 421),
        ({"Host": ""}, 421),
        ({}, 400),  # which RFC 9112 asks for
        ({"Host": "localhost", "Origin": "https://evil.example"}, 421),
        ({"Host": "localhost", "Origin": "null"}, 421),
    ],
)
def test_only_the_machine_s_own_names_are_answered(client: Client, headers: dict[str, str], status: int) -> None:
    connection = http.client.HTTPConnection(client.host, timeout=10)
    for path in ("/", "/nothing", "/models/letters.gguf"):
        connection.putrequest("GET", path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        body = response.read()
        assert response.status == (404 if status == 200 and path == "/nothing" else status)
        assert status == 200 or b"abcdefghij" not in body
    connection.close()


def test_a_server_for_all_answers_to_any_name() -> None:
    assert names_of("::") == frozenset()
    assert is_for_us("laptop.local:8000", None, names_of("::"))
    assert is_for_us("192.168.0.7:8000", "http://192.168.0.7:8000", names_of("192.168.0.7"))
    assert not is_for_us("192.168.0.8:8000", None, names_of("192.168.0.7"))


BIG = 300 << 20  # bytes


def begin_download(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(b"GET /models/big.gguf HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK")
    return connection


def test_visitors_who_leave_and_ctrl_c_in_a_download_leave_no_trace(site: Path) -> None:
    with (site / "site" / "models" / "big.gguf").open("wb") as file:
        file.truncate(BIG)
    command = [sys.executable, "-u", "-m", "lilm", "serve", str(site)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    printed = ""
    while "Ctrl-C stops" not in printed:
        printed += process.stdout.readline()
    port = int(printed.split("http://127.0.0.1:")[1].split("/")[0])
    for _ in range(20):
        connection = begin_download(port)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # so close() resets it
        connection.close()
    memory = psutil.Process(process.pid).memory_info().rss
    url = f"http://127.0.0.1:{port}"
    assert len(Client(url).get("/models/big.gguf")[1]) == BIG
    assert psutil.Process(process.pid).memory_info().rss < memory + (BIG >> 3)
    with begin_download(port):
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=20)
    assert (process.returncode, rest, errors) == (0, "Stopped.\n", "")
