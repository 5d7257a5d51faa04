"""The peak of the wasm memory that a model has in Chromium, to hold the reckoned one against."""

from pathlib import Path

from lilm.fit.browser import Use, browser_parts
from lilm.fit.measure import Peak
from lilm.fit.model import read_model
from lilm.fit.parts import context_length
from lilm.wasm.build import BuiltCore
from lilm.wasm.memory import plan_memory
from lilm.wasm.verify.in_chromium import verify_in_chromium


def chromium_peak(path: Path, core: BuiltCore, plain: BuiltCore, use: Use, n_ctx: int) -> tuple[Peak, int]:
    """Fill the context of the GGUF at `path` in a page: (its wasm memory, whose base is 0; the most bytes that the
    page's whole process took, with the browser's own and what it compiled).

    core, plain: as of verify_in_chromium. use: with the threads that really run.
    Raises LilmError when Chromium is missing or the model does not fit.
    """
    model = read_model(path)
    proof = verify_in_chromium(
        path,
        core,
        plain,
        plan_memory(model, use, n_ctx, str(path)),
        n_ctx=context_length(model.shape, n_ctx),
        n_batch=use.n_batch,
        threads=use.threads,
        kv_type=use.kv_type,
        watch_memory=True,
    )
    return Peak(0, proof.heap_top, browser_parts(model, use, n_ctx).total), proof.process_bytes
