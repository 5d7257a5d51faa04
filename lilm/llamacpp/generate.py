"""`lilm generate`: a text for each of many prompts, in a file that a stopped run goes on with."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import takewhile
from pathlib import Path
from typing import Any

from lilm.disk import file_version, write_atomic
from lilm.errors import LilmError
from lilm.gguf_parts import parts_of
from lilm.llamacpp.answers import MAX_SEED, Order
from lilm.llamacpp.chat import ChatEngine, Unanswerable
from lilm.llamacpp.prompts import Prompt
from lilm.pipeline.hashing import sha256_json
from lilm.progress import Reporter


def generate(
    model: Path,
    prompts: Sequence[Prompt],
    order: Order,
    out: Path,
    reporter: Reporter,
    *,
    n_ctx: int = 4096,
    threads: int = 0,
    lora: Path | None = None,
    force: bool = False,
) -> int:
    """Write a JSON object a line to `out`, in the prompts' order: what was given, text, tokens, finish_reason, seed.

    The n-th prompt (from 0) has the seed order.seed + n, and its text depends on nothing else that was asked. A prompt
    that the model cannot take has finish_reason "refused" and the reason as "error". Records are kept in `out`.kept
    until the last is there, and are taken from there when the same is asked for again. force: write over `out`, and
    over what is kept of something else. Returns how many were refused. Raises LilmError when either is there, or `out`
    cannot be written, before any work, and when the model cannot be used.
    """
    if out.is_dir():
        raise LilmError("a folder", where=str(out), remedy="give the file to write: --out answers.jsonl")
    if out.exists() and not force:
        raise LilmError("it is there already", where=str(out), remedy="give another --out, or --force to write it anew")
    if not out.parent.is_dir():
        raise LilmError("no such folder", where=str(out.parent), remedy="make it, or give another --out")
    chats = any(not isinstance(prompt.asked, str) for prompt in prompts)
    with ChatEngine(model, n_ctx=n_ctx, threads=threads, lora=lora, template=chats) as engine:
        files = [path for one in (model, lora) if one is not None for path in parts_of(one)]
        made_of = {
            "files": [[path.name, file_version(path)] for path in files],
            "order": asdict(order),
            "context": [engine.n_ctx, threads],
            "prompts": [prompt.asked for prompt in prompts],
            "given": [prompt.given for prompt in prompts],
        }
        kept = out.with_name(out.name + ".kept")
        lines = _begin(kept, sha256_json(made_of), force)
        if lines:
            reporter.say(f"  {len(lines)} of {len(prompts)} texts are there already")
        bar = reporter.bar("texts", len(prompts), len(lines))
        with kept.open("a", encoding="utf-8", newline="") as file, bar as progress:
            for number in range(len(lines), len(prompts)):
                seed = (order.seed + number) % (MAX_SEED + 1)
                record = _record(engine, prompts[number], replace(order, seed=seed, slide=False, fresh=True))
                lines.append(json.dumps(record, ensure_ascii=False))
                file.write(lines[-1] + "\n")
                file.flush()
                progress.advance(note=f"{record['tokens']} tokens")
    write_atomic(out, "".join(line + "\n" for line in lines))
    kept.unlink()
    return sum(json.loads(line)["finish_reason"] == "refused" for line in lines)


def _begin(kept: Path, fingerprint: str, force: bool) -> list[str]:
    """The whole records that a stopped run of the same left in `kept`, which then has them and no torn one.

    Raises LilmError for a file of other records, which may have taken hours, unless they may go by `force`.
    """
    head = json.dumps({"fingerprint": fingerprint})
    found = kept.read_text(encoding="utf-8", errors="replace").split("\n")[:-1] if kept.is_file() else []
    lines = list(takewhile(_is_json, found[1:])) if found[:1] == [head] else []
    if len(found) > 1 and found[0] != head and not force:
        what = f"it keeps {len(found) - 1} texts of other prompts, options or files"
        remedy = "ask for the same again to go on with them; or give another --out, or --force to lose them"
        raise LilmError(what, where=str(kept), remedy=remedy)
    try:
        write_atomic(kept, "".join(line + "\n" for line in (head, *lines)))
    except OSError as error:
        raise LilmError(
            f"cannot be written ({error.strerror})", where=str(kept), remedy="give another --out"
        ) from error
    return lines


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _record(engine: ChatEngine, prompt: Prompt, order: Order) -> dict[str, Any]:
    answer = engine.write(prompt.asked, order)
    try:
        text = "".join(answer)
    except Unanswerable as error:
        return {
            **prompt.given,
            "text": "",
            "tokens": 0,
            "finish_reason": "refused",
            "seed": order.seed,
            "error": error.what,
        }
    if answer.outcome is None:
        raise RuntimeError("the child ended a text without saying how")
    told = {"tokens": answer.outcome.tokens, "finish_reason": answer.outcome.finish, "seed": order.seed}
    return {**prompt.given, "text": text if isinstance(prompt.asked, str) else text.strip(), **told}
