"""The peak that a model has in Chromium, to hold the reckoned one against."""

import tempfile
from pathlib import Path

import gguf
import numpy as np

from lilm.fit.browser import Use, browser_parts
from lilm.fit.measure import Peak
from lilm.fit.model import Model, read_model
from lilm.fit.parts import context_length
from lilm.wasm.build import BuiltCore
from lilm.wasm.memory import plan_memory
from lilm.wasm.verify.in_chromium import verify_in_chromium

WIDTH = 64  # of the next to empty model
N_CTX_EMPTY = 256


def chromium_peak(path: Path, core: BuiltCore, plain: BuiltCore, use: Use, n_ctx: int) -> Peak:
    """Fill the context of the GGUF at `path` in a page and read the most memory that its process took. The base is that
    of the same page with a next to empty model, without what that model is reckoned to take.

    core, plain: as of verify_in_chromium. use: with the threads that really run.
    Raises LilmError when Chromium is missing or the model does not fit.
    """
    with tempfile.TemporaryDirectory(prefix="lilm-peak-") as name:
        empty = write_empty(Path(name) / "empty.gguf")
        about = read_model(empty)
        taken = _watched(empty, about, core, plain, use, N_CTX_EMPTY)
        base = taken - browser_parts(about, use, N_CTX_EMPTY).total
    model = read_model(path)
    measured = _watched(path, model, core, plain, use, n_ctx)
    return Peak(base, measured, browser_parts(model, use, n_ctx).total)


def _watched(path: Path, model: Model, core: BuiltCore, plain: BuiltCore, use: Use, n_ctx: int) -> int:
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
    return proof.peak_bytes


def write_empty(path: Path) -> Path:
    """A Llama of one layer, of zeros, that spells bytes."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    kinds = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL, *[gguf.TokenType.BYTE] * 256]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_context_length(N_CTX_EMPTY)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(WIDTH)
    writer.add_head_count(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([piece.encode() for piece in pieces])
    writer.add_token_scores([0.0] * len(pieces))
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    matrices = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"]
    writer.add_tensor("token_embd.weight", np.zeros((len(pieces), WIDTH), dtype=np.float32))
    for norm in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{norm}.weight", np.ones(WIDTH, dtype=np.float32))
    for matrix in matrices:
        writer.add_tensor(f"blk.0.{matrix}.weight", np.zeros((WIDTH, WIDTH), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
