"""`lilm wasm build`, `toolchain` and `run`: what is around the stage."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from lilm.cli.options import Groups


def register(groups: Groups) -> None:
    group = groups["wasm"]

    @group.command()
    def build(
        folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the builds go, a folder for each.")],
        memory64: Annotated[bool, typer.Option("--memory64", help="One for more than 4 GiB too.")] = False,
    ) -> None:
        """Build llama.cpp for the browser: with threads and without, and with relaxed SIMD where Emscripten knows it.

        Examples: `lilm wasm build core` · `lilm wasm build core --memory64`
        """
        from lilm.progress import Reporter
        from lilm.wasm.build import build_variant, check_memory64
        from lilm.wasm.toolchain import find_toolchain
        from lilm.wasm.variants import MEMORY64, Variant, with_relaxed

        reporter, found = Reporter(), find_toolchain()
        if found.remark:
            reporter.say(found.remark)
        variants: tuple[Variant, ...] = ("threads", "single", *((MEMORY64,) if memory64 else ()))
        check_memory64(variants, found)
        for variant in with_relaxed(variants, found):
            build_variant(variant, reporter).copy_to(folder / variant)
            typer.echo(folder / variant)

    @group.command()
    def toolchain() -> None:
        """Fetch a new Emscripten (Debian's, about 800 MB on disk) into the cache; the machine stays as it is.

        Example: `lilm wasm toolchain`
        """
        from lilm.progress import Reporter
        from lilm.wasm.toolchain import toolchain_dir
        from lilm.wasm.toolchain_fetch import fetch_toolchain

        fetch_toolchain(toolchain_dir(), Reporter())
        typer.echo(toolchain_dir())

    @group.command()
    def run(
        model: Annotated[Path, typer.Argument(metavar="MODEL.gguf", help="A GGUF file.")],
        prompt: Annotated[str, typer.Option("--prompt", "-p", help="Text to go on with; else standard input.")] = "",
        chat: Annotated[str, typer.Option("--chat", help="A message to answer, by the model's chat template.")] = "",
        wasi: Annotated[bool, typer.Option("--wasi/--node", help="wasmtime and one thread, or node.")] = False,
        n_predict: Annotated[int, typer.Option("--n-predict", "-n", min=1, help="Tokens at most.")] = 128,
        temperature: Annotated[float, typer.Option(min=0, help="0: always the most likely token.")] = 0.8,
        seed: Annotated[int, typer.Option(min=0)] = 0,
    ) -> None:
        """Run a model by the browser's llama.cpp, in node, or in wasmtime as a WASI program (`lilm[wasi]`).

        Examples: `lilm wasm run model-Q4_K_M.gguf --chat こんにちは。` · `lilm wasm run model.gguf -p "Once" --wasi`
        """
        from lilm.errors import LilmError
        from lilm.progress import Reporter
        from lilm.wasm.run import run_model

        if prompt and chat:
            raise LilmError("--prompt and --chat are both given", where="lilm wasm run", remedy="give one of them")
        text = prompt or chat or sys.stdin.buffer.read().decode("utf-8", errors="replace")
        sampling = {"n_predict": n_predict, "temperature": temperature, "seed": seed}
        run_model(model, text, chat=bool(chat), wasi=wasi, sampling=sampling, reporter=Reporter())
