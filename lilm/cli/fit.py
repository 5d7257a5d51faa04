"""`lilm fit`: on which devices a model fits."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from lilm.cli.options import JsonOption


def register(app: typer.Typer) -> None:
    @app.command()
    def fit(
        model: Annotated[Path, typer.Argument(metavar="MODEL.gguf", help="A GGUF file, or a run folder.")],
        device: Annotated[str, typer.Option(help="Only this one, with where its figure comes from.")] = "",
        n_ctx: Annotated[int, typer.Option("--n-ctx", min=0, help="One more context, tokens.")] = 0,
        kv_type: Annotated[
            Literal["f16", "q8_0"] | None,
            typer.Option(help="Of the context's keys and values. Default: f16, or what the run's recipe says."),
        ] = None,
        measure: Annotated[
            bool, typer.Option("--measure", help="Run it here, and say how wrong the reckoned peak is.")
        ] = False,
        json_file: JsonOption = None,
    ) -> None:
        """Which phones and browsers have memory enough for a model, and for which context: reckoned from the file.

        Examples: `lilm fit model-Q4_0.gguf` · `lilm fit runs/quickstart` · `lilm fit model.gguf --device iphone-safari`
        """

        from lilm.errors import LilmError
        from lilm.fit.command import show_fit
        from lilm.pipeline.hashing import write_json
        from lilm.progress import Reporter, text_console
        from lilm.recipe import WasmConfig, load_recipe
        from lilm.wasm.stage import memory_use

        if model.is_dir() and (n_ctx or measure):
            option = "--measure" if measure else "--n-ctx"
            raise LilmError(f"{option} means nothing for a folder", where=str(model), remedy="give one of its files")
        recipe = model / "lilm.toml"
        config = load_recipe(str(recipe)).wasm if recipe.is_file() else WasmConfig()
        config = config.model_copy(update={"kv_type": kv_type}) if kv_type else config
        figures = show_fit(model, device, n_ctx, memory_use(config, config.variants[0]), text_console())
        if measure:
            from lilm.wasm.bench.peak import fit_errors

            figures["measured"] = fit_errors(model, n_ctx or config.n_ctx, config.kv_type, Reporter())
        if json_file is not None:
            write_json(json_file, figures)
