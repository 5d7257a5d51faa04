"""Writes a Hugging Face Llama as a GGUF file of half floats, tensor by tensor."""

import os
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import gguf
import numpy as np
import torch
from numpy.typing import NDArray

from lilm.chat.files import read_chat_template
from lilm.disk import replacing
from lilm.errors import LilmError
from lilm.json_file import read_json_object
from lilm.llama import yarn
from lilm.llama.config import read_llama_config
from lilm.llama.layout import Entry, layout, permute_rows
from lilm.llama.rope import TENSOR as ROPE_TENSOR
from lilm.llama.rope import rope_factors
from lilm.llama.shape import Shape
from lilm.llama.weights import Weights
from lilm.llamacpp.vocab import add_vocab
from lilm.origin import Origin, read_origin

MatrixType = Literal["F16", "F32"]
IGNORED = ("rotary_emb.inv_freq",)  # buffers of old checkpoints; the value follows from the config


def write_gguf(
    folder: Path,
    target: Path,
    languages: tuple[str, ...],
    on_tensor: Callable[[int, int], None] | None = None,
    matrices: MatrixType = "F16",
    origin: Origin | None = None,
    license_name: str = "",
    open_weights: Callable[[Path], Weights] = Weights,
    more: Mapping[str, str] | None = None,
) -> int:
    """Write `folder` (config.json, safetensors, tokenizer files) to `target`. Returns the number of parameters.

    Matrices become F16 (or F32: twice the size, to compare arithmetic with), norms and biases F32. At most two tensors
    are in memory. The bytes depend on the input only. on_tensor(done, all) is called after each tensor.
    origin: the base's, and license_name: the model's own, for the file's keys; more: keys of text beside them.
    open_weights: of the folder.
    Raises LilmError for a model that does not fit GGUF's `llama`, for missing, corrupt or misshapen tensors, and for
    weights that are no half float.
    """
    config = read_llama_config(folder)
    shape = Shape.of(config)
    entries = list(layout(shape))
    with open_weights(folder) as weights:
        _check(entries, weights, folder)
        writer, factors = _described(config, shape, folder, languages, matrices, origin, license_name)
        for key, value in (more or {}).items():
            writer.add_string(key, value)
        with replacing(target, sync=True) as part, closing(writer):
            _write_head(writer, part)
            if factors.size:
                writer.write_tensor_data(factors)
            for done, entry in enumerate(entries, 1):
                writer.write_tensor_data(_converted(entry, weights, _is_half(entry, matrices)))
                if on_tensor is not None:
                    on_tensor(done, len(entries))
    return shape.parameters


def write_outline(
    base: Path, tokenizer: Path, target: Path, languages: tuple[str, ...], license_name: str = ""
) -> Shape:
    """Write `target` as `write_gguf` would write `base` once it has the vocabulary of `tokenizer`, F16, but with a hole
    for weights, which takes no room on the disk: what follows from keys and sizes is known before any training.

    base: folder of a model. tokenizer: folder of the tokenizer stage. Returns its shape.
    """
    config = read_llama_config(base)
    shape = Shape.of(config, read_json_object(tokenizer / "report.json")["vocab_size"])
    origin = read_origin(base)
    writer, _ = _described(config, shape, tokenizer, languages, "F16", origin, license_name)
    with replacing(target) as part:
        with closing(writer):
            _write_head(writer, part)
        tensors = (tensor for group in writer.tensors for tensor in group.values())
        room = sum(tensor.nbytes + writer.data_alignment for tensor in tensors)
        os.truncate(part, part.stat().st_size + room)
    return shape


def _described(
    config: Mapping[str, Any],
    shape: Shape,
    tokenizer: Path,
    languages: tuple[str, ...],
    matrices: MatrixType,
    origin: Origin | None,
    license_name: str,
) -> tuple[gguf.GGUFWriter, NDArray[np.float32]]:
    """(a writer that knows all keys and tensors; the rotary embeddings' factors, the first tensor where there are any).

    Raises LilmError when the vocabulary of `tokenizer` is not that of `shape`.
    """
    writer = gguf.GGUFWriter(None, "llama")
    _add_general(writer, shape.parameters, languages, matrices)
    _add_origin(writer, origin, license_name)
    _add_llama(writer, shape, config)
    pieces = add_vocab(writer, tokenizer, read_chat_template(tokenizer))
    if pieces != shape.vocab:
        raise LilmError(
            f"the tokenizer has {pieces} pieces, the model {shape.vocab} rows",
            where=str(tokenizer),
            remedy="use the tokenizer the model was trained with",
        )
    factors = np.array(rope_factors(config["rope_parameters"], shape.head_dim), dtype=np.float32)
    if factors.size:
        writer.add_tensor_info(ROPE_TENSOR, factors.shape, factors.dtype, factors.nbytes)
    for entry in layout(shape):
        kind = np.dtype(np.float16 if _is_half(entry, matrices) else np.float32)
        writer.add_tensor_info(entry.target, entry.shape, kind, int(np.prod(entry.shape)) * kind.itemsize)
    return writer, factors


def _is_half(entry: Entry, matrices: MatrixType) -> bool:
    return matrices == "F16" and len(entry.shape) == 2


def _write_head(writer: gguf.GGUFWriter, path: Path) -> None:
    writer.write_header_to_file(path)
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()


def _check(entries: list[Entry], weights: Weights, folder: Path) -> None:
    known = {entry.source for entry in entries} | {"lm_head.weight"}
    for name in weights.names:
        if name not in known and not name.endswith(IGNORED):
            raise LilmError(
                f"tensor {name} has no place in a Llama", where=str(weights.path(name)), remedy="merge adapters first"
            )
    for entry in entries:
        if entry.source not in weights.names:
            raise LilmError(f"no tensor {entry.source}", where=str(folder), remedy="config.json and weights disagree")
        if weights.shape(entry.source) != entry.shape:
            raise LilmError(
                f"{entry.source} has shape {list(weights.shape(entry.source))}, config.json wants {list(entry.shape)}",
                where=str(weights.path(entry.source)),
                remedy="config.json and weights disagree",
            )


def _add_general(writer: gguf.GGUFWriter, parameters: int, languages: tuple[str, ...], matrices: MatrixType) -> None:
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name(f"LiLM {languages[0]}" if languages else "LiLM")
    writer.add_size_label(gguf.size_label(parameters, parameters, 0, 0))
    if languages:
        writer.add_languages(list(languages))
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16 if matrices == "F16" else gguf.LlamaFileType.ALL_F32)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)


def _add_origin(writer: gguf.GGUFWriter, origin: Origin | None, license_name: str) -> None:
    if license_name:
        writer.add_license(license_name)
    if origin is None or not origin.name:
        return
    writer.add_base_model_count(1)
    writer.add_base_model_name(0, origin.name)
    if origin.repo:
        writer.add_base_model_organization(0, origin.repo.partition("/")[0])
        writer.add_base_model_repo_url(0, origin.repo_url)


def _add_llama(writer: gguf.GGUFWriter, shape: Shape, config: Mapping[str, Any]) -> None:
    writer.add_block_count(shape.layers)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.hidden)
    writer.add_feed_forward_length(shape.intermediate)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head_dim)
    writer.add_value_length(shape.head_dim)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_rope_dimension_count(shape.head_dim)
    rope = config["rope_parameters"]
    scaling = {"linear": gguf.RopeScalingType.LINEAR, "yarn": gguf.RopeScalingType.YARN}.get(rope["rope_type"])
    if scaling is not None:
        writer.add_rope_scaling_type(scaling)
        writer.add_rope_scaling_factor(rope["factor"])
    if scaling is gguf.RopeScalingType.YARN:
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
        if "attention_factor" in rope:  # llama.cpp multiplies its own by it
            writer.add_rope_scaling_attn_factors(rope["attention_factor"] / yarn.magnitude(rope["factor"]))
    writer.add_vocab_size(shape.vocab)


def _converted(entry: Entry, weights: Weights, half: bool) -> NDArray[np.float16] | NDArray[np.float32]:
    tensor = weights.tensor(entry.source)
    if entry.heads:
        tensor = permute_rows(tensor, entry.heads)
    tensor = tensor.to(torch.float16 if half else torch.float32).contiguous()
    if not bool(torch.isfinite(tensor).all()):
        raise LilmError(
            f"{entry.source} has values that are no half float (infinite, not a number or beyond 65504)",
            where=str(weights.path(entry.source)),
            remedy="the training diverged; train again with a lower learning rate",
        )
    array: NDArray[np.float16] | NDArray[np.float32] = tensor.numpy()
    return array
