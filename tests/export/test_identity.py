"""The GGUF file computes what the Hugging Face model computes."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import LlamaFileType
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM

from lilm.export.gguf_info import read_tensors
from lilm.export.gguf_writer import write_gguf
from lilm.export.quantise import quantise
from lilm.gguf_file import open_gguf
from lilm.llama.shape import Shape
from lilm.llamacpp.engine import Engine, quantize
from lilm.train.base.from_gguf import gguf_config
from lilm.train.base.gguf_model import entries
from lilm.train.base.gguf_weights import write_safetensors

N_CTX = 256
WINDOWS = 12

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def real_text(shared_data: Path) -> str:
    return (shared_data / "en_text" / "tinyshakespeare" / "data__tinyshakespeare__input.txt").read_text()[:20_000]


def text_windows(engine: Engine, text: str) -> list[list[int]]:
    bos, *ids = engine.tokenize(text)
    return [[bos, *ids[at : at + N_CTX - 1]] for at in range(0, len(ids), N_CTX - 1)][:WINDOWS]


def in_half_floats(folder: Path) -> LlamaForCausalLM:
    """The model with its matrices rounded to half floats, as an F16 file holds them; it computes in float32."""
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    for parameter in model.parameters():
        if parameter.dim() == 2:
            parameter.data = parameter.data.half().float()
    return model


def hf_logits(model: LlamaForCausalLM, window: list[int]) -> np.ndarray:
    with torch.no_grad():
        return model(torch.tensor([window])).logits[0].numpy()


@pytest.fixture(params=["real_model", "random_model"])
def model_folder(request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue(request.param)


def test_same_function_in_float32(model_folder: Path, shared_data: Path, tmp_path: Path) -> None:
    """Layout, rotary order, norms, grouping: with F32 on both sides nothing is left to differ but rounding."""
    path = tmp_path / "model-f32.gguf"
    write_gguf(model_folder, path, ("en",), matrices="F32")
    model = LlamaForCausalLM.from_pretrained(model_folder, dtype=torch.float32).eval()
    with Engine(path, n_ctx=N_CTX, threads=2, exact=True) as engine:
        for window in text_windows(engine, real_text(shared_data)):
            assert np.abs(engine.logits(window) - hf_logits(model, window)).max() < 1e-3


def test_rotary_embedding_of_llama_3_1(random_model: Path, tmp_path: Path) -> None:
    """Each frequency has its factor: this window has all three kinds of waves, and without the factors it shows."""
    folder = shutil.copytree(random_model, tmp_path / "hf")
    path = folder / "config.json"
    rope = {"rope_type": "llama3", "rope_theta": 10_000.0, "factor": 8.0, "low_freq_factor": 1.0}
    rope |= {"high_freq_factor": 4.0, "original_max_position_embeddings": 64}
    plain = json.loads(path.read_text())
    path.write_text(json.dumps(plain | {"rope_parameters": rope}))
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    window = [1, *(index * 37 % 380 for index in range(200))]
    apart = []
    for name, config in (("with", plain | {"rope_parameters": rope}), ("without", plain)):
        path.write_text(json.dumps(config))
        write_gguf(folder, tmp_path / f"{name}.gguf", ("en",), matrices="F32")
        with Engine(tmp_path / f"{name}.gguf", n_ctx=N_CTX, threads=2, exact=True) as engine:
            apart.append(np.abs(engine.logits(window) - hf_logits(model, window)).max())
    assert apart[0] < 1e-3 < 0.1 < apart[1]


@pytest.mark.parametrize(
    "more",
    [{}, {"attention_factor": 0.8}, {"mscale": 0.707, "mscale_all_dim": 1.2}, {"beta_fast": 32, "truncate": True}],
    ids=["plain", "attention_factor", "mscale", "defaults"],
)
def test_yarns_rotary_embedding(random_model: Path, tmp_path: Path, more: dict[str, object]) -> None:
    """Far beyond the old context of 64 tokens, with both kinds of waves and those between; and back as a base."""
    folder = shutil.copytree(random_model, tmp_path / "hf")
    path = folder / "config.json"
    rope = {"rope_type": "yarn", "rope_theta": 10_000.0, "factor": 4.0, "original_max_position_embeddings": 64}
    plain = json.loads(path.read_text())
    path.write_text(json.dumps(plain | {"rope_parameters": rope | more}))
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    window = [1, *(index * 37 % 380 for index in range(240))]
    theirs = hf_logits(model, window)
    apart = []
    for name, figures in (("with", rope | more), ("linear", rope | {"rope_type": "linear"})):
        path.write_text(json.dumps(plain | {"rope_parameters": figures}))
        write_gguf(folder, tmp_path / f"{name}.gguf", ("en",), matrices="F32")
        with Engine(tmp_path / f"{name}.gguf", n_ctx=N_CTX, threads=2, exact=True) as engine:
            apart.append(np.abs(engine.logits(window) - theirs).max())
    assert apart[0] < 1e-3 < 0.1 < apart[1]

    back = gguf_config(tmp_path / "with.gguf")
    path.write_text(json.dumps(back))
    again = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    assert np.abs(hf_logits(again, window) - theirs).max() < 1e-3
    assert back["rope_parameters"].items() >= rope.items()


def test_biases_and_a_stretched_rotary_embedding(random_model: Path, tmp_path: Path) -> None:
    """All matrices of the layers have biases, and the positions are divided by 4; and back as a base."""
    rope = {"rope_type": "linear", "rope_theta": 50_000.0, "factor": 4.0}
    config = LlamaConfig.from_pretrained(random_model)
    config.attention_bias = config.mlp_bias = True
    config.rope_parameters = rope
    torch.manual_seed(1)
    model = LlamaForCausalLM(config).float().eval()
    for name, parameter in model.named_parameters():
        if name.endswith(".bias"):
            parameter.data.normal_(0, 0.3)
    folder, path = tmp_path / "hf", tmp_path / "model-f32.gguf"
    model.save_pretrained(folder)
    shutil.copyfile(random_model / "tokenizer.model", folder / "tokenizer.model")
    write_gguf(folder, path, ("en",), matrices="F32")
    window = [1, *(index * 37 % 380 for index in range(200))]
    with Engine(path, n_ctx=N_CTX, threads=2, exact=True) as engine:
        assert np.abs(engine.logits(window) - hf_logits(model, window)).max() < 1e-3

    found = gguf_config(path)
    assert (found["attention_bias"], found["mlp_bias"], found["rope_parameters"]) == (True, True, rope)
    file = open_gguf(path)
    write_safetensors(file, entries(file, Shape.of(found)), tmp_path / "back.safetensors", lambda: None)
    back, known = load_file(tmp_path / "back.safetensors"), model.state_dict()
    assert back.keys() == known.keys()
    assert all(torch.equal(back[name], known[name]) for name in known)

    write_gguf(folder, tmp_path / "half.gguf", ("en",))
    note = quantise(tmp_path / "half.gguf", tmp_path / "small.gguf", "Q8_0", 1, lambda done, total: None)
    types = {tensor.name: tensor.type for tensor in read_tensors(tmp_path / "small.gguf")}
    assert note == "" and types["blk.1.attn_k.bias"] == "F32" and types["blk.1.attn_k.weight"] == "Q8_0"


def test_the_f16_file_is_the_model(model_folder: Path, shared_data: Path, tmp_path: Path) -> None:
    """The shipped F16 file, opened by llama.cpp and widened to float32 so that its arithmetic adds no rounding of its
    own: each logit is Hugging Face's."""
    half, wide = tmp_path / "model-f16.gguf", tmp_path / "wide.gguf"
    write_gguf(model_folder, half, ("en",))
    quantize(half, wide, LlamaFileType.ALL_F32, threads=2)
    model = in_half_floats(model_folder)
    same = count = 0
    with Engine(wide, n_ctx=N_CTX, threads=2, exact=True) as engine:
        for window in text_windows(engine, real_text(shared_data)):
            ours, theirs = engine.logits(window), hf_logits(model, window)
            assert np.abs(ours - theirs).max() < 1e-2
            same += int((ours.argmax(-1) == theirs.argmax(-1)).sum())
            count += len(window)
    assert count > 2000
    assert same / count >= 0.995


def test_half_float_arithmetic_stays_within_the_gate(model_folder: Path, shared_data: Path, tmp_path: Path) -> None:
    """The same file with llama.cpp's defaults, which round activations, keys and values to half floats, whose step at
    a logit of 20 is already 0.016: so here the gate of 1e-2 is on the root mean square."""
    path = tmp_path / "model-f16.gguf"
    write_gguf(model_folder, path, ("en",))
    model = LlamaForCausalLM.from_pretrained(model_folder, dtype=torch.float32).eval()
    squares, same, count = 0.0, 0, 0
    with Engine(path, n_ctx=N_CTX, threads=2) as engine:
        for window in text_windows(engine, real_text(shared_data)):
            ours, theirs = engine.logits(window), hf_logits(model, window)
            squares += float(((ours - theirs) ** 2).mean()) * len(window)
            same += int((ours.argmax(-1) == theirs.argmax(-1)).sum())
            count += len(window)
    assert count > 2000
    assert math.sqrt(squares / count) < 1e-2
    assert same / count >= 0.995


def test_bits_per_byte_equal_to_hugging_face(real_model: Path, real_export: Path, shared_data: Path) -> None:
    model = LlamaForCausalLM.from_pretrained(real_model).eval()
    ours = theirs = 0.0
    with Engine(real_export / "model-f16.gguf", n_ctx=N_CTX, threads=2) as engine:
        for window in text_windows(engine, real_text(shared_data)):
            ours += float(engine.score(window).nll.sum())
            logits = torch.from_numpy(hf_logits(model, window)[:-1])
            theirs += float(torch.nn.functional.cross_entropy(logits, torch.tensor(window[1:]), reduction="sum"))
    assert ours == pytest.approx(theirs, rel=0.01)


def test_greedy_text_of_the_real_model(real_export: Path) -> None:
    with Engine(real_export / "model-f16.gguf", n_ctx=N_CTX, threads=2) as engine:
        said = engine.greedy("Once upon a time, there was a little", 24)
    assert said.text.startswith(" girl named Lily. She loved to play outside in the park.")
    assert len(said.ids) == len(said.gaps) == 24
    assert min(said.gaps) >= 0
