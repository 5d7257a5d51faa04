"""The built core, and models that spell a known text."""

import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from lilm.cache import cache_dir
from lilm.chat import CHAT_TEMPLATE
from lilm.errors import LilmError
from lilm.pipeline.hashing import write_json
from lilm.progress import Reporter
from lilm.wasm.build import build_variant
from lilm.wasm.javascript import copy_runtime
from lilm.wasm.toolchain import Toolchain, find_toolchain, toolchains
from lilm.wasm.toolchain_fetch import fetch_toolchain
from lilm.wasm.verify.chromium import NAMES, ask_page, serving

SPELLED = "a é日🎉z"  # no byte twice: each token has one successor
FIRST = "S"
FETCHED = cache_dir() / "test-toolchain"  # not where commands look for one


@pytest.fixture(scope="session")
def wasm_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the stage makes it, with the threads build (from the user's cache after the first time)."""
    try:
        find_toolchain()
    except LilmError as error:
        pytest.skip(error.line())
    folder = tmp_path_factory.mktemp("wasm")
    build_variant("threads", Reporter(quiet=True)).copy_to(folder / "threads")
    return folder


@pytest.fixture(scope="session")
def newest() -> Toolchain:
    """An Emscripten with relaxed SIMD and Memory64: the one in use, or one fetched for the tests alone, once."""
    try:
        found = toolchains()[0]
        return found if found.relaxed_simd else find_toolchain(fetch_toolchain(FETCHED, Reporter(quiet=True)))
    except LilmError as error:
        pytest.skip(error.line())


PAGE = """<!doctype html><script type="module">
    const tell = (answer) => fetch("/result", {{ method: "POST", body: JSON.stringify(answer) }});
    try {{
      const {{ load }} = await import("./runtime/lilm.mjs");
      await tell(await (async () => {{ {script} }})());
    }} catch (error) {{
      await tell({{ failed: error.message }});
    }}
</script>"""


def ask_chromium(root: Path, table: dict[str, Any], script: str) -> dict[str, Any]:
    """What `script`, the body of an async function that has `load`, returns in a page beside the runtime. root: the
    folder to serve, which has the builds and models."""
    if not any(map(shutil.which, NAMES)):
        pytest.skip("no Chromium")
    copy_runtime(root / "runtime")
    write_json(root / "memory.json", table)
    (root / "index.html").write_text(PAGE.format(script=script))
    with serving(root) as server:
        answer = ask_page(server, "index.html", {}, patience=120)
    assert "failed" not in answer, answer["failed"]
    return answer


@pytest.fixture(scope="session")
def in_chromium() -> Callable[..., dict[str, Any]]:
    return ask_chromium


def write_llama(
    path: Path,
    *,
    pieces: list[tuple[str, int]],
    n_embd: int = 256,
    n_ff: int = 512,
    n_layer: int = 2,
    n_ctx_train: int = 2048,
    pooling: gguf.PoolingType | None = None,
    matrices: dict[str, np.ndarray] | None = None,
    kind: gguf.GGMLQuantizationType = gguf.GGMLQuantizationType.F32,
    keys: dict[str, str] | None = None,
) -> Path:
    """A Llama of one head. pieces: (text, token type) after <unk> <s> </s>. matrices: by name; the others are zero.
    keys: of the file, beside those of every model."""
    tokens = [("<unk>", 2), ("<s>", 3), ("</s>", 3), *pieces]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(n_layer)
    writer.add_context_length(n_ctx_train)
    writer.add_embedding_length(n_embd)
    writer.add_feed_forward_length(n_ff)
    writer.add_head_count(n_embd // 64)
    writer.add_head_count_kv(n_embd // 64)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(64)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([text.encode() for text, _ in tokens])
    writer.add_token_scores([-float(place) for place in range(len(tokens))])
    writer.add_token_types([kind for _, kind in tokens])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(CHAT_TEMPLATE)
    if pooling is not None:
        writer.add_pooling_type(pooling)
    for key, text in (keys or {}).items():
        writer.add_string(key, text)
    given = matrices or {}

    def add(name: str, *shape: int) -> None:
        value = given.get(name, np.zeros(shape, dtype=np.float32))
        if len(shape) == 1:
            writer.add_tensor(name, np.ones(shape, dtype=np.float32))
        elif kind == gguf.GGMLQuantizationType.F32:
            writer.add_tensor(name, value.astype(np.float32))
        else:
            block, size = gguf.GGML_QUANT_SIZES[kind]
            rows = np.zeros((shape[0], shape[1] // block * size), dtype=np.uint8)
            writer.add_tensor(name, rows, raw_dtype=kind)

    add("token_embd.weight", len(tokens), n_embd)
    add("output.weight", len(tokens), n_embd)
    add("output_norm.weight", n_embd)
    for layer in range(n_layer):
        add(f"blk.{layer}.attn_norm.weight", n_embd)
        add(f"blk.{layer}.ffn_norm.weight", n_embd)
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            add(f"blk.{layer}.{name}.weight", n_embd, n_embd)
        for name, shape in (("gate", (n_ff, n_embd)), ("up", (n_ff, n_embd)), ("down", (n_embd, n_ff))):
            add(f"blk.{layer}.ffn_{name}.weight", *shape)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


BYTES = [(f"<0x{byte:02X}>", 6) for byte in range(256)]


def write_speller(path: Path, cycle: bool, **options: Any) -> Path:
    """A model that after "S" spells SPELLED byte by byte, and then ends (or begins again at "S").

    Each token's embedding is a unit vector, all layers are zero, and a token's output row is its predecessor's vector.
    """
    pieces = [*BYTES, (FIRST, 1)]
    n_vocab, n_embd = len(pieces) + 3, 320
    spelled = [3 + 256, *(3 + byte for byte in SPELLED.encode()), 3 + 256 if cycle else 2]
    output = np.zeros((n_vocab, n_embd), dtype=np.float32)
    for one, next_one in pairwise(spelled):
        output[next_one, one] = 1
    output[3 + ord("q"), :] = 0.3  # everybody's second choice
    embedding = np.eye(n_vocab, n_embd, dtype=np.float32)
    matrices = {"token_embd.weight": embedding, "output.weight": output}
    return write_llama(path, pieces=pieces, n_embd=n_embd, matrices=matrices, **options)


@pytest.fixture(scope="session")
def llama_writer() -> Callable[..., Path]:
    return write_llama


@pytest.fixture(scope="session")
def speller_writer() -> Callable[..., Path]:
    return write_speller


@pytest.fixture(scope="session")
def spelled() -> str:
    """What a speller says after "S"."""
    return SPELLED


@pytest.fixture(scope="session")
def speller(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_speller(tmp_path_factory.mktemp("speller") / "speller.gguf", cycle=False)


@pytest.fixture(scope="session")
def endless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_speller(tmp_path_factory.mktemp("endless") / "endless.gguf", cycle=True)
