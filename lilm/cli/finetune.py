"""The commands around fine-tuning that are no stage."""

from pathlib import Path
from typing import Annotated

import typer

from lilm.cli.options import Groups, RecipeOption, RunOption, load_run, to_file
from lilm.cli.sampling import NCtxOption


def register(groups: Groups) -> None:
    """`lilm finetune show`, `translate` and `vector`."""

    @groups["finetune"].command()
    def show(
        source: Annotated[str, typer.Argument(metavar="SOURCE", help="A file of chats, or a source of the recipe.")],
        recipe: RecipeOption = "",
        run_dir: RunOption = None,
        model: Annotated[
            Path | None, typer.Option("--model", help="A model's folder or GGUF file, whose tokenizer is taken.")
        ] = None,
        count: Annotated[int, typer.Option("--count", min=1, help="Conversations to show.")] = 3,
        json_file: Annotated[
            Path | None, typer.Option("--json", help="Write the tokens to this file.", callback=to_file)
        ] = None,
    ) -> None:
        """Conversations as training sees them: every token, what is learnt in colour. Nothing need be trained yet.

        Examples: `lilm finetune show chats.jsonl --model model-Q4_0.gguf` · `lilm finetune show oasst1-ja --count 10`
        """
        from lilm.pipeline.hashing import write_json
        from lilm.progress import text_console
        from lilm.train.finetune.show import show_chats

        told = recipe or run_dir or Path("lilm.toml").is_file()
        loaded, folder = load_run(recipe, run_dir) if told else (None, None)
        figures = show_chats(source, loaded, folder, model, count, text_console())
        if json_file is not None:
            write_json(json_file, figures)

    @groups["finetune"].command()
    def translate(
        dataset: Annotated[
            str, typer.Argument(metavar="DATASET", help="A file of chats (JSONL, JSON, Parquet), or a recipe's source.")
        ],
        out: Annotated[Path, typer.Option("--out", help="JSON Lines of messages, as [[finetune.sources]] reads them.")],
        model: Annotated[str, typer.Option("--model", help="A GGUF file; with --url a model's name there.")] = "",
        url: Annotated[str, typer.Option("--url", help="An OpenAI-compatible address, up to /v1.")] = "",
        api_key_env: Annotated[
            str, typer.Option("--api-key-env", metavar="NAME", help="The variable that holds the key for --url.")
        ] = "",
        language: Annotated[
            str, typer.Option("--language", help="To translate to. Default: the recipe's, or ja.")
        ] = "",
        base_language: Annotated[str, typer.Option("--from", help="Of the chats. Default: the recipe's, or en.")] = "",
        glossary: Annotated[
            Path | None,
            typer.Option("--glossary", metavar="FILE.tsv", help="Term, tab, translation|another, a line each."),
        ] = None,
        prompt: Annotated[
            Path | None, typer.Option("--prompt", help="A file to ask with: {text}, {source}, {target}, {glossary}.")
        ] = None,
        old: Annotated[str, typer.Option("--old", help="The same chats as somebody translated them before.")] = "",
        keep_old: Annotated[
            bool, typer.Option("--keep-old/--drop", help="A chat that fails keeps its old translation, or is left out.")
        ] = True,
        back: Annotated[bool, typer.Option("--back/--no-back", help="Translate back too, for a score.")] = True,
        min_score: Annotated[
            float, typer.Option("--min-score", min=0, max=1, help="The least chrF; below, it fails.")
        ] = 0,
        parallel: Annotated[
            int | None,
            typer.Option("--parallel", min=1, max=256, help="Answers at once. Default: 4 of --url, 16 of a GGUF file."),
        ] = None,
        limit: Annotated[int, typer.Option("--limit", min=0, help="The first so many chats; 0: all.")] = 0,
        n_ctx: NCtxOption = 4096,
        force: Annotated[bool, typer.Option("--force", help="Write over --out.")] = False,
        recipe: RecipeOption = "",
        run_dir: RunOption = None,
    ) -> None:
        """Translate chats anew; stopped, the same command goes on, and nothing is asked twice.

        Code, addresses and turns stay as they are; a translation that loses them, numbers or a glossary's word, echoes,
        refuses or is in another language is asked for again, and after three tries its chat is not used. OUT.html shows
        the doubtful ones. Answers stay in OUT.answers: with another glossary only what it touches is asked for again.

        Examples: `lilm finetune translate oasst.jsonl --model translator.gguf --out oasst-ja.jsonl` ·
        `lilm finetune translate dolly.jsonl --old dolly-ja.jsonl --url http://127.0.0.1:8080/v1 --out new.jsonl`
        """
        from lilm.progress import Reporter
        from lilm.train.finetune.translate.run import Order
        from lilm.train.finetune.translate.run import translate as translate_chats

        told = recipe or run_dir or Path("lilm.toml").is_file()
        order = Order(
            dataset,
            out,
            model=model,
            url=url,
            api_key_env=api_key_env,
            language=language,
            base_language=base_language,
            glossary=glossary,
            prompt=prompt,
            old=old,
            keep_old=keep_old,
            back=back,
            min_score=min_score,
            parallel=parallel,
            limit=limit,
            n_ctx=n_ctx,
            force=force,
        )
        reporter = Reporter()
        translate_chats(order, load_run(recipe, run_dir)[0] if told else None, reporter)
        reporter.say(f"{out}; the doubtful ones first: {out}.html")

    @groups["finetune"].command()
    def vector(
        taught: Annotated[
            Path,
            typer.Argument(metavar="TAUGHT", help="A run folder, a model's folder, or a GGUF file."),
        ],
        instruct: Annotated[Path, typer.Option("--instruct", help="Folder or GGUF of an instruct model.")],
        plain: Annotated[Path, typer.Option("--plain", help="Folder or GGUF of the plain base it was tuned from.")],
        out: Annotated[Path, typer.Option("--out", help="Folder to make: model/ and export/.")],
        scale: Annotated[float, typer.Option("--scale", help="How much of the difference is added.")] = 1.0,
        quants: Annotated[str, typer.Option("--quants", help="GGUF files beside F16, with commas.")] = "Q8_0,Q4_K_M",
        lang: Annotated[str, typer.Option("--lang", help="Of a model that is no run: its language.")] = "ja",
    ) -> None:
        """Chat without chats: add an instruct model's difference from its plain base to a model taught a language.

        Example: `lilm finetune vector runs/mine --instruct SmolLM2-135M-Instruct --plain SmolLM2-135M --out chatting`
        """
        from lilm.export.vector import make_vector_model
        from lilm.progress import Reporter

        names = tuple(name.strip() for name in quants.split(",") if name.strip())
        for path in make_vector_model(taught, instruct, plain, out, scale, names, lang, Reporter()):
            typer.echo(path)
