"""The examples of docs/hosting.md, on the host that they are of where it can be had: the page answers in threads. Its
service worker, which would add headers that a host leaves out, is kept from it."""

import getpass
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from lilm.demo.handler import HEADERS
from tests.demo.page_visitor import ask, open_ready

PAGE = (Path(__file__).parents[2] / "docs" / "hosting.md").read_text(encoding="utf-8")


def example(heading: str, language: str) -> str:
    """The first block of a language under a heading."""
    part = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = re.search(rf"```{language}\n(.*?)```", part, re.DOTALL)
    assert found
    return found[1]


def answers(browser: Any, url: str) -> None:
    context = browser.new_context(locale="en-US", service_workers="block")
    page = open_ready(context, url)
    assert page.evaluate("crossOriginIsolated")
    ask(page)
    assert "threads" in page.inner_text("#speed")
    context.close()


@pytest.fixture
def nginx(real_site: Path, tmp_path: Path) -> Iterator[str]:
    """The address of the site, served as the example has it, but for the certificate and the name."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")
    if program is None:
        pytest.skip("no nginx on this machine (sudo apt-get install nginx-light)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = example("nginx", "nginx")
    for told, here in (
        ("listen 443 ssl;", f"listen 127.0.0.1:{port};"),
        ("model.example.org", "localhost"),
        ("/srv/my-model/site", str(real_site)),
    ):
        assert told in server
        server = server.replace(told, here)
    paths = "".join(
        f"{name}_temp_path {tmp_path}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    rest = f"user {getpass.getuser()}; daemon off; pid {tmp_path}/pid; error_log stderr; events {{}}\n"
    (tmp_path / "nginx.conf").write_text(f"{rest}http {{\naccess_log off;\n{paths}{server}}}\n", encoding="utf-8")
    started = subprocess.Popen([program, "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")])
    try:
        url = f"http://127.0.0.1:{port}/"
        until = time.monotonic() + 30
        while True:
            try:
                httpx.get(url)
                break
            except httpx.ConnectError:
                assert started.poll() is None, "nginx refuses the example"
                assert time.monotonic() < until
                time.sleep(0.05)
        yield url
    finally:
        started.terminate()
        started.wait(30)


def test_behind_nginx_the_page_answers(nginx: str, real_site: Path, browser: Any) -> None:
    answers(browser, nginx)
    model = next((real_site / "models").glob("*.gguf"))
    head = {"Range": "bytes=4-11", "Accept-Encoding": "gzip"}
    part = httpx.get(f"{nginx}models/{model.name}", headers=head)
    assert part.status_code == 206
    assert part.content == model.read_bytes()[4:12]
    assert "Content-Encoding" not in part.headers
    engine = httpx.get(nginx + "wasm/threads/lilm-core.wasm", headers={"Accept-Encoding": "gzip"})
    assert (engine.headers["Content-Type"], engine.headers["Content-Encoding"]) == ("application/wasm", "gzip")
    again = httpx.get(nginx, headers={"If-None-Match": httpx.get(nginx).headers["ETag"]})
    assert again.status_code == 304


def test_with_the_headers_of_a_space_the_page_answers(
    real_site: Path,
    browser: Any,
    serving: Callable[[Path], AbstractContextManager[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = yaml.safe_load(example("Hugging Face Space", "yaml").strip().strip("-"))
    assert (told["sdk"], told["app_file"]) == ("static", "index.html")
    for name in tuple(HEADERS):
        monkeypatch.delitem(HEADERS, name)
    for name, value in told["custom_headers"].items():
        monkeypatch.setitem(HEADERS, name, value)
    with serving(real_site) as url:
        answers(browser, url)
