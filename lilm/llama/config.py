"""config.json of a Llama: what LiLM computes with, checked value by value, and nothing else of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lilm.errors import LilmError
from lilm.json_file import read_json_object
from lilm.llama import yarn

CONFIG = "config.json"
AGAIN = "fetch the model again"
ANOTHER = "use a LlamaForCausalLM with SiLU and the rotary embeddings of Llama, plain, linear or yarn, or Llama 3.1"
LARGEST = 2**31 - 1  # of tensors' sides in GGUF's readers
LARGEST_FLOAT = 3.4e38  # of float32, in which GGUF has all its numbers
MOST_LAYERS = 1_000  # Llama 3.1 405B has 126
MOST_POSITIONS = 1 << 24  # the longest context of a Llama is 4 million tokens
_SIZES = {"vocab_size": LARGEST, "hidden_size": LARGEST, "intermediate_size": LARGEST} | {
    "num_hidden_layers": MOST_LAYERS,
    "num_attention_heads": LARGEST,
    "max_position_embeddings": MOST_POSITIONS,
}
_FIXED = {"hidden_act": "silu", "partial_rotary_factor": 1.0}
_BIASES = ("attention_bias", "mlp_bias")
_FRACTIONS = {"rms_norm_eps": 1e-6, "initializer_range": 0.02, "attention_dropout": 0.0}
_ROPES: dict[str, tuple[str, ...]] = {  # figures by rope_type
    "default": (),
    "linear": ("factor",),
    "llama3": ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"),
    "yarn": ("factor", "original_max_position_embeddings"),
}


def read_llama_config(folder: Path) -> dict[str, Any]:
    """Returns the folder's config.json with what it leaves out filled in, a padding id beyond the vocabulary cleared,
    and keys that say how to run it (an attention, a cache) left out.

    Raises LilmError when it is missing or broken, or says that the model is none that LiLM trains and exports.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise LilmError("no config.json", where=str(folder), remedy="give the folder of a Hugging Face model")
    data = read_json_object(path, remedy=AGAIN)
    if data.get("model_type") != "llama":
        raise _bad(f"model_type is {data.get('model_type')!r}", path, "use a model of the llama architecture")
    _check_quantisation(data, path)
    found = {key: _whole(data, key, largest, path) for key, largest in _SIZES.items()}
    found["num_key_value_heads"] = _whole(data, "num_key_value_heads", LARGEST, path, found["num_attention_heads"])
    _check_heads(found, path)
    width = found["hidden_size"] // found["num_attention_heads"]
    found["head_dim"] = _whole(data, "head_dim", LARGEST, path, width)
    if found["head_dim"] % 2:
        raise _bad(f"head_dim is {found['head_dim']}, and rotary embeddings turn pairs", path, AGAIN)
    for key, wanted in _FIXED.items():
        if data.get(key, wanted) != wanted:
            raise _bad(f"{key} is {data[key]!r}", path, ANOTHER)
    fractions: dict[str, float] = {}  # whole numbers too: transformers refuses those
    for key, usual in _FRACTIONS.items():
        value = data.get(key, usual)
        if not _is_number(value) or not 0 <= value < 1:
            raise _bad(f"{key} is {value!r}, not a number from 0 to 1", path, AGAIN)
        fractions[key] = float(value)
    biases = {key: _flag(data, key, path) for key in _BIASES}
    tied = _flag(data, "tie_word_embeddings", path)
    rope = _rope(data, found, path)
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        **found,
        **fractions,
        "rope_parameters": rope,
        "rope_theta": rope["rope_theta"],  # for readers older than rope_parameters
        **biases,
        "tie_word_embeddings": tied,
        **_token_ids(data, found["vocab_size"], path),
    }


def _bad(what: str, path: Path, remedy: str) -> LilmError:
    return LilmError(what, where=str(path), remedy=remedy)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST_FLOAT


def _flag(data: Mapping[str, Any], key: str, path: Path) -> bool:
    value = data.get(key, False)
    if not isinstance(value, bool):
        raise _bad(f"{key} is {value!r}, not true or false", path, AGAIN)
    return value


def _whole(data: Mapping[str, Any], key: str, largest: int, path: Path, otherwise: int | None = None) -> int:
    value = otherwise if data.get(key) is None else data[key]
    if value is None:
        raise _bad(f"{key} is missing", path, AGAIN)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= largest:
        raise _bad(f"{key} is {value!r}, not a whole number from 1 to {largest:,}", path, AGAIN)
    return value


def _check_quantisation(data: Mapping[str, Any], path: Path) -> None:
    for key in ("quantization_config", "compression_config"):
        quantised = data.get(key)
        if quantised is not None:
            method = quantised.get("quant_method") if isinstance(quantised, dict) else quantised
            raise _bad(f"its weights are quantised ({key}: {method})", path, "use the model's unquantised weights")


def _check_heads(found: Mapping[str, int], path: Path) -> None:
    hidden, heads, kv_heads = (found[key] for key in ("hidden_size", "num_attention_heads", "num_key_value_heads"))
    for whole, what, part, of in (
        (hidden, "hidden_size", heads, "num_attention_heads"),
        (heads, "num_attention_heads", kv_heads, "num_key_value_heads"),
    ):
        if whole % part:
            raise _bad(f"{what} {whole} is no multiple of {of} {part}", path, AGAIN)


def _rope(data: Mapping[str, Any], sizes: Mapping[str, int], path: Path) -> dict[str, Any]:
    """Returns transformers' `rope_parameters`, from the keys of any of its versions; as there, old ones win."""
    given = data.get("rope_scaling") or data.get("rope_parameters") or {}
    if not isinstance(given, dict):
        raise _bad(f"the rotary embedding is {given!r}, not an object", path, AGAIN)
    kind = given.get("rope_type", given.get("type", "default"))
    if not isinstance(kind, str) or kind not in _ROPES:
        raise _bad(f"rope_type is {kind!r}", path, ANOTHER)
    if given.get("partial_rotary_factor", 1.0) != 1.0:
        raise _bad(f"partial_rotary_factor is {given['partial_rotary_factor']!r}", path, ANOTHER)
    theta = given.get("rope_theta", data.get("rope_theta", 10_000.0))
    if not _is_number(theta) or theta < 1:
        raise _bad(f"rope_theta is {theta!r}, not a number of at least 1", path, AGAIN)
    figures: dict[str, Any] = {key: given.get(key) for key in _ROPES[kind]}
    old = "original_max_position_embeddings"
    if old in figures:  # as in transformers: beside the others, too, where it wins; else the context
        found = (data.get(old), figures[old], sizes["max_position_embeddings"])
        figures[old] = next(value for value in found if value is not None)
    for key, value in figures.items():
        if not _is_number(value) or value <= 0:
            raise _bad(f"{key} of its {kind} rotary embedding is {value!r}, not a number above 0", path, AGAIN)
    if kind == "llama3" and figures["low_freq_factor"] >= figures["high_freq_factor"]:
        raise _bad("low_freq_factor of its llama3 rotary embedding is not below high_freq_factor", path, AGAIN)
    if kind == "yarn":
        figures[old] = _whole(figures, old, MOST_POSITIONS, path)
        figures |= _yarn(given, figures["factor"], path)
        if not yarn.has_order(figures[old], theta, sizes["head_dim"]):
            what = f"{old} of its yarn rotary embedding is {figures[old]}: too much for a rope_theta of {theta}"
            raise _bad(what, path, ANOTHER)
    return {"rope_type": kind, "rope_theta": float(theta), **figures}


def _yarn(given: Mapping[str, Any], factor: float, path: Path) -> dict[str, float]:
    """YaRN's figure beside `factor`. Raises LilmError for what GGUF cannot carry."""
    of = "of its yarn rotary embedding"
    if factor < 1:
        raise _bad(f"factor {of} is {factor!r}, below 1", path, AGAIN)
    for key in ("attention_factor", "mscale", "mscale_all_dim"):
        value = given.get(key)
        if value is not None and (not _is_number(value) or value <= 0):
            raise _bad(f"{key} {of} is {value!r}, not a number above 0", path, AGAIN)
    for key, fixed in yarn.FIXED.items():
        value = given.get(key)
        if value is not None and value != fixed:
            raise _bad(f"{key} {of} is {value!r}, and llama.cpp computes a Llama with {fixed!r} only", path, ANOTHER)
    found = yarn.attention_factor({**given, "factor": factor})
    if not 0 < found <= LARGEST:
        raise _bad(f"attention_factor {of} is {found!r}, not a number above 0", path, AGAIN)
    return yarn.attention_figure(factor, found)


def _token_ids(data: Mapping[str, Any], rows: int, path: Path) -> dict[str, Any]:
    """Returns the ids of BOS, EOS (one, or several) and padding; a padding token without a row pads nothing."""
    found = {f"{name}_token_id": data.get(f"{name}_token_id") for name in ("bos", "eos", "pad")}
    for key, value in found.items():
        for number in value if isinstance(value, list) and key == "eos_token_id" else [value]:
            if number is not None and (not isinstance(number, int) or isinstance(number, bool)):
                raise _bad(f"{key} is {value!r}, not a whole number", path, AGAIN)
    pad = found["pad_token_id"]
    if pad is not None and not 0 <= pad < rows:
        found["pad_token_id"] = None
    return found
