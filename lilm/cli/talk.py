"""`lilm serve`, `lilm chat`, `lilm generate` and `lilm api`: talking to what was made."""

from pathlib import Path
from typing import Annotated, Any

import typer

from lilm.cli.sampling import (
    LoraOption,
    MinPOption,
    NCtxOption,
    NPredictOption,
    RepeatPenaltyOption,
    TemperatureOption,
    TopKOption,
    TopPOption,
    checked_seed,
    sampling_of,
)
from lilm.errors import LilmError


def register(app: typer.Typer) -> None:
    @app.command()
    def serve(
        run_dir: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, or the folder of a site.")],
        port: Annotated[int, typer.Option(help="0: the first free one from 8000 on.")] = 0,
        open_browser: Annotated[bool, typer.Option("--open", help="Open the page.")] = False,
        lan: Annotated[
            bool, typer.Option("--lan", help="To the local network, for a phone; prints a QR code.")
        ] = False,
        certificate: Annotated[
            bool, typer.Option("--certificate", help="--lan: https, by a certificate made here, for full speed.")
        ] = False,
        host: Annotated[
            str, typer.Option("--host", metavar="ADDRESS", help="--lan: which of this machine's addresses.")
        ] = "",
    ) -> None:
        """Serve the page on this machine only (127.0.0.1), with the headers that threads in the browser need; with
        --lan to everybody in the same network.

        Examples: `lilm serve runs/quickstart --open` · `lilm serve runs/quickstart --lan --certificate`
        """
        from lilm.demo.serve import serve as serve_folder
        from lilm.demo.serve import serve_lan

        if lan:
            serve_lan(run_dir, port, open_browser, host, certificate)
            return
        if certificate or host:
            given = "--certificate" if certificate else "--host"
            raise LilmError(f"{given} means nothing here", where="lilm serve", remedy="give --lan too, or leave it out")
        serve_folder(run_dir, port, open_browser)

    @app.command()
    def chat(
        models: Annotated[
            list[Path],
            typer.Argument(metavar="MODEL.gguf [B.gguf]", help="A GGUF file with a chat template; two side by side."),
        ],
        port: Annotated[int, typer.Option(help="0: the first free one.")] = 0,
        lora: LoraOption = None,
        terminal: Annotated[
            bool, typer.Option("--terminal", help="Here, or through a pipe, and not in a page.")
        ] = False,
        system: Annotated[str, typer.Option("--system", help="The system message.")] = "",
        schema: Annotated[
            Path | None, typer.Option("--schema", metavar="FILE.json", help="A JSON schema that answers follow.")
        ] = None,
        seed: Annotated[int | None, typer.Option("--seed", help="--terminal: the same answers again.")] = None,
        n_predict: NPredictOption = 256,
        n_ctx: NCtxOption = 4096,
        temp: TemperatureOption = None,
        top_k: TopKOption = None,
        top_p: TopPOption = None,
        min_p: MinPOption = None,
        repeat_penalty: RepeatPenaltyOption = None,
    ) -> None:
        """Chat with a GGUF file, or with two side by side, in a local Gradio page (127.0.0.1), or with --terminal here.
        The page of one model keeps conversations in the browser; with two nothing is kept.

        Examples: `lilm chat runs/quickstart/export/model-Q4_K_M.gguf` · `lilm chat a.gguf b.gguf` ·
        `lilm chat model.gguf --terminal` · `echo こんにちは。 | lilm chat model.gguf --terminal` ·
        `lilm chat run/export/lora/base-Q4_0.gguf --lora run/export/lora/adapter.gguf`
        """
        sampling = sampling_of(temp, top_k, top_p, min_p, repeat_penalty)
        if len(models) > 2 or (len(models) == 2 and (terminal or lora)):
            remedy = "two models are for the page, without --lora; else give one"
            raise LilmError(f"{len(models)} models", where="lilm chat", remedy=remedy)
        followed = None
        if schema is not None:
            from lilm.demo.answer_schema import read_schema

            followed = read_schema(schema)
        if terminal:
            from lilm.demo.terminal import talk
            from lilm.llamacpp.answers import Order

            order = Order(sampling.model_dump(), n_predict, checked_seed(seed), schema=followed)
            talk(models[0], order, system=system, n_ctx=n_ctx, lora=lora)
            return
        if seed is not None:
            raise LilmError("the page draws a new one each time", where="--seed", remedy="leave it out, or --terminal")
        from lilm.memory import give_back_freed_memory

        give_back_freed_memory()  # before Gradio comes, whose server answers anybody for as long as it runs
        from lilm.demo.chat import launch

        beside = models[1] if len(models) == 2 else None
        settings: dict[str, Any] = {"sampling": sampling, "n_ctx": n_ctx, "system": system, "n_predict": n_predict}
        settings["schema"] = schema.read_text(encoding="utf-8-sig").strip() if schema is not None else ""
        launch(models[0], port, lora=lora, beside=beside, **settings)

    @app.command()
    def generate(
        model: Annotated[Path, typer.Argument(metavar="MODEL.gguf", help="A GGUF file.")],
        out: Annotated[Path, typer.Option("--out", help="JSON Lines: prompt, text, tokens, finish_reason, seed.")],
        prompts: Annotated[
            Path | None,
            typer.Argument(
                metavar="PROMPTS", help="A prompt a line, - for standard input; .jsonl or .json: prompt or messages."
            ),
        ] = None,
        prompt: Annotated[str | None, typer.Option("--prompt", help="One prompt, in place of PROMPTS.")] = None,
        chat: Annotated[bool, typer.Option("--chat", help="Prompts are questions, by the file's template.")] = False,
        system: Annotated[str, typer.Option("--system", help="The system message of each chat; means --chat.")] = "",
        seed: Annotated[int, typer.Option("--seed", help="Of the first text; each next one has the next.")] = 0,
        n_predict: NPredictOption = 256,
        n_ctx: NCtxOption = 4096,
        temp: TemperatureOption = None,
        top_k: TopKOption = None,
        top_p: TopPOption = None,
        min_p: MinPOption = None,
        repeat_penalty: RepeatPenaltyOption = None,
        lora: LoraOption = None,
        force: Annotated[bool, typer.Option("--force", help="Write over --out, and texts kept for it.")] = False,
    ) -> None:
        """Write a text for each of many prompts; stopped, the same command goes on.

        Examples: `lilm generate model.gguf prompts.txt --chat --out answers.jsonl` ·
        `lilm generate model.gguf --prompt むかしむかし --temp 0 --out text.jsonl`
        """
        from lilm.llamacpp.answers import Order
        from lilm.llamacpp.generate import generate as write
        from lilm.llamacpp.prompts import one_prompt, read_prompts
        from lilm.progress import Reporter

        if (prompt is None) == (prompts is None):
            raise LilmError("no prompt, or two kinds", where="lilm generate", remedy="give PROMPTS or --prompt")
        order = Order(
            sampling_of(temp, top_k, top_p, min_p, repeat_penalty).model_dump(), n_predict, checked_seed(seed)
        )
        chat = chat or bool(system)
        asked = [one_prompt(prompt, chat, system)] if prompt is not None else []
        if prompts is not None:
            asked = read_prompts(prompts, chat, system)
        reporter = Reporter()
        refused = write(model, asked, order, out, reporter, n_ctx=n_ctx, lora=lora, force=force)
        reporter.say(f"{len(asked)} texts are in {out}" + (f", {refused} of them refused" if refused else ""))
        if refused == len(asked):
            what = "the model took none of the prompts"
            raise LilmError(
                what, where=str(out), remedy='read "error" there, and give shorter ones or a larger --n-ctx'
            )

    @app.command()
    def api(
        model: Annotated[Path, typer.Argument(metavar="MODEL.gguf", help="A GGUF file.")],
        port: Annotated[int, typer.Option(help="0: the first free one from 8000 on.")] = 0,
        n_ctx: NCtxOption = 4096,
        temp: TemperatureOption = None,
        top_k: TopKOption = None,
        top_p: TopPOption = None,
        min_p: MinPOption = None,
        repeat_penalty: RepeatPenaltyOption = None,
        lora: LoraOption = None,
    ) -> None:
        """Serve a GGUF file on this machine only (127.0.0.1) to programs that speak OpenAI's API.

        The sampling options are for requests that do not say. Example: `lilm api model.gguf`, and then a client with
        base_url `http://127.0.0.1:8000/v1` and any key.
        """
        from lilm.demo.api.serve import serve as serve_api

        sampling = sampling_of(temp, top_k, top_p, min_p, repeat_penalty)
        serve_api(model, sampling, port, n_ctx=n_ctx, lora=lora)
