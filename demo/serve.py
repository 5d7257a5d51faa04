"""`lilm serve`: the site on this machine, with the headers and ranges that a browser needs to run a model."""

import errno
import webbrowser
from http.server import ThreadingHTTPServer
from pathlib import Path

from rich.console import Console

from lilm.demo.handler import SiteHandler
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
    raise LilmError("no site in this folder", where=str(folder), remedy=f"make it: `lilm run --run {folder} --to site`")


def make_server(folder: Path, port: int = 0, host: str = "127.0.0.1") -> ThreadingHTTPServer:
    """A server of the site in `folder`, bound and not yet serving; `.server_port` is its port.

    port: 0 takes the first free one from 8000 on. Raises LilmError when the port cannot be had.
    """
    root = site_folder(folder)
    handler = type("BoundSiteHandler", (SiteHandler,), {"root": root, "names": names_of(host)})
    candidates = range(FIRST_PORT, FIRST_PORT + PORTS_TO_TRY) if port == 0 else (port,)
    for candidate in candidates:
        try:
            return SiteServer((host, candidate), handler)
        except OverflowError as error:
            raise LilmError(f"{candidate} is no port", where="--port", remedy="use 1 to 65535") from error
        except PermissionError as error:
            raise LilmError(
                f"port {candidate} is not for you", where=host, remedy="use --port 8000 or above"
            ) from error
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise LilmError(
                    f"cannot listen: {error.strerror}", where=host, remedy="use --host 127.0.0.1"
                ) from error
    taken = f"ports {FIRST_PORT} to {FIRST_PORT + PORTS_TO_TRY - 1} are" if port == 0 else f"port {port} is"
    raise LilmError(f"{taken} in use", where=host, remedy="stop the other server, or choose with --port")


class SiteServer(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64  # a page asks for a dozen modules at once


def serve(folder: Path, port: int = 0, open_browser: bool = False, host: str = "127.0.0.1") -> None:
    """Serve the site of a run folder, or a site folder, until Ctrl-C. Prints the address.

    Raises LilmError when there is no site or no port.
    """
    console = Console()
    with make_server(folder, port, host) as server:
        url = f"http://{host}:{server.server_port}/"
        console.print(f"Serving {site_folder(folder)} at [link={url}]{url}[/link] · Ctrl-C stops", highlight=False)
        if host not in LOCAL:
            console.print("Browsers run threads only on https or localhost: put a TLS proxy in front for full speed.")
        if open_browser:
            webbrowser.open(url)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            console.print("Stopped.")
