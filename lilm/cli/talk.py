"""`lilm serve` and `lilm chat`: talking to what was made."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    @app.command()
    def serve(
        run_dir: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, or the folder of a site.")],
        port: Annotated[int, typer.Option(help="0: the first free one from 8000 on.")] = 0,
        open_browser: Annotated[bool, typer.Option("--open", help="Open the page.")] = False,
    ) -> None:
        """Serve the page on this machine only (127.0.0.1), with the headers that threads in the browser need.

        Example: `lilm serve runs/quickstart --open`
        """
        from lilm.demo.serve import serve as serve_folder

        serve_folder(run_dir, port, open_browser)

    @app.command()
    def chat(
        model: Annotated[Path, typer.Argument(metavar="MODEL.gguf", help="A GGUF file with a chat template.")],
        port: Annotated[int, typer.Option(help="0: the first free one.")] = 0,
        lora: Annotated[
            Path | None, typer.Option("--lora", metavar="ADAPTER.gguf", help="An adapter to load over the model.")
        ] = None,
    ) -> None:
        """Chat with a GGUF file in a local Gradio page (127.0.0.1).

        Examples: `lilm chat runs/quickstart/export/model-Q4_K_M.gguf` ·
        `lilm chat run/export/lora/base-Q4_0.gguf --lora run/export/lora/adapter.gguf`
        """
        from lilm.demo.chat import launch

        launch(model, port, lora=lora)
