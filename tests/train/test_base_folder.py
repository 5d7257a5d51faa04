"""What a base is: its config.json, its tensors and its tokenizer, checked before anything is built on them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from lilm.chat.files import read_format
from lilm.errors import LilmError
from lilm.pipeline.stage import Context
from lilm.recipe import BaseConfig, TokenizerConfig
from lilm.train.base import stage
from lilm.train.base.model_folder import check_model_folder, load_llama
from lilm.train.tokenizer import stage as tokenizer_stage
from lilm.train.tokenizer.hf import build_tokenizer
from lilm.vocabulary.sentencepiece import UNIGRAM, read_proto

WEIGHTS = "model.safetensors"
EMBEDDING = "model.embed_tokens.weight"
INDEX = "model.safetensors.index.json"


@pytest.fixture
def base(pretrain_inputs: dict[str, Path], tmp_path: Path) -> Path:
    """A tied Llama of random weights: 2 layers, hidden 32, 4 heads over 2, 400 rows."""
    return Path(shutil.copytree(pretrain_inputs["base"], tmp_path / "base"))


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    data = json.loads(path.read_text(encoding="utf-8"))
    change(data)
    path.write_text(json.dumps(data), encoding="utf-8")


def edit_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / WEIGHTS, {"format": "pt"})


def edit_pieces(folder: Path, change: Callable[[Any], object]) -> None:
    path = folder / "tokenizer.model"
    proto = read_proto(path)
    change(proto)
    path.write_bytes(proto.SerializeToString())


def refused(folder: Path, *parts: str) -> None:
    with pytest.raises(LilmError) as found:
        check_model_folder(folder)
    line = found.value.line()
    assert str(folder) in line and found.value.remedy
    assert all(part in line for part in parts), line


def test_a_whole_base(base: Path) -> None:
    assert check_model_folder(base) == [base / WEIGHTS]


@pytest.mark.parametrize("text", ["[]", "2", "", "{", '{"a": 1, "a": 2}'])
def test_a_config_that_is_no_object(base: Path, text: str) -> None:
    (base / "config.json").write_text(text, encoding="utf-8")
    refused(base, "config.json")


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"num_hidden_layers": "2"}, "num_hidden_layers is '2', not a whole number"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers is 1000000000"),
        ({"num_hidden_layers": True}, "num_hidden_layers is True"),
        ({"max_position_embeddings": 10**9}, "max_position_embeddings is 1000000000, not a whole number from 1 to"),
        ({"intermediate_size": None}, "intermediate_size is missing"),
        ({"vocab_size": 2**63}, "vocab_size is 9223372036854775808"),
        ({"vocab_size": 500}, "has shape [400, 32], config.json wants [500, 32]"),
        ({"vocab_size": 399}, "has shape [400, 32], config.json wants [399, 32]"),
        ({"hidden_size": 3}, "hidden_size 3 is no multiple of num_attention_heads 4"),
        ({"num_key_value_heads": 3}, "num_attention_heads 4 is no multiple of num_key_value_heads 3"),
        ({"num_key_value_heads": 4}, "k_proj.weight has shape"),
        ({"head_dim": 7}, "head_dim is 7"),
        ({"rms_norm_eps": "small"}, "rms_norm_eps is 'small'"),
        ({"rms_norm_eps": float("nan")}, "rms_norm_eps is nan"),
        ({"tie_word_embeddings": "yes"}, "tie_word_embeddings is 'yes'"),
        ({"eos_token_id": "</s>"}, "eos_token_id is '</s>'"),
        ({"hidden_act": "gelu"}, "hidden_act is 'gelu'"),
        ({"mlp_bias": "bfloat16"}, "mlp_bias is 'bfloat16'"),
        ({"attention_bias": 1}, "attention_bias is 1, not true or false"),
        ({"attention_bias": True}, "tensor model.layers.0.self_attn.q_proj.bias is missing"),
        ({"quantization_config": {"quant_method": "gptq"}}, "quantised (quantization_config: gptq)"),
        ({"quantization_config": {"quant_method": "bitsandbytes"}}, "bitsandbytes"),
        ({"rope_parameters": {"rope_type": "longrope", "factor": 2.0}}, "rope_type is 'longrope'"),
        ({"rope_scaling": {"type": "linear", "factor": 0}}, "factor of its linear rotary embedding is 0"),
        ({"rope_scaling": {"type": "dynamic", "factor": 2.0}}, "rope_type is 'dynamic'"),
        ({"rope_scaling": {"rope_type": ["llama3"]}}, "rope_type is ['llama3']"),
        ({"rope_scaling": "llama3"}, "not an object"),
        ({"rope_parameters": {"rope_theta": 0}}, "rope_theta is 0"),
        ({"rope_parameters": {"rope_theta": 10**400}}, "rope_theta is 1000"),
        ({"rope_parameters": {"rope_theta": 1e300}}, "rope_theta is 1e+300"),
        ({"partial_rotary_factor": 0.5}, "partial_rotary_factor is 0.5"),
    ],
)
def test_configs_that_are_refused_by_name(base: Path, change: dict[str, Any], part: str) -> None:
    edit(base / "config.json", lambda data: data.update(change))
    refused(base, part)


LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"factor": 0}, "factor of its llama3 rotary embedding is 0"),
        ({"factor": None}, "factor of its llama3 rotary embedding is None"),
        ({"original_max_position_embeddings": -1}, "original_max_position_embeddings"),
        ({"low_freq_factor": 4.0}, "low_freq_factor"),
    ],
)
def test_figures_of_a_rotary_embedding(base: Path, change: dict[str, Any], part: str) -> None:
    edit(base / "config.json", lambda data: data.update(rope_scaling=LLAMA3))
    check_model_folder(base)
    edit(base / "config.json", lambda data: data.update(rope_scaling=LLAMA3 | change))
    refused(base, part)


YARN = {"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 64}


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"factor": None}, "factor of its yarn rotary embedding is None"),
        ({"factor": 0.5}, "factor of its yarn rotary embedding is 0.5, below 1"),
        ({"beta_fast": 16}, "beta_fast of its yarn rotary embedding is 16, and llama.cpp computes a Llama with 32.0"),
        ({"beta_slow": 2.0}, "beta_slow of its yarn rotary embedding is 2.0"),
        ({"truncate": False}, "truncate of its yarn rotary embedding is False"),
        ({"attention_factor": "loud"}, "attention_factor of its yarn rotary embedding is 'loud'"),
        ({"mscale": 1e38, "mscale_all_dim": 1.0}, "attention_factor of its yarn rotary embedding is 1.7"),
        ({"original_max_position_embeddings": 64.5}, "original_max_position_embeddings is 64.5, not a whole number"),
        ({"rope_theta": 1.5, "original_max_position_embeddings": 4096}, "is 4096: too much for a rope_theta of 1.5"),
    ],
)
def test_what_yarn_cannot_carry_is_named(base: Path, change: dict[str, Any], part: str) -> None:
    edit(base / "config.json", lambda data: data.update(rope_scaling=YARN))
    check_model_folder(base)
    edit(base / "config.json", lambda data: data.update(rope_scaling=YARN | change))
    refused(base, part)


@pytest.mark.parametrize(
    "name",
    [
        "model.embed_tokens.weight",
        "model.norm.weight",
        "model.layers.0.self_attn.k_proj.weight",
        "model.layers.1.input_layernorm.weight",
    ],
)
def test_a_missing_tensor(base: Path, name: str) -> None:
    edit_weights(base, lambda tensors: tensors.pop(name))
    refused(base, f"tensor {name} is missing")
    with pytest.raises(LilmError, match="is missing"):
        load_llama(base, torch.device("cpu"))


def test_an_untied_base_without_its_output_matrix(base: Path) -> None:
    edit(base / "config.json", lambda data: data.update(tie_word_embeddings=False))
    refused(base, "tensor lm_head.weight is missing")


@pytest.mark.parametrize(
    "name",
    [
        "model.layers.0.self_attn.q_proj.bias",
        "model.layers.2.self_attn.q_proj.weight",
        "model.layers.0.self_attn.q_proj.lora_A.weight",
        "score.weight",
    ],
)
def test_a_tensor_that_a_llama_does_not_have(base: Path, name: str) -> None:
    edit_weights(base, lambda tensors: tensors.update({name: torch.zeros(32)}))
    refused(base, f"tensor {name} has no place")
    with pytest.raises(LilmError, match="has no place"):
        load_llama(base, torch.device("cpu"))


def test_the_buffers_of_old_checkpoints_are_nothing(base: Path) -> None:
    name = "model.layers.0.self_attn.rotary_emb.inv_freq"
    edit_weights(base, lambda tensors: tensors.update({name: torch.zeros(4)}))
    check_model_folder(base)


def test_shapes_and_types(base: Path) -> None:
    name = "model.layers.0.mlp.down_proj.weight"
    edit_weights(base, lambda tensors: tensors.update({name: tensors[name].T.contiguous()}))
    refused(base, f"{name} has shape [64, 32], config.json wants [32, 64]")
    edit_weights(base, lambda tensors: tensors.update({name: tensors[name].T.to(torch.int8).contiguous()}))
    refused(base, f"{name} is stored as I8", "quantised")


def sharded(base: Path) -> None:
    """Two files, with the index that names them."""
    tensors = load_file(base / WEIGHTS)
    (base / WEIGHTS).unlink()
    names = sorted(tensors)
    shards = {"model-1.safetensors": names[::2], "model-2.safetensors": names[1::2]}
    for file, part in shards.items():
        save_file({name: tensors[name] for name in part}, base / file)
    found = {"metadata": {}, "weight_map": {name: file for file, part in shards.items() for name in part}}
    (base / INDEX).write_text(json.dumps(found), encoding="utf-8")


def test_whole_numbers_stand_for_fractions(base: Path) -> None:
    edit(base / "config.json", lambda data: data.update(rms_norm_eps=0, attention_dropout=0))
    assert load_llama(base, torch.device("cpu")).config.rms_norm_eps == 0


def test_an_index_with_a_byte_order_mark_is_one_line(base: Path) -> None:
    sharded(base)
    (base / INDEX).write_bytes(b"\xef\xbb\xbf" + (base / INDEX).read_bytes())
    with pytest.raises(LilmError, match=r"cannot load the model .*BOM"):
        load_llama(base, torch.device("cpu"))


def test_shards(base: Path, tmp_path: Path, context: Context) -> None:
    whole = load_llama(base, torch.device("cpu")).state_dict()
    sharded(base)
    save_file({"other": torch.zeros(1)}, base / "adapter_model.safetensors")
    (tmp_path / "out").mkdir()
    stage.run(BaseConfig(kind="path", path=str(base)), {}, tmp_path / "out", context)
    assert not (tmp_path / "out" / "adapter_model.safetensors").exists(), "it is none of the model's files"
    found = load_llama(tmp_path / "out", torch.device("cpu")).state_dict()
    assert all(torch.equal(value, found[name]) for name, value in whole.items())
    (base / "model-2.safetensors").unlink()
    refused(base, "model-2.safetensors: no such file")
    (base / INDEX).unlink()
    refused(base, f"no {WEIGHTS} and no {INDEX}")


@pytest.mark.parametrize(
    "text",
    [
        '{"metadata": {}, "weight_map": {"a": 5}}',
        '{"metadata": {}, "weight_map": {"a": "/etc/passwd"}}',
        '{"metadata": {}, "weight_map": {"a": "../base/model-1.safetensors"}}',
        '{"metadata": {}, "weight_map": {"a": "..\\\\model-1.safetensors"}}',
        '{"metadata": {}, "weight_map": {"a": ".."}}',
        '{"metadata": {}, "weight_map": {"a": "' + "a" * 300 + '"}}',
        '{"metadata": {}, "weight_map": {"\\ud800": "model-1.safetensors"}}',
        '{"metadata": {}, "weight_map": {"a": "model-1.safetensors"}}',
        '{"metadata": {}, "weight_map": []}',
        '{"metadata": {}, "weight_map": {}}',
        '{"weight_map": {"model.norm.weight": "model-1.safetensors"}}',
        "[]",
    ],
)
def test_an_index_that_names_no_files_beside_it(base: Path, text: str) -> None:
    sharded(base)
    (base / INDEX).write_text(text, encoding="utf-8")
    refused(base, INDEX)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e5])
def test_weights_that_are_no_numbers_are_the_bases(base: Path, tmp_path: Path, context: Context, value: float) -> None:
    """Nor may they be beyond what a GGUF's half floats hold: the export would blame the training."""

    def spoil(tensors: dict[str, torch.Tensor]) -> None:
        tensors["model.norm.weight"][3] = value

    edit_weights(base, spoil)
    with pytest.raises(LilmError, match=r"model\.norm\.weight has values .* the base itself is broken"):
        stage.run(BaseConfig(kind="path", path=str(base)), {}, tmp_path, context)
    assert not (tmp_path / WEIGHTS).exists()


def test_what_says_how_to_run_it_is_left_out(base: Path, tmp_path: Path, context: Context) -> None:
    odd = {"_attn_implementation": "flash_attention_9", "attn_implementation": -1, "pad_token_id": 10**12}
    edit(base / "config.json", lambda data: data.update(odd))
    (tmp_path / "out").mkdir()
    stage.run(BaseConfig(kind="path", path=str(base)), {}, tmp_path / "out", context)
    config = json.loads((tmp_path / "out" / "config.json").read_text(encoding="utf-8"))
    assert config["pad_token_id"] is None and not [key for key in config if "attn" in key]
    assert load_llama(base, torch.device("cpu")).config.pad_token_id is None


@pytest.mark.parametrize("name", ["generation_config.json", "tokenizer_config.json", "added_tokens.json"])
def test_other_files_that_are_no_objects(base: Path, name: str) -> None:
    (base / name).write_text("[]", encoding="utf-8")
    refused(base, name, "an array")


def test_a_chat_template_that_is_not_utf8(base: Path) -> None:
    (base / "chat_template.jinja").write_bytes("{{ 'é' }}".encode("latin-1"))
    refused(base, "chat_template.jinja: not UTF-8 (byte 4)")


MARKS = {"<|im_start|>": 400, "<|im_end|>": 401}


def with_rows(base: Path, rows: int) -> None:
    edit(base / "config.json", lambda data: data.update(vocab_size=rows))
    edit_weights(base, lambda tensors: tensors.update({EMBEDDING: torch.randn(rows, 32) / 50}))


@pytest.mark.parametrize("file", ["added_tokens.json", "tokenizer_config.json", "tokenizer.json"])
def test_tokens_beside_a_sentencepiece_model_are_tokens(
    base: Path, pretrain_inputs: dict[str, Path], tmp_path: Path, context: Context, file: str
) -> None:
    with_rows(base, 402)
    added = MARKS | {"<pad>": 402}  # for which the model has no row
    decoder = {str(index): {"content": name, "special": False} for name, index in added.items()}
    beside = added if file == "added_tokens.json" else {"added_tokens_decoder": decoder}
    (base / file).write_text(json.dumps(beside), encoding="utf-8")
    if file == "tokenizer.json":  # in which alone transformers 5 writes them
        whole = build_tokenizer(read_proto(base / "tokenizer.model"))
        whole.add_special_tokens(list(added))
        whole.save(str(base / file))
    inputs = pretrain_inputs | {"base": tmp_path / "out"}
    made = tmp_path / "tokenizer"
    for folder in (inputs["base"], made):
        folder.mkdir()
    stage.run(BaseConfig(kind="path", path=str(base)), {}, inputs["base"], context)
    tokenizer_stage.run(TokenizerConfig(pieces=100, verify_lines=20), inputs, made, context)
    theirs, ours = (AutoTokenizer.from_pretrained(folder, local_files_only=True) for folder in (base, made))
    text = "<|im_start|><|im_end|>"
    assert ours.encode(text, add_special_tokens=False) == theirs.encode(text, add_special_tokens=False) == [400, 401]
    assert ours.convert_tokens_to_ids("<pad>") not in (402, None), "402 is a new piece"
    assert [name for name in read_format(base).special if name in added] == list(MARKS)
    assert read_format(base).special == read_format(inputs["base"]).special == read_format(made).special


@pytest.mark.parametrize(
    ("added", "part"),
    [
        ({"<|im_end|>": 401}, "'<|im_end|>' has id 401, and none has 400"),
        ({"<|im_end|>": 2}, "'<|im_end|>' has id 2, and in tokenizer.model '</s>' has it"),
        ({"</s>": 400}, "'</s>' has id 400, and in tokenizer.model that is token 2"),
        ({"<|im_end|>": "last"}, "the id of added token '<|im_end|>' is 'last'"),
        ({"<|im_end|>": "9" * 5_000}, "the id of added token '<|im_end|>' is '999"),
        ({"\ud800": 400}, "has half a surrogate pair"),
        ({"<|im_end|>": 400, "<pad>": 400}, "two added tokens have id 400"),
    ],
)
def test_added_tokens_that_are_refused_by_name(base: Path, added: dict[str, Any], part: str) -> None:
    with_rows(base, 408)
    (base / "added_tokens.json").write_text(json.dumps(added), encoding="utf-8")
    refused(base, "added_tokens.json", part)


@pytest.mark.parametrize(
    ("token", "part"),
    [
        ({"id": 3, "content": "<|im_end|>"}, "'<|im_end|>' has id 3, and in tokenizer.model '<0x00>' has it"),
        ({"id": True, "content": "<|im_end|>"}, "the id of added token '<|im_end|>' is True"),
        ({"id": 400}, "added token 400 has no content"),
        ("<|im_end|>", "added token None has no content"),
    ],
)
def test_added_tokens_of_a_tokenizer_json_that_are_refused_by_name(base: Path, token: Any, part: str) -> None:
    with_rows(base, 408)
    data = json.loads(build_tokenizer(read_proto(base / "tokenizer.model")).to_str())
    data["added_tokens"].append(token)
    (base / "tokenizer.json").write_text(json.dumps(data), encoding="utf-8")
    refused(base, "tokenizer.json", part)


def flat(proto: Any) -> None:
    for piece in proto.pieces:
        piece.score = 0.0


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda proto: setattr(proto.pieces[300], "piece", ""), "an empty piece"),
        (lambda proto: setattr(proto.pieces[5], "piece", "byte 2"), "SentencePiece does not take it"),
        (lambda proto: setattr(proto.pieces[300], "piece", proto.pieces[301].piece), "a piece twice"),
        (flat, "one score for all pieces"),
        (lambda proto: setattr(proto.trainer_spec, "model_type", UNIGRAM), "Unigram"),
        (lambda proto: setattr(proto.trainer_spec, "bos_id", -1), "no BOS piece"),
        (lambda proto: proto.pieces.add(piece="zzz", score=-1e4, type=1), "401 tokens and the model 400 rows"),
    ],
)
def test_sentencepiece_models_that_are_refused(base: Path, change: Callable[[Any], object], part: str) -> None:
    edit_pieces(base, change)
    refused(base, "tokenizer.model", part)
