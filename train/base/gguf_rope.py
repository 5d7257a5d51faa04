"""The rotary embedding that a GGUF file's keys and factors tell, as transformers' `rope_parameters`."""

import math
from typing import Any

import numpy as np

from lilm.errors import LilmError
from lilm.gguf_file import FETCH, GGUFFile
from lilm.llama import yarn
from lilm.llama.config import LARGEST, MOST_POSITIONS
from lilm.llama.rope import TENSOR, rope_factors

ANOTHER = "use a Llama: LlamaForCausalLM's arithmetic, no experts, the rotary embeddings of Llama, Llama 3 or YaRN"
OLD_CONTEXTS = tuple(2**power for power in range(5, 21))  # what original_max_position_embeddings may be
_SCALING = "llama.rope.scaling"
_UNREAD: dict[str, tuple[float, ...]] = {
    "yarn_ext_factor": (-1.0, 1.0),
    "yarn_attn_factor": (1.0,),
    "yarn_log_multiplier": (0.0,),
} | {
    "yarn_beta_fast": (yarn.FIXED["beta_fast"],),
    "yarn_beta_slow": (yarn.FIXED["beta_slow"],),
}
"""YaRN's keys that llama.cpp reads of other architectures only: what they may say, because it is done."""


def read_rope(file: GGUFFile, theta: float, head_dim: int, context: int) -> dict[str, Any]:
    """`rope_parameters`: plain, stretched linearly or by YaRN, or Llama 3's with figures that give exactly the factors
    in the file. Raises LilmError for another one.

    theta, head_dim, context: of the model.
    """
    tensor = file.tensors.get(TENSOR)
    plain = {"rope_type": "default", "rope_theta": theta}
    scaled = _scaled(file, plain, head_dim, context)
    if scaled is not None:
        if tensor is not None:
            what = f"its rotary embedding is scaled twice, by {_SCALING}.factor and by {TENSOR}"
            raise LilmError(what, where=str(file.path), remedy=ANOTHER)
        return scaled
    if tensor is None:
        return plain
    if tensor.type.name != "F32" or len(tensor.shape) != 1:
        raise LilmError(f"{TENSOR} is no list of F32", where=str(file.path), remedy=FETCH)
    factors = file.rows(tensor).view(np.float32).reshape(-1).astype(np.float64)
    if np.all(factors == 1):
        return plain
    for old in OLD_CONTEXTS:
        tried = {**plain, "rope_type": "llama3", "factor": short_float(factors.max()), "low_freq_factor": 1.0}
        tried |= {"high_freq_factor": 4.0, "original_max_position_embeddings": old}
        made = np.array(rope_factors(tried, head_dim))
        if made.shape == factors.shape and all(
            math.isclose(a, b, rel_tol=1e-5) for a, b in zip(made, factors, strict=True)
        ):
            return tried
    raise LilmError(
        f"the factors of its rotary embedding ({TENSOR}) are not those of Llama 3",
        where=str(file.path),
        remedy=ANOTHER,
    )


def short_float(value: float) -> float:
    """The shortest decimal that is this value in float32: 1e-05, not 9.999999747378752e-06."""
    return float(str(np.float32(value)))


def _scaled(file: GGUFFile, plain: dict[str, Any], head_dim: int, context: int) -> dict[str, Any] | None:
    """`rope_parameters` where positions are divided; a file that does not say how means linearly, as in llama.cpp."""
    where = str(file.path)
    kind = file.keys.get(f"{_SCALING}.type", "linear")
    if kind not in ("none", "linear", "yarn"):
        raise LilmError(f"its rotary embedding is scaled ({kind})", where=where, remedy=ANOTHER)
    factor = file.keys.get(f"{_SCALING}.factor", file.keys.get("llama.rope.scale_linear", 0.0))
    if not isinstance(factor, float) or not 0 <= factor <= LARGEST:
        raise LilmError(f"its rotary embedding is stretched by {factor!r}", where=where, remedy=ANOTHER)
    factor = 1.0 if kind == "none" or factor == 0 else short_float(factor)
    louder = file.value(f"{_SCALING}.attn_factor", float, 1.0) or 0.0
    if not 0 < louder < math.inf or (louder != 1 and kind != "yarn"):
        raise LilmError(f"{_SCALING}.attn_factor is {louder} with {kind} scaling", where=where, remedy=ANOTHER)
    if kind == "yarn":
        return {**plain, "rope_type": "yarn", **_yarn(file, factor, louder, plain["rope_theta"], head_dim, context)}
    return {**plain, "rope_type": "linear", "factor": factor} if factor != 1 else None


def _yarn(
    file: GGUFFile, factor: float, louder: float, theta: float, head_dim: int, context: int
) -> dict[str, float | int]:
    where = str(file.path)
    for key, done in _UNREAD.items():
        found = file.value(f"{_SCALING}.{key}", float, done[0])
        if found not in done:
            what = f"{_SCALING}.{key} is {found}, and llama.cpp computes a Llama with {done[-1]} only"
            raise LilmError(what, where=where, remedy=ANOTHER)
    old = file.value(f"{_SCALING}.original_context_length", int, context) or 0
    if not 1 <= old <= MOST_POSITIONS or factor < 1 or not yarn.has_order(old, theta, head_dim):
        what = f"its rotary embedding is scaled (yarn) by {factor} from a context of {old} tokens"
        raise LilmError(what, where=where, remedy=ANOTHER)
    figure = yarn.attention_figure(factor, louder * yarn.magnitude(factor))
    figures = {key: short_float(value) for key, value in figure.items()}
    return {"factor": factor, "original_max_position_embeddings": old, **figures}
