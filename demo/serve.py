"""`lilm serve`: the site on this machine, with the headers and ranges that a browser needs to run a model."""

import errno
import socket
import threading
import webbrowser
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from rich.console import Console
from rich.markup import escape
from starlette.types import ASGIApp

from lilm.commands import command
from lilm.demo.certificate import Certificate, own_certificate
from lilm.demo.handler import site_app
from lilm.demo.hosts import names_of
from lilm.demo.lan import checked_host, lan_address, lan_names, show_qr, what_works
from lilm.errors import LilmError
from lilm.progress import text_console

FIRST_PORT = 8000
PORTS_TO_TRY = 100


def site_folder(folder: Path) -> Path:
    """The site in `folder`, which is a run folder or a site. Raises LilmError when there is none."""
    for candidate in (folder / "site", folder):
        if (candidate / "index.html").is_file() and (candidate / "models.json").is_file():
            return candidate.resolve()
    if not folder.is_dir():
        raise LilmError("no such folder", where=str(folder), remedy="give a run folder or a site folder")
    remedy = f"make it: `{command('run', '--run', folder, '--to', 'site')}`"
    raise LilmError("no site in this folder", where=str(folder), remedy=remedy)


def listen(host: str, port: int) -> socket.socket:
    """Port 0 takes the first free one from 8000 on. Raises LilmError when the port cannot be had."""
    candidates = range(FIRST_PORT, FIRST_PORT + PORTS_TO_TRY) if port == 0 else (port,)
    for candidate in candidates:
        try:
            return socket.create_server((host, candidate))
        except OverflowError as error:
            raise LilmError(f"{candidate} is no port", where="--port", remedy="use 1 to 65535") from error
        except PermissionError as error:
            raise LilmError(
                f"port {candidate} is not for you", where=host, remedy="use --port 8000 or above"
            ) from error
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise LilmError(f"cannot listen: {error.strerror}", where=host, remedy="listen on 127.0.0.1") from error
    taken = f"ports {FIRST_PORT} to {FIRST_PORT + PORTS_TO_TRY - 1} are" if port == 0 else f"port {port} is"
    raise LilmError(f"{taken} in use", where=host, remedy="stop the other server, or choose with --port")


class Server(uvicorn.Server):
    """Serves `app` on `listener`, which it closes; silent but for errors: the terminal belongs to the address line."""

    def __init__(self, app: ASGIApp, listener: socket.socket, certificate: Certificate | None = None) -> None:
        host, port = listener.getsockname()[:2]
        self.url = f"http{'s' if certificate else ''}://{host}:{port}/"
        self.listener = listener
        # h11 although another parser may be installed: it answers alike everywhere
        config = uvicorn.Config(app, http="h11", ws="none", log_config=None, log_level="error")
        if certificate is not None:
            config.ssl_certfile, config.ssl_keyfile = certificate.certificate, certificate.key
        super().__init__(config)

    def serve_forever(self) -> None:
        """Until `should_exit`; on the main thread also until a signal, which is raised again at the end."""
        self.run([self.listener])

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for connection in self.server_state.connections:
            connection.transport.abort()  # uvicorn waits for downloads, which take as long as they take
        await super().shutdown(sockets)

    @contextmanager
    def in_background(self) -> Iterator[str]:
        """The address, served from another thread while the block runs."""
        thread = threading.Thread(target=self.serve_forever)
        thread.start()
        try:
            yield self.url
        finally:
            self.should_exit = True
            thread.join()


def site_server(
    folder: Path,
    port: int = 0,
    host: str = "127.0.0.1",
    names: Collection[str] = (),
    certificate: Certificate | None = None,
) -> Server:
    """Listens for the site in `folder` and does not serve it yet. names: under which it may be asked besides `host` and
    this machine's own. Raises LilmError when there is no site or no port."""
    app = site_app(site_folder(folder), names_of(host) | frozenset(names))
    return Server(app, listen(host, port), certificate)


def serve(folder: Path, port: int = 0, open_browser: bool = False) -> None:
    """Serve the site of a run folder, or a site folder, to this machine until Ctrl-C. Prints the address.

    Raises LilmError when there is no site or no port.
    """
    _serve_until_stopped(site_server(folder, port), site_folder(folder), text_console(), open_browser)


def serve_lan(folder: Path, port: int = 0, open_browser: bool = False, host: str = "", https: bool = False) -> None:
    """The same to the local network: prints a QR code of the address, and what works there.

    host: the address to listen on, where the machine has several. https: by a certificate of one's own.
    Raises LilmError, too, when there is no network, or no certificate can be made.
    """
    console, site = text_console(), site_folder(folder)
    address = checked_host(host) if host else lan_address()
    names = lan_names(address)
    certificate = own_certificate(names) if https else None
    server = site_server(site, port, address, names, certificate)
    show_qr(server.url, console)
    console.print("Everybody in this network can open it.", highlight=False)
    for sentence in what_works(site, https):
        console.print(sentence, highlight=False, markup=False)
    if certificate is not None:
        console.print(f"SHA-256 fingerprint: {certificate.fingerprint}", highlight=False, markup=False)
    _serve_until_stopped(server, site, console, open_browser)


def _serve_until_stopped(server: Server, site: Path, console: Console, open_browser: bool) -> None:
    try:
        where = f"[link={server.url}]{server.url}[/link]"
        console.print(f"Serving {escape(str(site))} at {where} · Ctrl-C stops", highlight=False)
        if open_browser:
            webbrowser.open(server.url)
        server.serve_forever()
    except KeyboardInterrupt:
        pass  # uvicorn raises the signal again when all is closed, but not always
    console.print("Stopped.")
