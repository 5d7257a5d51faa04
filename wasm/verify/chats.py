"""Tokens of chats by the browser's runtime, in a page in Chromium."""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from lilm.chat import Message
from lilm.disk import link_or_copy
from lilm.errors import LilmError
from lilm.pipeline.hashing import write_json
from lilm.temporary import temporary_folder
from lilm.wasm.build import BuiltCore
from lilm.wasm.javascript import copy_runtime
from lilm.wasm.limits import usable_bytes
from lilm.wasm.verify.chromium import ask_page, serving

PAGE = ("chats.html", "chats.mjs", "chats_worker.mjs")
N_CTX = 64  # tokens; nothing is evaluated


def chats_in_chromium(gguf: Path, core: BuiltCore, chats: Sequence[Sequence[Message]]) -> list[list[int]]:
    """Ids of each chat up to where the answer begins, by the file's own template. core: the build with threads.

    Raises LilmError when Chromium is missing or does not start, and for what the runtime refuses.
    """
    sizes = {"n_ctx": N_CTX, "n_batch": N_CTX, "kv_type": "f16", "threads": 1}
    table = {**sizes, "limits": {core.variant: usable_bytes(core.variant)}, "variants": [core.variant], "models": {}}
    with temporary_folder("chats") as root:
        for page in PAGE:
            (root / page).write_bytes((files("lilm.wasm") / "page" / page).read_bytes())
        copy_runtime(root / "runtime")
        core.copy_to(root / core.variant)
        link_or_copy(gguf, root / gguf.name)
        write_json(root / "memory.json", table)
        write_json(root / "chats.json", [list(chat) for chat in chats])
        with serving(root) as server:
            answer = ask_page(server, PAGE[0], {"model": gguf.name, "n_ctx": N_CTX})
    if "failed" in answer:
        raise LilmError(f"in Chromium: {answer['failed']}", where=str(gguf), remedy="try it by hand: `lilm serve`")
    found: list[list[int]] = answer["chats"]
    return found
