"""Runs a GGUF in node with the browser's own runtime: for verification, tests and `lilm wasm run`."""

import json
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from lilm.chat import Message
from lilm.errors import LilmError
from lilm.wasm.javascript import runtime_dir
from lilm.wasm.limits import usable_bytes
from lilm.wasm.toolchain import find_node


def runs_in_node(variant: str) -> bool:
    """Does this node have what the build needs: relaxed SIMD (node 21), 64-bit memory (node 24)?"""
    module = (runtime_dir() / "core.mjs").as_uri()
    script = f"import({json.dumps(module)}).then((core) => console.log(core.canRun({json.dumps(variant)})))"
    done = subprocess.run([str(find_node()), "-e", script], capture_output=True, text=True, check=False)
    return done.stdout.strip() == "true"


@dataclass(frozen=True)
class NodeRun:
    """One generation. ids: with the end token when one came. gaps: per id, the best logit minus the second best.

    seconds: of the generation, without the prompt. stop_reason: eos, length, context_full.
    """

    text: str
    ids: tuple[int, ...]
    gaps: tuple[float, ...]
    prompt_ids: tuple[int, ...]
    stop_reason: str
    prompt_seconds: float
    seconds: float


@dataclass(frozen=True)
class NodeAnswer:
    """stats: the runtime's, with `heap_top`: the highest heap address used, bytes. chats: tokens of each."""

    runs: tuple[NodeRun, ...]
    stats: dict[str, Any]
    chats: list[list[int]]


class WasmError(LilmError):
    """An error of the runtime; `kind` is one of runtime/errors.mjs's."""

    def __init__(self, kind: str, what: str, where: str) -> None:
        self.kind = kind
        super().__init__(what, where=where)


def run_node(
    gguf: Path,
    wasm_dir: Path,
    runs: Sequence[Mapping[str, object]],
    *,
    lora: Path | None = None,
    chats: Sequence[Sequence[Message]] = (),
    variant: str = "threads",
    threads: int = 2,
    n_ctx: int = 512,
    n_batch: int = 256,
    kv_type: str = "f16",
    memory: Mapping[str, int] | None = None,
    on_text: Callable[[str], object] | None = None,
    watched: tuple[Path, str] | None = None,
) -> NodeAnswer:
    """Load `gguf` in node and run each of `runs`, in order, in one context.

    wasm_dir: the folder that holds `<variant>/lilm-core.*`. runs: each with `prompt` (text), `messages` (chat)
    or `tokens`, and the sampling values of runtime/engine.mjs. lora: an adapter to use over the model.
    chats: to tokenise only, up to where the answer begins.
    memory: {initial_bytes, maximum_bytes} of the wasm memory; without it, it grows as needed. on_text: told the text as
    it comes. watched: a file, and what the names of the evaluation's steps must match to go into it, see run_node.mjs.
    Raises WasmError for what the runtime refuses, LilmError when node is missing or dies.
    """
    job = {
        "gguf": str(gguf.absolute()),
        **({"lora": str(lora.absolute())} if lora else {}),
        "base": wasm_dir.absolute().as_uri() + "/",
        "variant": variant.removesuffix("-relaxed"),
        "build": variant,
        "limit": usable_bytes(variant),
        "threads": threads if variant.startswith("threads") else 1,
        "n_ctx": n_ctx,
        "n_batch": n_batch,
        "kv_type": kv_type,
        "memory": dict(memory) if memory else None,
        "runs": [dict(run) for run in runs],
        "chats": [list(chat) for chat in chats],
        "stream": on_text is not None,
        **({"watched": str(watched[0]), "names": watched[1]} if watched else {}),
    }
    command = [str(find_node()), str(runtime_dir() / "run_node.mjs")]
    if on_text is None:
        done = subprocess.run(command, input=json.dumps(job), capture_output=True, text=True, check=False)
        code, out, said = done.returncode, done.stdout, done.stderr
    else:
        code, out, said = _streamed(command, json.dumps(job), on_text)
    try:
        answer = json.loads(out)
    except ValueError as error:
        last = (said.strip().splitlines() or ["nothing"])[-1]
        raise LilmError(f"node ended with code {code} and says: {last}", where=str(gguf)) from error
    if "error" in answer:
        raise WasmError(answer["error"]["kind"], answer["error"]["message"], str(gguf))
    return NodeAnswer(tuple(_node_run(run) for run in answer["runs"]), answer["stats"], answer["chats"])


def _streamed(command: Sequence[str], job: str, on_text: Callable[[str], object]) -> tuple[int, str, str]:
    """(exit code, standard output, standard error, which is the text as it comes)."""
    pipe = subprocess.PIPE
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as out,  # as a pipe it could fill up meanwhile
        subprocess.Popen(command, stdin=pipe, stdout=out, stderr=pipe, text=True, errors="replace") as process,
    ):
        try:
            asked, answered = cast(IO[str], process.stdin), cast(IO[str], process.stderr)
            asked.write(job)
            asked.close()
            said = ""
            while part := answered.read(1):
                said += part
                on_text(part)
            code = process.wait()
            out.seek(0)
            return code, out.read(), said
        except BaseException:
            process.kill()
            raise


def _node_run(run: Mapping[str, Any]) -> NodeRun:
    return NodeRun(
        text=run["text"],
        ids=tuple(run["ids"]),
        gaps=tuple(run["gaps"]),
        prompt_ids=tuple(run["prompt_ids"]),
        stop_reason=run["stop_reason"],
        prompt_seconds=run["prompt_seconds"],
        seconds=run["seconds"],
    )
