"""The commands around fine-tuning that are no stage."""

from pathlib import Path
from typing import Annotated

import typer

from lilm.cli.options import Groups, RecipeOption, RunOption, load_run


def register(groups: Groups) -> None:
    """`lilm finetune show` and `lilm finetune vector`."""

    @groups["finetune"].command()
    def show(
        source: Annotated[str, typer.Argument(metavar="SOURCE", help="A file of chats, or a source of the recipe.")],
        recipe: RecipeOption = "",
        run_dir: RunOption = None,
        model: Annotated[
            Path | None, typer.Option("--model", help="A model's folder or GGUF file, whose tokenizer is taken.")
        ] = None,
        count: Annotated[int, typer.Option("--count", min=1, help="Conversations to show.")] = 3,
        json_file: Annotated[Path | None, typer.Option("--json", help="Write the tokens to this file.")] = None,
    ) -> None:
        """Conversations as training sees them: every token, what is learnt in colour. Nothing need be trained yet.

        Examples: `lilm finetune show chats.jsonl --model model-Q4_0.gguf` · `lilm finetune show oasst1-ja --count 10`
        """
        from rich.console import Console

        from lilm.pipeline.hashing import write_json
        from lilm.train.finetune.show import show_chats

        told = recipe or run_dir or Path("lilm.toml").is_file()
        loaded, folder = load_run(recipe, run_dir) if told else (None, None)
        figures = show_chats(source, loaded, folder, model, count, Console())
        if json_file is not None:
            write_json(json_file, figures)

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
