"""`lilm bench`: the stage, and LiLM's own benchmarks."""

from pathlib import Path
from typing import Annotated, Any

import typer

from lilm.cli.options import ForceOption, JsonOption, RecipeOption, RunOption, to_file
from lilm.cli.stages import run_one


def register(app: typer.Typer) -> None:
    @app.command()
    def bench(
        name: Annotated[str, typer.Argument(help="A benchmark; without one, the stage `bench` is run.")] = "",
        runs: Annotated[list[Path] | None, typer.Argument(help="quant, chat: folders of finished runs.")] = None,
        recipe: RecipeOption = "",
        run_dir: RunOption = None,
        data: Annotated[
            Path | None,
            typer.Option("--data", help="Folder with real text, for benchmarks that use it; chat: real chats."),
        ] = None,
        shape: Annotated[
            str,
            typer.Option(
                "--shape",
                help="train: small or tinyllama (a GPU of 80 GB); gpu: tinyllama, tiny; browser: m110, tinyllama.",
            ),
        ] = "",
        json_file: JsonOption = None,
        device: Annotated[str, typer.Option(help="gpu: cuda, or cpu with --shape tiny, to try it.")] = "",
        base: Annotated[
            Path | None, typer.Option(help="gpu: folder of a base stage; random weights when not given.")
        ] = None,
        tokens: Annotated[
            Path | None, typer.Option(help="gpu: folder of a pack stage; made up when not given.")
        ] = None,
        minutes: Annotated[
            float,
            typer.Option(
                min=0, help="gpu: minutes in all, 8 if not given; real: of training, 60; chat: of the crowd, 2."
            ),
        ] = 0,
        variants: Annotated[str, typer.Option(help="real: more contenders, with commas: lora, mean, averaged, …")] = "",
        choose_rates: Annotated[
            str, typer.Option("--choose-rates", help="real: contenders to try three rates for, with commas, or all.")
        ] = "",
        skip: Annotated[
            str,
            typer.Option(
                help="real: leave out some of tokenizer, files, page; quant: some of generations, speed, browser; "
                "chat: some of native, node, chromium, crowd; types: native or browser."
            ),
        ] = "",
        markdown: Annotated[
            Path | None, typer.Option(help="real, chat, languages: write the results as a page.", callback=to_file)
        ] = None,
        inputs: Annotated[
            int, typer.Option(min=0, help="faults: spoilt inputs in all, 5,000; chat: conversations, 1,000.")
        ] = 0,
        injections: Annotated[int, typer.Option(min=0, help="chat: tries to forge a mark, 500 when not given.")] = 0,
        plain_base: Annotated[
            Path | None, typer.Option(help="chat: what the run's instruct base was tuned from; folder or GGUF.")
        ] = None,
        clients: Annotated[int, typer.Option(min=0, help="chat: visitors of the crowd, 20 when not given.")] = 0,
        kills: Annotated[int, typer.Option(min=0, help="kills: how many, 100 when not given.")] = 0,
        seed: Annotated[
            int, typer.Option(help="faults, chat: other inputs for another seed; kills: other moments.")
        ] = 0,
        kinds: Annotated[
            str, typer.Option(help="With commas; faults: only these kinds of files; languages: only these codes.")
        ] = "",
        pieces: Annotated[
            str,
            typer.Option(
                help="languages: numbers of new pieces to tell English by, with commas; 1000,3000,8000 when not given."
            ),
        ] = "",
        eval_tokens: Annotated[
            int, typer.Option(min=0, help="quant: held-out tokens of each language, 100,000 when not given.")
        ] = 0,
        n_ctx: Annotated[
            int, typer.Option(min=0, help="quant: context of the long windows, 1,024 when not given.")
        ] = 0,
        generations: Annotated[
            int,
            typer.Option(min=0, help="quant: free texts of each file; chat: answers of each run; 200 when not given."),
        ] = 0,
        n_predict: Annotated[
            int, typer.Option(min=0, help="quant: their longest, tokens; the page's when not given.")
        ] = 0,
        controls: Annotated[
            bool, typer.Option("--controls", help="quant: make files to compare with, and measure them too.")
        ] = False,
        questions: Annotated[
            Path | None, typer.Option(help="quant: a file of questions (JSON Lines or CSV), which each file answers.")
        ] = None,
        tasks: Annotated[
            str,
            typer.Option(
                help="quant: multiple choice, with commas: files of JCommonsenseQA or JMMLU, or tasks of "
                "lm-evaluation-harness (pip install 'lilm[eval]')."
            ),
        ] = "",
        limit: Annotated[int, typer.Option(min=0, help="quant: questions of each task, 1,000 when not given.")] = 0,
        record: Annotated[
            bool, typer.Option("--record", help="types: write the figures into LiLM's own data, for `lilm fit`.")
        ] = False,
        out: Annotated[
            Path | None, typer.Option(help="quant, chat: results' folder, else RUN/quant, RUN/chat.")
        ] = None,
        force: ForceOption = False,
    ) -> None:
        """Stage: measure quality against size. With NAME: one of LiLM's own benchmarks.

        Examples: `lilm bench --run runs/quickstart` · `lilm bench stages --recipe quickstart --json stages.json` ·
        `lilm bench corpus --data texts` · `lilm bench gpu --json gpu.json` ·
        `lilm bench real --data texts --json real.json` · `lilm bench quant runs/quickstart --json quant.json` ·
        `lilm bench chat runs/quickstart --data texts --json chat.json` · `lilm bench languages --json languages.json` ·
        `lilm bench types --json types.json`
        """
        if not name:
            run_one("bench", recipe, run_dir, force)
            return
        from lilm.cli.benchmarks import run_benchmark
        from lilm.pipeline.hashing import write_json
        from lilm.progress import Reporter

        options: dict[str, Any] = {
            "recipe": recipe,
            "run_dir": run_dir,
            "data": data,
            "shape": shape,
            "minutes": minutes,
        }
        options |= {"device": device, "base": base, "tokens": tokens}
        options |= {"variants": variants, "choose_rates": choose_rates, "skip": skip, "markdown": markdown}
        options |= {"runs": runs, "out": out, "eval_tokens": eval_tokens, "n_ctx": n_ctx, "generations": generations}
        options |= {"n_predict": n_predict, "controls": controls, "questions": questions}
        options |= {"tasks": tasks, "limit": limit}
        options |= {
            "inputs": inputs,
            "injections": injections,
            "seed": seed,
            "kinds": kinds,
            "pieces": pieces,
            "kills": kills,
            "clients": clients,
            "plain_base": plain_base,
            "record": record,
        }
        figures = run_benchmark(name, Reporter(), json_file, **{key: value for key, value in options.items() if value})
        if json_file is not None:
            write_json(json_file, figures)
