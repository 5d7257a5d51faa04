"""The commands around fine-tuning that are no stage."""

from pathlib import Path
from typing import Annotated

import typer

from lilm.cli.options import Groups, RecipeOption, RunOption, load_run


def register(groups: Groups) -> None:
    """`lilm finetune show`."""

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
