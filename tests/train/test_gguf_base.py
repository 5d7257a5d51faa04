"""A GGUF file as a base: what it becomes computes and cuts text as the file does; what cannot become one is refused."""

import json
import math
import re
import shutil
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from safetensors import safe_open
from tokenizers import Tokenizer
from transformers import AutoTokenizer, LlamaForCausalLM

from lilm.errors import LilmError
from lilm.export.gguf_writer import write_gguf
from lilm.gguf_file import open_gguf
from lilm.llamacpp.engine import quantize
from lilm.pipeline.stage import Context
from lilm.progress import Reporter
from lilm.recipe import BaseConfig
from lilm.train.base import gguf_proof, stage
from lilm.train.base.from_gguf import gguf_config
from lilm.train.base.gguf_rope import read_rope
from lilm.train.base.gguf_tokenizer import write_gguf_tokenizer
from lilm.train.tokenizer.adversarial import LINES
from lilm.train.tokenizer.hf import write_tokenizer
from lilm.vocabulary.byte_level import piece_bytes, read_byte_level
from lilm.vocabulary.sentencepiece import read_proto
from lilm.wasm.source import llama_cpp_python_version, sdist_file
from tests.train.conftest import write_corpus
from tests.train.tokenizer.byte_bases import write_base, write_model
from tests.train.tokenizer.conftest import english, japanese

TEMPLATE = "{% for message in messages %}<|im_start|>{{ message.content }}{% endfor %}"
FTYPES = {"Q8_0": 7, "Q4_0": 2}

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(folder)
    return folder


@pytest.fixture(scope="module")
def made(pretrain_inputs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Hugging Face folders: SentencePiece with one matrix, and byte-level BPE with two, BOS and a chat template."""
    root = tmp_path_factory.mktemp("models")
    spm = shutil.copytree(pretrain_inputs["base"], root / "spm")
    write_tokenizer(read_proto(spm / "tokenizer.model"), spm, 128)
    lines = ["Once upon a time there was a dog called Tom. It walked 12 times to the river."] * 3
    bpe = write_base(root / "bpe", "llama-bpe", lines, 320)
    write_model(bpe, tied=False)
    (bpe / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    return {"spm": spm, "bpe": bpe}


@pytest.fixture(scope="module")
def files(made: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """A GGUF of each model in F16, and in quantised types."""
    root = tmp_path_factory.mktemp("gguf")

    def file(kind: str, quant: str) -> Path:
        full = root / f"{kind}-F16.gguf"
        if not full.is_file():
            write_gguf(made[kind], full, ("en",))
        path = root / f"{kind}-{quant}.gguf"
        if not path.is_file():
            quantize(full, path, FTYPES[quant], threads=1)
        return path

    return file


@pytest.fixture
def context(reporter: Reporter) -> Context:
    return Context(seed=0, threads=1, language="ja", base_language="en", reporter=reporter)


def open_weights(folder: Path) -> set[str]:
    """Types of the tensors."""
    with safe_open(folder / "model.safetensors", framework="np") as weights:
        return {weights.get_slice(name).get_dtype() for name in weights.keys()}  # noqa: SIM118 - a handle, not a dict


def convert(file: Path, corpus: Path, out: Path, context: Context) -> dict[str, object]:
    out.mkdir(exist_ok=True)
    config = BaseConfig(kind="gguf", path=str(file))
    stage.check(config, context)
    return stage.run(config, {"corpus": corpus}, out, context).measurements


def logits(folder: Path, half: bool = False) -> np.ndarray:
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    for parameter in model.parameters():
        if half and parameter.dim() == 2:
            parameter.data = parameter.data.half().float()
    with torch.no_grad():
        return model(torch.tensor([[1, *range(3, 90)]])).logits[0].numpy()


@pytest.mark.parametrize("kind", ["spm", "bpe"])
def test_there_and_back(
    kind: str, made: dict[str, Path], files: Callable[..., Path], corpus: Path, tmp_path: Path, context: Context
) -> None:
    """A model that LiLM wrote as F16 comes back with its logits, its ids and its template."""
    found = convert(files(kind, "F16"), corpus, tmp_path / "base", context)
    assert found["token_mismatches"] == 0 and int(str(found["lines"])) > 80
    assert np.abs(logits(tmp_path / "base") - logits(made[kind], half=True)).max() < 1e-5
    old = Tokenizer.from_file(str(made[kind] / "tokenizer.json"))
    new = AutoTokenizer.from_pretrained(tmp_path / "base", local_files_only=True)
    line = "Once upon a time, 12 dogs: 日本 \n x"
    assert old.encode(line).ids == new(line)["input_ids"]
    names = ("<s>", "</s>") if kind == "spm" else ("<|begin_of_text|>", "<|end_of_text|>")
    assert (new.bos_token, new.eos_token) == names
    assert new.chat_template == (TEMPLATE if kind == "bpe" else None)
    config = json.loads((tmp_path / "base" / "config.json").read_text())
    assert config["tie_word_embeddings"] == (kind == "spm") and config["dtype"] == "float16"
    if kind == "bpe":
        one, other = read_byte_level(made[kind]), read_byte_level(tmp_path / "base")
        assert (one.names, one.special, one.merges, one.pre) == (other.names, other.special, other.merges, other.pre)
        assert (one.bos_id, one.eos_id, one.adds_bos) == (other.bos_id, other.eos_id, other.adds_bos)
    else:
        pieces = [read_proto(folder / "tokenizer.model").pieces for folder in (made[kind], tmp_path / "base")]
        one, other = ([(piece.piece, piece.score, piece.type) for piece in found] for found in pieces)
        assert one == other
    assert not (tmp_path / "base" / "checkpoints").exists()


@pytest.mark.parametrize("quant", ["Q8_0", "Q4_0"])
def test_quantised_files(
    quant: str, files: Callable[..., Path], corpus: Path, tmp_path: Path, context: Context
) -> None:
    """Decoded, each weight is one of those that llama.cpp reads."""
    found = convert(files("bpe", quant), corpus, tmp_path / "base", context)
    assert float(str(found["logits_max_diff"])) < 1e-3
    assert float(str(found["logits_max_diff"])) < float(str(found["logits_rms_diff_quantised"]))
    assert 4 < float(str(found["bits_per_weight"])) < 10
    assert open_weights(tmp_path / "base") == {"F32"}


def test_the_same_bytes_again(files: Callable[..., Path], corpus: Path, tmp_path: Path, context: Context) -> None:
    for name in ("one", "two"):
        convert(files("spm", "Q8_0"), corpus, tmp_path / name, context)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_another_models_weights_do_not_pass(
    files: Callable[..., Path], corpus: Path, tmp_path: Path, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the rows of Q and K stayed in llama.cpp's order."""
    monkeypatch.setattr("lilm.train.base.gguf_weights._order", lambda entry, rows: None)
    with pytest.raises(LilmError, match=r"logits differ from llama\.cpp's by"):
        convert(files("bpe", "F16"), corpus, tmp_path / "base", context)


def test_llama_3_rotary_factors(made: dict[str, Path], tmp_path: Path) -> None:
    rope = {"rope_type": "llama3", "rope_theta": 10_000.0, "factor": 8.0, "low_freq_factor": 1.0}
    rope |= {"high_freq_factor": 4.0, "original_max_position_embeddings": 64}
    folder = shutil.copytree(made["bpe"], tmp_path / "hf")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "rope_parameters": rope}))
    write_gguf(folder, tmp_path / "model.gguf", ("en",))
    assert gguf_config(tmp_path / "model.gguf")["rope_parameters"] == rope
    at = open_gguf(tmp_path / "model.gguf").tensors["rope_freqs.weight"].offset
    data = bytearray((tmp_path / "model.gguf").read_bytes())
    data[at : at + 4] = np.float32(1.5).tobytes()
    (tmp_path / "model.gguf").write_bytes(data)
    with pytest.raises(LilmError, match=r"rope_freqs\.weight\) are not those of Llama 3"):
        gguf_config(tmp_path / "model.gguf")


@pytest.mark.parametrize(
    ("key", "value", "part"),
    [
        ("attn_factor", 0.9, ""),
        ("yarn_beta_fast", 32.0, ""),
        ("yarn_beta_fast", 16.0, "yarn_beta_fast is 16.0, and llama.cpp computes a Llama with 32.0 only"),
        ("yarn_log_multiplier", 0.1, "yarn_log_multiplier is"),
        ("factor", 0.5, r"scaled \(yarn\) by 0.5"),
        ("original_context_length", 0, "from a context of 0 tokens"),
        ("type", "linear", "attn_factor is 0.8[0-9]* with linear scaling"),
        ("type", "longrope", r"scaled \(longrope\)"),
    ],
)
def test_keys_of_yarn(made: dict[str, Path], tmp_path: Path, key: str, value: object, part: str) -> None:
    """With a figure more or another one, as other programs write them."""
    folder = shutil.copytree(made["bpe"], tmp_path / "hf")
    rope = {"rope_type": "yarn", "rope_theta": 10_000.0, "factor": 8.0, "original_max_position_embeddings": 64}
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "rope_parameters": rope | {"attention_factor": 1.0}}))
    write_gguf(folder, tmp_path / "model.gguf", ("en",))
    assert gguf_config(tmp_path / "model.gguf")["rope_parameters"] == {**rope, "attention_factor": 1.0}
    file = open_gguf(tmp_path / "model.gguf")
    file.keys[f"llama.rope.scaling.{key}"] = value
    if not part:
        figure = {"attn_factor": 0.9 * (1 + 0.1 * math.log(8))}.get(key, 1.0)
        assert read_rope(file, 10_000.0, 16, 512) == {**rope, "attention_factor": pytest.approx(figure)}
        return
    with pytest.raises(LilmError, match=part):
        read_rope(file, 10_000.0, 16, 512)


def patched(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        assert old in data
        return data.replace(old, new, 1)

    return change


def with_type(data: bytes) -> bytes:
    """The matrix of Q said to be of 8-bit integers, which are no weights."""
    at = data.index(b"blk.0.attn_q.weight") + len(b"blk.0.attn_q.weight") + 4 + 2 * 8
    return data[:at] + int(gguf.GGMLQuantizationType.I8).to_bytes(4, "little") + data[at + 4 :]


def with_fewer_rows(data: bytes) -> bytes:
    at = data.index(b"token_embd.weight") + len(b"token_embd.weight") + 4 + 8
    rows = int.from_bytes(data[at : at + 8], "little")
    return data[:at] + (rows - 1).to_bytes(8, "little") + data[at + 8 :]


def with_value(key: str, code: str, value: object) -> Callable[[bytes], bytes]:
    """A key of four bytes is of another type (of struct's code, here with GGUF's number), or has another value."""

    def change(data: bytes) -> bytes:
        at = data.index(key.encode()) + len(key)
        return data[:at] + struct.pack("<I" + code, {"I": 4, "i": 5, "f": 6}[code], value) + data[at + 8 :]

    return change


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda data: b"not a model at all", "not a GGUF file"),
        (lambda data: data[:300], "truncated GGUF: it ends in its head"),
        (lambda data: data[: len(data) // 2], "truncated GGUF"),
        (lambda data: data[:-40], "truncated GGUF"),
        (lambda data: data[:4] + (9).to_bytes(4, "little") + data[8:], "version 9"),
        (patched(b"\x05\0\0\0\0\0\0\0llama", b"\x05\0\0\0\0\0\0\0gemma"), "its architecture is 'gemma'"),
        (patched(b"llama-bpe", b"llama-xyz"), "tokenizer.ggml.pre = 'llama-xyz') is none that LiLM knows"),
        (patched(b"\x04\0\0\0\0\0\0\0gpt2", b"\x04\0\0\0\0\0\0\0bert"), "its tokenizer is 'bert'"),
        (with_type, "blk.0.attn_q.weight is stored as I8, which cannot be decoded"),
        (with_fewer_rows, "they do not belong together"),
        (with_value("llama.block_count", "I", 10**9), "llama.block_count is 1000000000, not a number from 1 to 1,000"),
        (with_value("llama.context_length", "I", 2**31), "llama.context_length is 2147483648, not a number from 1"),
        (with_value("llama.block_count", "f", 2.0), "llama.block_count is 2.0, not a whole number"),
        (with_value("llama.attention.layer_norm_rms_epsilon", "f", math.nan), "epsilon is nan, not a number"),
        (with_value("llama.rope.freq_base", "f", 0.0), "llama.rope.freq_base is 0.0, not at least 1"),
        (with_value("tokenizer.ggml.eos_token_id", "f", 1.0), "tokenizer.ggml.eos_token_id is 1.0, not a whole number"),
        (patched(b"general.file_type\x04\0\0\0", b"general.alignment\x06\0\0\0"), "an alignment of 1"),
        (patched("Ġriver".encode(), b"\xff\xa0river"), "tokenizer.ggml.tokens[] is"),
        (patched(b"blk.1.ffn_up.weight", b"blk.1.ffn_up.weighs"), "no tensor blk.1.ffn_up.weight"),
    ],
)
def test_what_cannot_be_a_base_is_refused_before_the_run(
    change: Callable[[bytes], bytes], part: str, files: Callable[..., Path], tmp_path: Path, context: Context
) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(change(files("bpe", "F16").read_bytes()))
    with pytest.raises(LilmError, match=re.escape(part)) as error:
        stage.check(BaseConfig(kind="gguf", path=str(path)), context)
    assert error.value.where == str(path) and error.value.remedy and "\n" not in str(error.value)


def test_a_file_by_its_address_is_fetched_and_looked_at_before_the_run(
    files: Callable[..., Path], tmp_path: Path, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(files("bpe", "F16").read_bytes()[:-40])
    asked = []
    monkeypatch.setattr("lilm.download.download", lambda url, sha256, reporter: asked.append((url, sha256)) or path)
    with pytest.raises(LilmError, match="truncated GGUF"):
        stage.check_remote(BaseConfig(kind="gguf", url="https://example.org/model.gguf", sha256="0" * 64), context)
    assert asked == [("https://example.org/model.gguf", "0" * 64)]


def test_a_part_of_a_split_file_and_a_missing_one(files: Callable[..., Path], tmp_path: Path, context: Context) -> None:
    part = shutil.copy(files("bpe", "F16"), tmp_path / "model-00001-of-00003.gguf")
    for path, what in ((part, "one part of a GGUF that was split"), (tmp_path / "none.gguf", "no such file")):
        with pytest.raises(LilmError, match=what):
            stage.check(BaseConfig(kind="gguf", path=str(path)), context)


def test_the_hash_in_the_recipe(files: Callable[..., Path], context: Context) -> None:
    config = BaseConfig(kind="gguf", path=str(files("bpe", "F16")), sha256="0" * 64)
    with pytest.raises(LilmError, match=r"sha256 is .*, expected 0000"):
        stage.check(config, context)


@pytest.mark.parametrize("name", ["llama-spm", "llama-bpe", "gpt-2", "starcoder", "qwen2"])
def test_real_vocabularies(name: str, tmp_path: Path) -> None:
    """Those that lie in llama.cpp's sources; one of them lacks bytes."""
    sdist = sdist_file(llama_cpp_python_version())
    if not sdist.is_file():
        pytest.skip("llama.cpp's source is not in the cache")
    path, folder = tmp_path / "vocab.gguf", tmp_path / "folder"
    folder.mkdir()
    with tarfile.open(sdist) as archive:
        inside = f"{sdist.name.removesuffix('.tar.gz')}/vendor/llama.cpp/models/ggml-vocab-{name}.gguf"
        member = archive.extractfile(inside)
        assert member is not None
        path.write_bytes(member.read())
    write_gguf_tokenizer(open_gguf(path), folder, 2048)
    check, special, unwritable = gguf_proof.compare_tokens(path, folder, {"adversarial": LINES})
    assert (check.lines, check.mismatches) == (len(LINES), 0), check.first
    assert special.mismatches == 0 < special.lines, special.first
    assert (unwritable > 0) == (name == "starcoder")


def test_smollm2(
    smollm2_gguf: Path, corpus: Path, tmp_path: Path, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real one, whose vocabulary lacks bytes: Q4_1, one matrix, ChatML."""
    monkeypatch.setattr(gguf_proof, "WINDOW", 48)
    monkeypatch.setattr(gguf_proof, "WINDOWS", 1)
    found = convert(smollm2_gguf, corpus, tmp_path / "base", context)
    assert float(str(found["logits_max_diff"])) < 1e-3
    assert found["token_mismatches"] == 0 and int(str(found["lines_with_missing_bytes"])) > 3
    assert found["parameters"] == 134_515_008 and 5 < float(str(found["bits_per_weight"])) < 6
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "base", local_files_only=True)
    chat = tokenizer.apply_chat_template([{"role": "user", "content": "Hi"}], tokenize=False)
    assert chat.endswith("<|im_start|>user\nHi<|im_end|>\n") and tokenizer.eos_token == "<|im_end|>"  # noqa: S105


def test_smollm2_cuts_real_text_as_llamacpp_does(smollm2_gguf: Path, shared_data: Path, tmp_path: Path) -> None:
    file = open_gguf(smollm2_gguf)
    write_gguf_tokenizer(file, tmp_path, 8192)
    lines = {"ja": japanese(shared_data)[:1500], "en": english(shared_data)[:1500]}
    check, special, _ = gguf_proof.compare_tokens(smollm2_gguf, tmp_path, lines)
    assert (check.lines, check.mismatches) == (3000, 0), check.first
    assert (special.lines, special.mismatches) == (17, 0), special.first
    assert piece_bytes("".join(read_byte_level(tmp_path).missing)) == bytes.fromhex("04 06 13 14 16 1d f1 f2")
