"""The command line. Each command imports what it needs only when it is called, so `--help` answers at once."""

import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from lilm import __version__
from lilm.commands import add_commands
from lilm.errors import LilmError
from lilm.stage import STAGES
from lilm.wasm_commands import add_wasm_commands

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="""Text in your language and an English Llama in; a model for phones and browsers out.

    Examples:

    - `lilm run --recipe quickstart` — everything, on made-up stories, in minutes

    - `lilm init my-model --recipe tinyllama-ja` — a recipe to edit; then `cd my-model && lilm run`

    - `lilm serve runs/quickstart` — the page; `lilm chat runs/quickstart/export/model-Q4_K_M.gguf` — Gradio
    """,
)

RecipeOption = Annotated[
    str, typer.Option("--recipe", help="A shipped recipe's name or a lilm.toml. Default: RUN/lilm.toml or ./lilm.toml.")
]
RunOption = Annotated[
    Path | None,
    typer.Option("--run", help="Run folder. Default: the one that you are in, runs/NAME, or `run` beside lilm.toml."),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Run again what is up to date.")]

TYPERS_CODE = 130  # typer ends so, and says nothing, where a KeyboardInterrupt comes through


def _load(recipe: str, run_dir: Path | None) -> tuple[Any, Path]:
    """(recipe, run folder) from the two options and what lies in the current folder."""
    from lilm.recipe import load_recipe
    from lilm.runner import LOCK

    if not recipe:
        found = [path for path in ((run_dir or Path()) / "lilm.toml", Path("lilm.toml")) if path.is_file()]
        if not found:
            raise LilmError(
                "no lilm.toml here",
                where=str(Path.cwd()),
                remedy="`lilm init DIR` writes one, or give --recipe quickstart",
            )
        recipe = str(found[0])
    loaded = load_recipe(recipe)
    if run_dir is None:
        path = Path(recipe)
        if path.suffix != ".toml":
            run_dir = Path("runs") / loaded.name
        else:  # a run folder's own recipe is the one that it remembers
            run_dir = path.parent if (path.parent / LOCK).is_file() else path.parent / "run"
    return loaded, run_dir


@app.command()
def run(
    recipe: RecipeOption = "",
    run_dir: RunOption = None,
    first: Annotated[str | None, typer.Option("--from", help="First stage.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last stage.")] = None,
    force: ForceOption = False,
    explain_only: Annotated[bool, typer.Option("--explain", help="Only say what would run, and why.")] = False,
    any_code: Annotated[
        bool, typer.Option("--any-code", help="What is done stays done, though LiLM has changed since it was made.")
    ] = False,
) -> None:
    """Run all stages, or those from --from to --to; what is up to date is skipped, what was killed goes on.

    Examples: `lilm run --recipe quickstart` · `lilm run --from export` · `lilm run --to corpus --force` ·
    `lilm run --explain`
    """
    from rich.console import Console

    from lilm.export.bench.summary import show_summary
    from lilm.progress import Reporter
    from lilm.runner import chosen_stages, explain, run_stages

    stages = chosen_stages(first, last)
    loaded, folder = _load(recipe, run_dir)
    if explain_only:
        explain(loaded, folder, stages, Reporter(), any_code)
        return
    run_stages(loaded, folder, stages, Reporter(), force, any_code)
    show_summary(folder, Console())


def _add_stage(name: str, summary: str) -> typer.Typer:
    group = typer.Typer(help=f"Stage: {summary}.", invoke_without_command=True)

    @group.callback()
    def one(
        context: typer.Context, recipe: RecipeOption = "", run_dir: RunOption = None, force: ForceOption = False
    ) -> None:
        if context.invoked_subcommand is None:
            _run_one(name, recipe, run_dir, force)

    one.__doc__ = (
        f"Stage {name}: {summary}. The stages before it must be done.\n\nExample: `lilm {name} --run runs/quickstart`"
    )
    app.add_typer(group, name=name)
    return group


def _run_one(name: str, recipe: str, run_dir: Path | None, force: bool) -> None:
    from lilm.progress import Reporter
    from lilm.runner import run_stages
    from lilm.stage import stage_named

    loaded, folder = _load(recipe, run_dir)
    run_stages(loaded, folder, [stage_named(name)], Reporter(), force)


_groups = {stage.name: _add_stage(stage.name, stage.summary) for stage in STAGES if stage.name != "bench"}

add_commands(app, _groups, _load)
add_wasm_commands(_groups["wasm"])


@_groups["corpus"].command()
def inspect(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A file of text, or FILE:N for its Nth record.")],
    recipe: Annotated[str, typer.Option("--recipe", help="Whose rules: a shipped recipe or a lilm.toml.")] = "",
    lang: Annotated[str, typer.Option("--lang", help="Language, for a file that is none of the recipe's.")] = "ja",
) -> None:
    """What each rule of the corpus says of one document.

    Examples: `lilm corpus inspect page.html` · `lilm corpus inspect dump.jsonl.zst:1203 --recipe tinyllama-ja`
    """
    from rich.console import Console

    from lilm.recipe import load_recipe
    from lilm.train.corpus.inspect import inspect_file

    loaded = load_recipe(recipe or ("lilm.toml" if Path("lilm.toml").is_file() else "quickstart"))
    raise typer.Exit(0 if inspect_file(file, loaded.corpus, lang, Console()) else 1)


@app.command()
def bench(
    name: Annotated[str, typer.Argument(help="A benchmark; without one, the stage `bench` is run.")] = "",
    recipe: RecipeOption = "",
    run_dir: RunOption = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder with real text, for benchmarks that use it.")
    ] = None,
    shape: Annotated[
        str,
        typer.Option(
            "--shape",
            help="train: small or tinyllama (a GPU of 80 GB); gpu: tinyllama, tiny; browser: m110, tinyllama.",
        ),
    ] = "",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")] = None,
    device: Annotated[str, typer.Option(help="gpu: cuda, or cpu with --shape tiny, to try it.")] = "",
    base: Annotated[
        Path | None, typer.Option(help="gpu: folder of a base stage; random weights when not given.")
    ] = None,
    tokens: Annotated[Path | None, typer.Option(help="gpu: folder of a pack stage; made up when not given.")] = None,
    minutes: Annotated[
        float, typer.Option(help="gpu: minutes in all, 8 when not given; real: of training, 60 when not given.")
    ] = 0,
    variants: Annotated[str, typer.Option(help="real: more contenders, with commas: lora, mean, averaged, …")] = "",
    choose_rates: Annotated[bool, typer.Option("--choose-rates", help="real: try three rates for each.")] = False,
    skip: Annotated[str, typer.Option(help="real: leave out some of tokenizer, files, page.")] = "",
    markdown: Annotated[Path | None, typer.Option(help="real: write the results as a page to this file.")] = None,
    inputs: Annotated[int, typer.Option(help="faults: spoilt inputs in all, 5,000 when not given.")] = 0,
    kills: Annotated[int, typer.Option(help="kills: how many, 100 when not given.")] = 0,
    seed: Annotated[int, typer.Option(help="faults: other inputs for another seed; kills: other moments.")] = 0,
    kinds: Annotated[str, typer.Option(help="faults: only these kinds of files, with commas.")] = "",
    force: ForceOption = False,
) -> None:
    """Stage: measure quality against size. With NAME: one of LiLM's own benchmarks.

    Examples: `lilm bench --run runs/quickstart` · `lilm bench stages --recipe quickstart --json stages.json` ·
    `lilm bench corpus --data texts` · `lilm bench gpu --json gpu.json` ·
    `lilm bench real --data texts --json real.json`
    """
    if not name:
        _run_one("bench", recipe, run_dir, force)
        return
    from lilm.export.bench.benchmarks import run_benchmark
    from lilm.hashing import write_json
    from lilm.progress import Reporter

    options = {"recipe": recipe, "run_dir": run_dir, "data": data, "shape": shape, "minutes": minutes}
    options |= {"device": device, "base": base, "tokens": tokens}
    options |= {"variants": variants, "choose_rates": choose_rates, "skip": skip, "markdown": markdown}
    options |= {"inputs": inputs, "seed": seed, "kinds": kinds, "kills": kills}
    figures = run_benchmark(name, Reporter(), json_file, **{key: value for key, value in options.items() if value})
    if json_file is not None:
        write_json(json_file, figures)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to make.")],
    recipe: Annotated[str, typer.Option("--recipe", help="Shipped recipe to start from.")] = "quickstart",
) -> None:
    """Write a recipe to edit.

    Example: `lilm init my-model --recipe tinyllama-ja`
    """
    from lilm.recipe import recipe_text

    text = recipe_text(recipe)
    path = folder / "lilm.toml"
    if path.exists():
        raise LilmError("there is one already", where=str(path), remedy="edit it, or give another folder")
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    typer.echo(f"wrote {path}; edit it, then: cd {folder} && lilm run")


@app.command()
def recipes() -> None:
    """List the shipped recipes."""
    from lilm.recipe import shipped_recipes

    for name, text in shipped_recipes().items():
        typer.echo(f"{name:15} {text.splitlines()[0].lstrip('# ')}")


@app.command()
def doctor(json_out: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False) -> None:
    """What is found, missing or too old on this machine, and the command that mends it."""
    from lilm.doctor import show_findings

    raise typer.Exit(show_findings(json_out))


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
) -> None:
    """Chat with a GGUF file in a local Gradio page (127.0.0.1).

    Example: `lilm chat runs/quickstart/export/model-Q4_K_M.gguf`
    """
    from lilm.demo.chat import launch

    launch(model, port)


@app.callback(invoke_without_command=True)
def options(version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Entry point: a LilmError is one line and exit code 2; anything else keeps its traceback."""
    # OpenMP reads it when torch loads: threads that spin while a neighbour works made training 4 times slower
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # cmake and ninja lie beside python, also when the venv was not activated
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    stopped = _stop_by_signals()
    try:
        app()
    except LilmError as error:
        typer.echo(f"lilm: {error.line()}", err=True)
        sys.exit(2)
    except SystemExit as end:
        if end.code != TYPERS_CODE or not stopped:
            raise
        typer.echo("lilm: stopped; the same command goes on from here", err=True)
        sys.exit(128 + stopped[0])


def _stop_by_signals() -> list[int]:
    """Let Ctrl-C and SIGTERM end the work in the same way, so that child processes and temporary folders go with it.
    Returns the list that the signals come into."""
    stopped: list[int] = []

    def stop(number: int, frame: object) -> None:
        stopped.append(number)
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup and others want it ignored
            signal.signal(number, stop)
    return stopped


if __name__ == "__main__":
    main()
