"""A GGUF goes on with a text, by the browser's llama.cpp in node or as a WASI program; text is written as it comes."""

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lilm.errors import LilmError
from lilm.llamacpp.engine import check_gguf
from lilm.progress import Reporter

N_CTX = 2048


def run_model(
    gguf: Path, text: str, *, chat: bool, wasi: bool, sampling: Mapping[str, Any], reporter: Reporter
) -> None:
    """chat: `text` is a message to answer, else what to go on with. sampling: n_predict, temperature, seed.

    Raises LilmError for what is no GGUF, for a chat without a template, and when node, wasmtime or a compiler is
    missing.
    """
    check_gguf(gguf)
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

    prompt = render_chat(gguf, text) if chat else text
    done = run_wasi(build_wasi(reporter), gguf, prompt, Sampling(**sampling), on_text=_write)
    return done.tokens, done.seconds


def _in_node(gguf: Path, text: str, chat: bool, sampling: Mapping[str, Any], reporter: Reporter) -> tuple[int, float]:
    from lilm.wasm.build import build_variant
    from lilm.wasm.node import run_node

    core = build_variant("threads", reporter)
    with tempfile.TemporaryDirectory(prefix="lilm-node-") as name:
        core.copy_to(Path(name) / core.variant)
        asked = {"messages": [{"role": "user", "content": text}]} if chat else {"prompt": text}
        runs = [{**asked, **sampling}]
        answer = run_node(gguf, Path(name), runs, variant=core.variant, n_ctx=N_CTX, on_text=_write)
    return len(answer.runs[0].ids), answer.runs[0].seconds


def render_chat(gguf: Path, message: str) -> str:
    """The prompt that the GGUF's own template makes of one user message, without the token that begins every text.

    Raises LilmError when the file has no template, or a broken one.
    """
    from gguf import GGUFReader
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    fields = GGUFReader(gguf).fields
    if "tokenizer.chat_template" not in fields:
        raise LilmError("no chat template in it", where=str(gguf), remedy="use --prompt")
    tokens = fields["tokenizer.ggml.tokens"]

    def token(key: str) -> str:
        field = fields.get(f"tokenizer.ggml.{key}_token_id")
        return str(tokens.contents(int(field.contents()))) if field is not None else ""

    bos = token("bos")
    try:
        template = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True).from_string(
            str(fields["tokenizer.chat_template"].contents())
        )
        prompt = template.render(
            messages=[{"role": "user", "content": message}],
            add_generation_prompt=True,
            bos_token=bos,
            eos_token=token("eos"),
        )
    except TemplateError as error:
        raise LilmError(f"its chat template is broken ({error})", where=str(gguf), remedy="use --prompt") from error
    return prompt.removeprefix(bos)
