"""The runtimes that talk: llama.cpp natively, and its build for browsers in node and in Chromium."""

from collections.abc import Callable, Sequence
from pathlib import Path

from lilm.chat import Message
from lilm.llamacpp.engine import Engine
from lilm.temporary import temporary_folder
from lilm.wasm.build import BuiltCore
from lilm.wasm.verify.chats import N_CTX, chats_in_chromium
from lilm.wasm.verify.node import run_node

Runtime = Callable[[Path, Sequence[Sequence[Message]]], list[list[int]]]
"""Of a GGUF file and chats: the ids of each chat up to where the answer begins."""

NAMES = ("native", "node", "chromium")


def in_native(gguf: Path, chats: Sequence[Sequence[Message]]) -> list[list[int]]:
    with Engine(gguf, n_ctx=N_CTX, threads=1) as engine:
        return [engine.tokenize_chat(chat) for chat in chats]


def runtimes(core: BuiltCore | None, skip: Sequence[str] = ()) -> dict[str, Runtime]:
    """Those of NAMES that are not in `skip`, by name. core: the build with threads; without one, native alone."""
    if core is None:
        return {} if "native" in skip else {"native": in_native}

    def in_node(gguf: Path, chats: Sequence[Sequence[Message]]) -> list[list[int]]:
        with temporary_folder("talk") as made:
            core.copy_to(made / core.variant)
            return run_node(gguf, made, [], chats=chats, threads=1, n_ctx=N_CTX, n_batch=N_CTX).chats

    def in_chromium(gguf: Path, chats: Sequence[Sequence[Message]]) -> list[list[int]]:
        return chats_in_chromium(gguf, core, chats)

    found: tuple[Runtime, ...] = (in_native, in_node, in_chromium)
    return {name: one for name, one in zip(NAMES, found, strict=True) if name not in skip}
