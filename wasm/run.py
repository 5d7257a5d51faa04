"""A GGUF goes on with a text, by the browser's llama.cpp in node or as a WASI program; text is written as it comes."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lilm.errors import LilmError
from lilm.gguf_file import open_part
from lilm.llamacpp.engine import check_gguf
from lilm.progress import Reporter
from lilm.temporary import temporary_folder

N_CTX = 2048


def run_model(
    gguf: Path, text: str, *, chat: bool, wasi: bool, sampling: Mapping[str, Any], reporter: Reporter
) -> None:
    """chat: `text` is a message to answer, else what to go on with. sampling: n_predict, temperature, seed.

    Raises LilmError for what is no GGUF, for a chat without a template, and when node, wasmtime or a compiler is
    missing.
    """
    check_gguf(gguf)
    open_part(gguf)  # what is broken is refused before anything is built
    if wasi:
        tokens, seconds = _in_wasmtime(gguf, text, chat, sampling, reporter)
    else:
        tokens, seconds = _in_node(gguf, text, chat, sampling, reporter)
    sys.stdout.write("\n")
    sys.stdout.flush()
    reporter.say(f"{tokens} tokens, {tokens / max(seconds, 1e-9):.1f} a second")


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _in_wasmtime(
    gguf: Path, text: str, chat: bool, sampling: Mapping[str, Any], reporter: Reporter
) -> tuple[int, float]:
    from lilm.wasm.wasi.build import build_wasi
    from lilm.wasm.wasi.run import Sampling, run_wasi

    prompt = chat_prompt(gguf, text) if chat else [text]
    done = run_wasi(build_wasi(reporter), gguf, prompt, Sampling(**sampling), on_text=_write)
    return done.tokens, done.seconds


def _in_node(gguf: Path, text: str, chat: bool, sampling: Mapping[str, Any], reporter: Reporter) -> tuple[int, float]:
    from lilm.wasm.build import build_variant
    from lilm.wasm.verify.node import run_node

    core = build_variant("threads", reporter)
    with temporary_folder("node") as made:
        core.copy_to(made / core.variant)
        asked = {"messages": [{"role": "user", "content": text}]} if chat else {"prompt": text}
        runs = [{**asked, **sampling}]
        answer = run_node(gguf, made, runs, variant=core.variant, n_ctx=N_CTX, on_text=_write)
    return len(answer.runs[0].ids), answer.runs[0].seconds


def chat_prompt(gguf: Path, message: str) -> list[str | int]:
    """The prompt that the GGUF's own template makes of one user message: texts, and ids of special tokens.

    Raises LilmError when the file has no template, or a broken one.
    """
    from lilm.chat.files import read_format
    from lilm.chat.rendering import TemplateFailure
    from lilm.chat.template import ChatTemplate
    from lilm.chat.tokens import stretches

    found = read_format(gguf)
    if found.template is None:
        raise LilmError("no chat template in it", where=str(gguf), remedy="use --prompt")
    template = ChatTemplate(found.template, found.tokens, str(gguf))
    try:
        parts = template.prompt([{"role": "user", "content": message}])
    except TemplateFailure as error:
        raise LilmError(error.what, where=str(gguf), remedy="use --prompt") from error
    return stretches(parts, found.special)
