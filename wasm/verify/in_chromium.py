"""Does a model fit into its computed memory in a real browser?"""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from lilm.disk import link_or_copy
from lilm.errors import LilmError
from lilm.fit.model import read_model
from lilm.fit.parts import context_length
from lilm.gguf_parts import parts_of
from lilm.pipeline.hashing import write_json
from lilm.temporary import temporary_folder
from lilm.wasm.build import SMALLEST_MEMORY, BuiltCore
from lilm.wasm.javascript import copy_runtime
from lilm.wasm.limits import usable_bytes
from lilm.wasm.memory import MIB, Memory
from lilm.wasm.verify.chromium import ask_page, serving

PAGE = ("index.html", "verify.mjs")
PATIENCE = 120  # seconds for Chromium to start and to fill a context


@dataclass(frozen=True)
class BrowserProof:
    """filled: tokens in the context at the end. heap_bytes: size of the wasm memory then; heap_top: how much of it was
    in use at most. relaxed_simd: which of the two builds the browser took. process_bytes: the most memory that the
    page's process took, where it was watched."""

    filled: int
    heap_bytes: int
    heap_top: int
    relaxed_simd: bool
    process_bytes: int = 0


def verify_in_chromium(
    gguf: Path,
    core: BuiltCore,
    plain: BuiltCore,
    memory: Memory,
    *,
    n_ctx: int,
    n_batch: int,
    threads: int,
    kv_type: str = "f16",
    watch_memory: bool = False,
) -> BrowserProof:
    """Load `gguf` by the page's own runtime in Chromium within exactly `memory.initial_bytes`, and fill the context.

    core: the build to try; plain: the same variant's build without relaxed SIMD. watch_memory: of the page's
    process, with the model kept by the browser, as on any page.
    Raises LilmError when Chromium is missing or does not start, and when the model does not fit.
    """
    variant = plain.variant
    exactly = {"initial_bytes": memory.initial_bytes, "maximum_bytes": memory.initial_bytes}
    model = read_model(gguf)
    full = context_length(model.shape, n_ctx)
    table = {
        "n_ctx": n_ctx,
        "n_batch": n_batch,
        "kv_type": kv_type,
        "threads": threads,
        "limits": {variant: usable_bytes(variant)},
        "variants": [variant],
        "relaxed": [variant] if core.variant != variant else [],
        "models": {
            gguf.name: {
                "file_bytes": model.file_bytes,
                "n_ctx_train": full,
                variant: [{"n_ctx": full, **exactly}],
            }
        },
    }
    with temporary_folder("verify") as root:
        for page in PAGE:
            (root / page).write_bytes((files("lilm.wasm") / "page" / page).read_bytes())
        copy_runtime(root / "runtime")
        for one in {core.variant: core, variant: plain}.values():
            one.copy_to(root / one.variant)
        for part in parts_of(gguf):
            link_or_copy(part, root / part.name)
        write_json(root / "memory.json", table)
        with serving(root) as server:
            ask = {"model": gguf.name, "variant": variant, "threads": threads, "n_ctx": full}
            ask |= {"keep": "yes"} if watch_memory else {}
            answer = ask_page(server, "index.html", ask, patience=PATIENCE, watch_memory=watch_memory)
    computed = memory.initial_bytes
    if "failed" in answer or answer["heap_bytes"] > max(computed, SMALLEST_MEMORY):
        why = answer["failed"] if "failed" in answer else f"it took {answer['heap_bytes'] / MIB:.1f}"
        raise LilmError(
            f"in Chromium it does not fit the {computed / MIB:.1f} MiB computed for the {core.variant} build: {why}",
            where=str(gguf),
            remedy="set wasm.n_ctx to less",
        )
    return BrowserProof(
        answer["n_ctx_used"],
        answer["heap_bytes"],
        answer["heap_top"],
        answer["relaxed_simd"],
        answer.get("peak_bytes", 0),
    )
