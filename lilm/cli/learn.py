"""The commands around corpus, tokenizer and pretraining that are no stages."""

from pathlib import Path
from typing import Annotated

import typer

from lilm.cli.options import Groups, JsonOption, RecipeOption, RunOption, load_run


def register(app: typer.Typer, groups: Groups) -> None:
    """`lilm plan`, `lilm corpus inspect`, `lilm tokenizer report`, `compare-init` and `compare-sizes`, `lilm pretrain
    rank`."""

    @groups["corpus"].command()
    def inspect(
        file: Annotated[str, typer.Argument(metavar="FILE", help="A file of text, or FILE:N for its Nth record.")],
        recipe: Annotated[str, typer.Option("--recipe", help="Whose rules: a shipped recipe or a lilm.toml.")] = "",
        lang: Annotated[str, typer.Option("--lang", help="Language, for a file that is none of the recipe's.")] = "ja",
    ) -> None:
        """What each rule of the corpus says of one document.

        Examples: `lilm corpus inspect page.html` · `lilm corpus inspect dump.jsonl.zst:1203 --recipe tinyllama-ja`
        """
        from lilm.progress import text_console
        from lilm.recipe import load_recipe
        from lilm.train.corpus.inspect import inspect_file

        loaded = load_recipe(recipe or ("lilm.toml" if Path("lilm.toml").is_file() else "quickstart"))
        raise typer.Exit(0 if inspect_file(file, loaded.corpus, lang, text_console()) else 1)

    @app.command()
    def plan(
        hardware: Annotated[
            str, typer.Argument(metavar="HARDWARE", help="rtx3090x2, a100-40g, h100, h200, fugaku …, or here.")
        ] = "here",
        recipe: RecipeOption = "",
        count: Annotated[int | None, typer.Option(help="Devices, instead of those in the name.")] = None,
        tokens: Annotated[int | None, typer.Option(help="Tokens of stage 2, instead of the recipe's steps.")] = None,
        zero: Annotated[int | None, typer.Option(help="ZeRO stage, instead of the recipe's.", min=0, max=3)] = None,
        json_file: JsonOption = None,
    ) -> None:
        """Before you pay: parameters, memory, disk, tokens a second and days of a recipe on some hardware.

        Examples: `lilm plan h100 --recipe tinyllama-ja` · `lilm plan rtx3090x2 --recipe seed-2023` · `lilm plan here`
        """
        from lilm.pipeline.forecast import Times
        from lilm.pipeline.hashing import write_json
        from lilm.progress import Reporter
        from lilm.train.plan.show import show_plan

        loaded, _ = load_run(recipe, None)
        figures = show_plan(loaded, hardware, Reporter(), count, tokens, zero)
        if hardware == "here" and count is tokens is zero is None:
            Times.of_machine().note("pretrain", loaded, figures["days"] * 86_400)
        if json_file is not None:
            write_json(json_file, figures)

    @groups["tokenizer"].command()
    def report(
        others: Annotated[list[Path] | None, typer.Argument(metavar="[OTHER]...", help="Tokenizers beside it.")] = None,
        recipe: RecipeOption = "",
        run_dir: RunOption = None,
    ) -> None:
        """What the vocabulary buys: characters a token, dead pieces, what each 1,000 pieces save and weigh.

        Example: `lilm tokenizer report --run runs/quickstart other/tokenizer.model`
        """
        from lilm.progress import Reporter
        from lilm.train.tokenizer.report.command import report_run

        loaded, folder = load_run(recipe, run_dir)
        report_run(folder, loaded, others or [], Reporter())
        typer.echo(folder / "reports" / "tokenizer.html")

    @groups["tokenizer"].command("compare-init")
    def compare(
        steps: Annotated[int, typer.Option(help="Training steps of each trial.")] = 50,
        recipe: RecipeOption = "",
        run_dir: RunOption = None,
    ) -> None:
        """Train from each way to begin the new embeddings, for some steps, and plot what comes of it.

        Example: `lilm tokenizer compare-init --run runs/quickstart --steps 50`
        """
        from lilm.progress import Reporter
        from lilm.train.pretrain.compare import compare_init

        loaded, folder = load_run(recipe, run_dir)
        compare_init(folder, loaded, steps, Reporter())
        typer.echo(folder / "reports" / "compare-init.html")

    @groups["tokenizer"].command("compare-sizes")
    def sizes(
        sizes: Annotated[str, typer.Option(help="Numbers of new pieces to try.")] = "0,2000,8000,18700",
        minutes: Annotated[float, typer.Option(help="Minutes of computing for each.")] = 10.0,
        steps: Annotated[int, typer.Option(help="Instead: as long as so many steps take with the fewest pieces.")] = 0,
        recipe: RecipeOption = "",
        run_dir: RunOption = None,
    ) -> None:
        """How many new pieces are worth it? Short pilots on your text, equal seconds for each, and what each weighs.

        Example: `lilm tokenizer compare-sizes --run runs/quickstart --sizes 0,500,1500 --minutes 1`
        """
        from lilm.errors import LilmError
        from lilm.progress import Reporter
        from lilm.train.pretrain.compare_sizes import compare_sizes

        try:
            wanted = [int(size) for size in sizes.split(",")]
        except ValueError as error:
            raise LilmError(f"{sizes!r}", where="--sizes", remedy="give numbers of pieces, like 0,2000,8000") from error
        loaded, folder = load_run(recipe, run_dir)
        compare_sizes(folder, loaded, Reporter(), wanted, minutes, steps)
        typer.echo(folder / "reports" / "compare-sizes.html")

    @groups["pretrain"].command()
    def rank(
        steps: Annotated[int, typer.Option(help="Training steps of the pilot and of each rank.")] = 100,
        recipe: RecipeOption = "",
        run_dir: RunOption = None,
    ) -> None:
        """Which LoRA rank? A short pilot with all parameters, its change by rank, and what each rank reaches.

        Example: `lilm pretrain rank --run runs/quickstart --steps 100`
        """
        from lilm.progress import Reporter
        from lilm.train.pretrain.rank import rank_report

        loaded, folder = load_run(recipe, run_dir)
        rank_report(folder, loaded, Reporter(), steps)
