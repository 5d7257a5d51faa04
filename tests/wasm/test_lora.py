"""An adapter over its base, in the browser's llama.cpp: what native llama.cpp computes, from files and addresses."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest

from lilm.demo.chunks import chunk_list
from lilm.gguf_parts import ADAPTED
from lilm.llamacpp.engine import Engine
from lilm.llamacpp.probabilities import kl_divergence, log_softmax
from lilm.wasm.limits import usable_bytes
from lilm.wasm.verify.divergence import divergence
from lilm.wasm.verify.node import WasmError, run_node

N_EMBD, N_FF, N_LAYER, RANK = 256, 512, 2, 4
FIRST, OTHER = 3 + 256, 3 + ord("Z")  # the speller's first token, and the one that its adapter says behind it


def write_adapter(path: Path, matrices: dict[str, tuple[np.ndarray, np.ndarray]], adapted: str = "") -> Path:
    """matrices: by name, (a [rank, inputs], b [outputs, rank]). adapted: what names the base that it goes over."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, float(next(iter(matrices.values()))[0].shape[0]))
    if adapted:
        writer.add_string(ADAPTED, adapted)
    for name, (a, b) in matrices.items():
        writer.add_tensor(f"{name}.lora_a", a.astype(np.float16))
        writer.add_tensor(f"{name}.lora_b", b.astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory, llama_writer: Callable[..., Path]) -> tuple[Path, Path, Path]:
    """A random model, an adapter of all matrices of its layers, and one of a layer that it does not have."""
    folder, draw = tmp_path_factory.mktemp("drawn"), np.random.default_rng(0)
    shapes = dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_output"), (N_EMBD, N_EMBD))
    shapes |= {"ffn_gate": (N_FF, N_EMBD), "ffn_up": (N_FF, N_EMBD), "ffn_down": (N_EMBD, N_FF)}
    layers = {
        f"blk.{layer}.{name}.weight": draw.normal(0, shape[1] ** -0.5, shape)
        for layer in range(N_LAYER)
        for name, shape in shapes.items()
    }
    pieces = [(f"<0x{byte:02X}>", 6) for byte in range(256)]
    ends = {name: draw.normal(0, N_EMBD**-0.5, (259, N_EMBD)) for name in ("token_embd.weight", "output.weight")}
    model = llama_writer(folder / "m.gguf", pieces=pieces, matrices={**layers, **ends})
    over = {
        name: (draw.normal(0, 0.2, (RANK, matrix.shape[1])), draw.normal(0, 0.2, (matrix.shape[0], RANK)))
        for name, matrix in layers.items()
    }
    deeper = {name.replace("blk.1", "blk.7"): change for name, change in over.items()}
    return model, write_adapter(folder / "adapter.gguf", over), write_adapter(folder / "deeper.gguf", deeper)


def test_it_computes_what_native_llama_cpp_does(drawn: tuple[Path, Path, Path], wasm_dir: Path) -> None:
    model, adapter, _ = drawn
    tokens = [1, *(3 + number * 37 % 256 for number in range(80))]
    found = divergence(model, wasm_dir, [tokens], threads=2, lora=adapter)
    assert found.agrees and found.tokens == len(tokens)
    with Engine(model, n_ctx=128, threads=1) as engine:
        bare = log_softmax(engine.logits(tokens))
    with Engine(model, n_ctx=128, threads=1, lora=adapter) as engine:
        moved = kl_divergence(bare, log_softmax(engine.logits(tokens))).mean()
    assert moved > 100 * found.bound  # or an adapter that is not used would agree


def refusal(model: Path, lora: Path, wasm_dir: Path) -> WasmError:
    with pytest.raises(WasmError) as caught:
        run_node(model, wasm_dir, [{"prompt": "a", "n_predict": 1}], lora=lora)
    return caught.value


def test_what_does_not_go_over_the_model_is_named(
    drawn: tuple[Path, Path, Path], wasm_dir: Path, tmp_path: Path
) -> None:
    model, adapter, deeper = drawn
    wrong = refusal(model, deeper, wasm_dir)
    assert wrong.kind == "wrong_adapter" and "blk.7" in str(wrong)
    assert refusal(model, model, wasm_dir).kind == "wrong_adapter"
    short = tmp_path / "short.gguf"
    short.write_bytes(adapter.read_bytes()[:-5000])
    assert refusal(model, short, wasm_dir).kind == "truncated"
    short.write_bytes(b"no GGUF at all, but as long as the least of them")
    assert refusal(model, short, wasm_dir).kind == "not_a_gguf"


def test_over_another_base_it_is_refused(llama_writer: Callable[..., Path], wasm_dir: Path, tmp_path: Path) -> None:
    """Each matrix has the shape that it wants."""
    pieces = [(f"<0x{byte:02X}>", 6) for byte in range(256)]
    matrix = "blk.0.attn_q.weight", (np.ones((RANK, N_EMBD)), np.ones((N_EMBD, RANK)))
    adapter = write_adapter(tmp_path / "adapter.gguf", dict([matrix]), "a" * 64)
    own, other, none = (
        llama_writer(tmp_path / f"{at}.gguf", pieces=pieces, keys=keys)
        for at, keys in enumerate(({ADAPTED: "a" * 64}, {ADAPTED: "b" * 64}, {}))
    )
    run = {"prompt": "a", "n_predict": 1}
    assert run_node(own, wasm_dir, [run], lora=adapter).runs
    for model in (other, none):
        wrong = refusal(model, adapter, wasm_dir)
        assert wrong.kind == "wrong_adapter" and "the adapter does not go over this model" in wrong.what
    unnamed = write_adapter(tmp_path / "unnamed.gguf", dict([matrix]))
    assert run_node(other, wasm_dir, [run], lora=unnamed).runs


SAY = "{ temperature: 0, repeat_penalty: 1, n_predict: 1 }"
FROM_ADDRESSES = f"""
    const with_ = {{ lora: "adapter.gguf", lora_chunks: "adapter.gguf.chunks.json" }};
    const said = [];
    for (const over of [{{}}, with_, with_]) {{
      const model = await load("m.gguf", {{ base: "./", threads: 2, ...over }});
      said.push((await model.complete("S", {SAY})).text);
      await model.unload();
    }}
    return {{ said }};
"""
FROM_FILES = f"""
    const file = async (name) => new File([await (await fetch(name)).blob()], name);
    const [model, adapter] = [await file("m.gguf"), await file("adapter.gguf")];
    const said = [];
    for (const files of [[model], [model, adapter], [adapter, model]]) {{
      const one = await load(files, {{ base: "./", threads: 2 }});
      said.push((await one.complete("S", {SAY})).text);
      await one.unload();
    }}
    const alone = await load([adapter], {{ base: "./" }}).catch((error) => error.kind);
    const twice = await load([adapter, model, adapter], {{ base: "./" }}).catch((error) => error.kind);
    return {{ said, alone, twice }};
"""
DAMAGED = """
    const over = { lora: "adapter.gguf", lora_chunks: "adapter.gguf.chunks.json" };
    return await load("m.gguf", { base: "./", ...over }).then(() => ({}), ({ kind }) => ({ kind }));
"""


@pytest.fixture
def page(speller: Path, wasm_dir: Path, tmp_path: Path) -> Path:
    """A folder with the speller and an adapter by which it says Z after S, which it does not otherwise."""
    shutil.copyfile(speller, tmp_path / "m.gguf")
    shutil.copytree(wasm_dir / "threads", tmp_path / "threads")
    a, b = np.zeros((1, 320)), np.zeros((260, 1))
    a[0, FIRST], b[OTHER, 0] = 4, 4
    adapter = write_adapter(tmp_path / "adapter.gguf", {"output.weight": (a, b)})
    (tmp_path / "adapter.gguf.chunks.json").write_text(json.dumps(chunk_list(adapter)))
    return tmp_path


def table() -> dict[str, object]:
    limits = {"threads": usable_bytes("threads")}
    return {"n_ctx": 512, "n_batch": 64, "threads": 2, "limits": limits, "variants": ["threads"], "models": {}}


def test_a_page_loads_both_and_keeps_both(page: Path, in_chromium: Callable[..., dict[str, object]]) -> None:
    assert in_chromium(page, table(), FROM_ADDRESSES) == {"said": ["a", "Z", "Z"]}


def test_files_that_people_choose_together(page: Path, in_chromium: Callable[..., dict[str, object]]) -> None:
    answer = in_chromium(page, table(), FROM_FILES)
    assert answer == {"said": ["a", "Z", "Z"], "alone": "wrong_adapter", "twice": "wrong_adapter"}


def test_a_damaged_adapter_is_noticed(page: Path, in_chromium: Callable[..., dict[str, object]]) -> None:
    data = bytearray((page / "adapter.gguf").read_bytes())
    data[-1] ^= 1
    (page / "adapter.gguf").write_bytes(data)
    assert in_chromium(page, table(), DAMAGED) == {"kind": "wrong_hash"}
