"""Serves the API on this machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lilm.demo.api.app import api_app
from lilm.demo.serve import Server, listen
from lilm.llamacpp.chat import ChatEngine
from lilm.progress import text_console
from lilm.recipe import SamplingConfig

HOST = "127.0.0.1"


@contextmanager
def api_server(
    model: Path,
    sampling: SamplingConfig,
    port: int = 0,
    *,
    n_ctx: int = 4096,
    threads: int = 0,
    lora: Path | None = None,
) -> Iterator[Server]:
    """A server that listens and does not serve yet. Raises LilmError when there is no port, or the model cannot be
    used; one without a chat template serves what needs none."""
    listener = listen(HOST, port)
    try:
        with ChatEngine(model, n_ctx=n_ctx, threads=threads, lora=lora, template=False) as engine:
            yield Server(api_app(engine, sampling, HOST), listener)
    finally:
        listener.close()


def serve(model: Path, sampling: SamplingConfig, port: int = 0, *, n_ctx: int = 4096, lora: Path | None = None) -> None:
    """Serve until Ctrl-C; prints the address. Raises LilmError as `api_server`."""
    console = text_console()
    with api_server(model, sampling, port, n_ctx=n_ctx, lora=lora) as server:
        try:
            console.print(f"{model.name}: base_url {server.url}v1 · Ctrl-C stops", highlight=False, markup=False)
            server.serve_forever()
        except KeyboardInterrupt:
            pass  # uvicorn raises the signal again when all is closed, but not always
    console.print("Stopped.")
