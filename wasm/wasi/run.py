"""A GGUF in wasmtime: text goes on, on one thread, in a program that sees nothing but the model's folder."""

import importlib.util
import json
import re
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from lilm.child import child_command
from lilm.errors import LilmError
from lilm.llamacpp.engine import check_gguf
from lilm.wasm.wasi.build import INSTALL

_HALF_A_PAIR = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Sampling:
    """llama.cpp's names and values, but for repeat_penalty. temperature 0 takes the most likely token."""

    n_predict: int = 128
    temperature: float = 0.8
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    repeat_penalty: float = 1.1
    seed: int = 0


@dataclass(frozen=True)
class WasiRun:
    text: str
    prompt_tokens: int
    prompt_seconds: float
    tokens: int
    seconds: float


def run_wasi(
    program: Path,
    gguf: Path,
    prompt: Sequence[str | int],
    sampling: Sampling = Sampling(),
    n_ctx: int = 2048,
    on_text: Callable[[str], object] | None = None,
) -> WasiRun:
    """Go on with `prompt`: texts, and ids of special tokens between them. on_text: told the text as it comes.

    In a text no special token is looked for.

    Raises LilmError when wasmtime is not installed, and for what the program says.
    """
    if importlib.util.find_spec("wasmtime") is None:
        raise LilmError("the package wasmtime is not installed", remedy=INSTALL)
    check_gguf(gguf)
    one = sampling
    values = (one.n_predict, one.temperature, one.top_k, one.top_p, one.min_p, one.repeat_penalty, one.seed)
    command = [*child_command("lilm.wasm.wasi.child"), str(program), str(gguf.absolute()), str(n_ctx)]
    command += map(str, values)
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    ) as process:
        try:
            asked, answered = cast(IO[str], process.stdin), cast(IO[str], process.stdout)
            with suppress(BrokenPipeError):  # it ended before it had read a long prompt, and says why
                asked.write("".join(map(_written, prompt)))
                asked.close()
            text = ""
            while part := answered.read(1):
                text += part
                if on_text is not None:
                    on_text(part)
            said = cast(IO[str], process.stderr).read().strip().splitlines()
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0 or not said:
        what = next((line for line in said if line.startswith("error: ")), (said or ["it says nothing"])[-1])
        raise LilmError(
            what.removeprefix("error: "),
            where=str(gguf),
            remedy="shorten the prompt, take a smaller model, or try `--node`",
        )
    return WasiRun(text, **json.loads(said[-1]))


def _written(stretch: str | int) -> str:
    """Returns it as main.cpp reads it. Half a surrogate pair, as which Python has a broken byte of the command line,
    becomes U+FFFD, as in node."""
    if isinstance(stretch, int):
        return f"s {stretch}\n"
    text = _HALF_A_PAIR.sub("\ufffd", stretch)
    return f"t {len(text.encode())}\n{text}"
