"""`lilm serve`: the site on this machine, with the headers and ranges that a browser needs to run a model."""

import errno
import socket
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from rich.console import Console
from starlette.types import ASGIApp

from lilm.commands import command
from lilm.demo.handler import site_app
from lilm.demo.hosts import LOCAL, names_of
from lilm.errors import LilmError

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

    def __init__(self, app: ASGIApp, listener: socket.socket) -> None:
        host, port = listener.getsockname()[:2]
        self.url = f"http://{host}:{port}/"
        self.listener = listener
        # h11 although another parser may be installed: it answers alike everywhere
        super().__init__(uvicorn.Config(app, http="h11", ws="none", log_config=None, log_level="error"))

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


def site_server(folder: Path, port: int = 0, host: str = "127.0.0.1") -> Server:
    """Listens for the site in `folder` and does not serve it yet. Raises LilmError when there is no site or no port."""
    return Server(site_app(site_folder(folder), names_of(host)), listen(host, port))


def serve(folder: Path, port: int = 0, open_browser: bool = False, host: str = "127.0.0.1") -> None:
    """Serve the site of a run folder, or a site folder, until Ctrl-C. Prints the address.

    Raises LilmError when there is no site or no port.
    """
    console = Console()
    server = site_server(folder, port, host)
    try:
        where = f"[link={server.url}]{server.url}[/link]"
        console.print(f"Serving {site_folder(folder)} at {where} · Ctrl-C stops", highlight=False)
        if host not in LOCAL:
            console.print("Browsers run threads only on https or localhost: put a TLS proxy in front for full speed.")
        if open_browser:
            webbrowser.open(server.url)
        server.serve_forever()
    except KeyboardInterrupt:
        pass  # uvicorn raises the signal again when all is closed, but not always
    console.print("Stopped.")
