"""`lilm serve --lan`: a phone in the same network gets the page, by http or by a certificate made here."""

import hashlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lilm.demo import certificate, lan
from lilm.demo.serve import site_server
from lilm.errors import LilmError

HERE = "127.0.0.2"  # a second address of this machine, in place of one in a network
Address = namedtuple("Address", "family address")
State = namedtuple("State", "isup")


@contextmanager
def serving_lan(site: Path, state: Path, *options: str) -> Iterator[tuple[str, str, int]]:
    """`lilm serve --lan` as a process: (what it printed, scheme, port)."""
    command = [sys.executable, "-u", "-m", "lilm", "serve", str(site), "--lan", "--host", HERE, *options]
    environment = {**os.environ, "LILM_STATE": str(state), "PYTHONIOENCODING": "utf-8", "COLUMNS": "200"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, encoding="utf-8"
    )
    assert process.stdout is not None
    printed = ""
    while "Ctrl-C stops" not in printed:
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        printed += line
    scheme, _, rest = printed[printed.index("Serving") :].split(" at ")[1].partition("://")
    yield printed, scheme, int(rest.split(":")[1].split("/")[0])
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20)[1] == "" and process.returncode == 0


def status(connection: http.client.HTTPConnection, host: str | None = None) -> int:
    connection.putrequest("GET", "/", skip_host=host is not None)
    if host is not None:
        connection.putheader("Host", host)
    connection.endheaders()
    response = connection.getresponse()
    assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    response.read()
    return response.status


def test_by_http_it_is_told_what_falls_away_and_foreign_names_are_refused(site: Path, tmp_path: Path) -> None:
    with serving_lan(site, tmp_path) as (printed, scheme, port):
        assert scheme == "http" and "▄" in printed
        assert "the model does not run: its engine needs threads" in printed
        connection = http.client.HTTPConnection(HERE, port, timeout=10)
        name = socket.gethostname().lower().partition(".")[0]
        for host in (None, f"{HERE}:{port}", f"{name}:{port}", f"{name}.local"):
            assert status(connection, host) == 200
        assert status(connection, "evil.example") == 421
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=5)
    assert list((tmp_path).glob("certificates")) == []


def test_by_https_the_certificate_is_for_that_address_and_kept(site: Path, tmp_path: Path) -> None:
    shown = []
    for _ in range(2):
        with serving_lan(site, tmp_path, "--certificate") as (printed, scheme, port):
            (kept,) = (tmp_path / "certificates").iterdir()
            assert scheme == "https" and (kept / "key.pem").stat().st_mode & 0o077 == 0
            trusting = ssl.create_default_context(cafile=kept / "certificate.pem")  # checks the name too
            connection = http.client.HTTPSConnection(HERE, port, timeout=10, context=trusting)
            assert status(connection) == 200 and status(connection, "evil.example") == 421
            seen = hashlib.sha256(connection.sock.getpeercert(binary_form=True)).hexdigest()  # type: ignore[attr-defined]
            shown.append(printed.split("fingerprint: ")[1].split("\n")[0])
            assert shown[-1].replace(":", "").lower() == seen
            with pytest.raises(ssl.SSLCertVerificationError):
                http.client.HTTPSConnection(HERE, port, timeout=10).request("GET", "/")
    assert shown[0] == shown[1]


def test_a_certificate_that_ends_soon_or_is_torn_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LILM_STATE", str(tmp_path))
    monkeypatch.setattr(certificate, "DAYS", 2)
    first = certificate.own_certificate(["192.168.0.7", "laptop.local"]).fingerprint
    monkeypatch.undo()
    monkeypatch.setenv("LILM_STATE", str(tmp_path))
    second = certificate.own_certificate(["laptop.local", "192.168.0.7"])
    assert second.fingerprint != first
    second.key.write_text("torn")
    third = certificate.own_certificate(["laptop.local", "192.168.0.7"])
    assert third.fingerprint != second.fingerprint or third.key.read_text() != "torn"
    assert certificate.own_certificate(["192.168.0.8"]).certificate != third.certificate


def test_without_openssl_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LILM_STATE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LilmError, match="sudo apt-get install openssl"):
        certificate.own_certificate(["192.168.0.7"])


@pytest.mark.parametrize(
    ("interfaces", "way_out", "expected"),
    [
        ({"lo": "127.0.0.1", "wlan0": "192.168.0.7"}, "192.168.0.7", "192.168.0.7"),
        ({"docker0": "172.17.0.1", "wlan0": "192.168.0.7"}, "", "192.168.0.7"),
        ({"eth0": "10.0.0.4", "wlan0": "192.168.0.7"}, "192.168.0.7", "192.168.0.7"),
        ({"eth0": "8.8.8.8", "wlan0": "10.1.1.1"}, "8.8.8.8", "10.1.1.1"),
        ({"lo": "127.0.0.1", "eth0": "8.8.8.8"}, "8.8.8.8", None),
        ({"lo": "127.0.0.1", "eth0": "169.254.1.1"}, "", None),
        ({"lo": "127.0.0.1", "down0": "192.168.0.7"}, "", None),
    ],
)
def test_the_address_is_one_of_a_local_network(
    interfaces: dict[str, str], way_out: str, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses = {name: [Address(socket.AF_INET, one)] for name, one in interfaces.items()}
    monkeypatch.setattr("psutil.net_if_addrs", lambda: addresses)
    monkeypatch.setattr("psutil.net_if_stats", lambda: {name: State(name != "down0") for name in interfaces})
    monkeypatch.setattr(lan, "_way_out", lambda: way_out)
    if expected is None:
        with pytest.raises(LilmError, match="in no local network"):
            lan.lan_address()
    else:
        assert lan.lan_address() == expected


def test_an_engine_for_one_thread_is_told(site: Path) -> None:
    models = site / "site" / "models.json"
    models.write_text(json.dumps({**json.loads(models.read_text()), "variants": ["threads", "single"]}))
    assert "runs on one thread" in lan.what_works(site / "site", secure=False)[0]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--certificate"], "--certificate means nothing here"),
        (["--host", "127.0.0.2"], "--host means nothing here"),
        (["--lan", "--host", "0.0.0.0"], "0.0.0.0 means every network"),  # noqa: S104 - it is refused
        (["--lan", "--host", "laptop"], "'laptop' is no IPv4 address"),
        (["--lan", "--host", "192.0.2.77"], "cannot listen"),
    ],
)
def test_options_that_cannot_be(site: Path, options: list[str], said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lilm", "serve", str(site), *options], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "") and said in done.stderr and done.stderr.count("\n") == 1


def test_a_browser_runs_threads_by_https_alone(site: Path, browser: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LILM_STATE", str(site / "state"))
    try:
        address = lan.lan_address()
    except LilmError as error:
        pytest.skip(error.line())
    own = certificate.own_certificate(lan.lan_names(address))
    for https, found in ((None, [False, False]), (own, [True, True])):
        with site_server(site, 0, address, lan.lan_names(address), https).in_background() as url:
            page = browser.new_context(locale="en-US", ignore_https_errors=True).new_page()
            page.set_default_timeout(60_000)
            page.goto(url)
            page.wait_for_selector("[data-ready]", state="attached")
            assert page.evaluate("[isSecureContext, crossOriginIsolated]") == found
            assert page.is_visible("#notice") == (https is None)
            page.context.close()
