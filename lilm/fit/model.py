"""What a GGUF file says of the memory that it will need."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lilm.errors import LilmError
from lilm.gguf_file import GGUFFile, open_gguf, open_part
from lilm.gguf_parts import parts_of
from lilm.gguf_split import whole_bytes
from lilm.llama.shape import Shape
from lilm.pipeline.artifact import how_to_replace

ALIGNMENT = 64  # of a tensor in memory, bytes


@dataclass(frozen=True)
class Model:
    """What is reckoned with. weights_bytes: of the tensors as they lie in memory. n_merges: of a byte-level vocabulary.
    matrix_bytes: of the matrices, by their type."""

    shape: Shape
    n_tensors: int
    weights_bytes: int
    file_bytes: int
    n_merges: int = 0
    matrix_bytes: Mapping[str, int] = field(default_factory=dict)


def read_model(path: Path) -> Model:
    """Reads the file at `path`, or all parts of the model whose first it is. Raises LilmError when it is not a whole
    GGUF of a model."""
    parts = parts_of(path)
    opened = [open_part(part) for part in parts] if len(parts) > 1 else [open_gguf(path)]
    file, tensors = opened[0], {name: one for part in opened for name, one in part.tensors.items()}
    arch = file.value("general.architecture", str)
    if arch is None:
        raise _missing(file, "general.architecture")
    hidden = _size(file, f"{arch}.embedding_length")
    heads = _size(file, f"{arch}.attention.head_count")
    matrices: Counter[str] = Counter()
    for tensor in tensors.values():
        if len(tensor.shape) > 1:
            matrices[tensor.type.name] += tensor.bytes
    return Model(
        Shape(
            vocab=_count(file, "tokenizer.ggml.tokens"),
            hidden=hidden,
            intermediate=_size(file, f"{arch}.feed_forward_length"),
            layers=_size(file, f"{arch}.block_count"),
            heads=heads,
            kv_heads=_size(file, f"{arch}.attention.head_count_kv", heads),
            head_dim=_size(file, f"{arch}.attention.key_length", hidden // heads),
            tied="output.weight" not in tensors,
            context=_size(file, f"{arch}.context_length"),
        ),
        n_tensors=len(tensors),
        weights_bytes=sum(round_up(tensor.bytes, ALIGNMENT) for tensor in tensors.values()),
        file_bytes=whole_bytes(path),
        n_merges=_count(file, "tokenizer.ggml.merges", needed=False),
        matrix_bytes=dict(matrices.most_common()),
    )


def _size(file: GGUFFile, key: str, otherwise: int | None = None) -> int:
    """A whole number above 0; of a list (a value for each layer) the largest."""
    if file.keys.get(key, otherwise) is None:
        raise _missing(file, key)
    if isinstance(file.keys.get(key), list):
        largest = max(file.values(key, int) or [0])
    else:
        largest = file.value(key, int, otherwise) or 0
    if largest < 1:
        raise LilmError(f"{key} is {largest}", where=str(file.path), remedy=how_to_replace(file.path))
    return largest


def _count(file: GGUFFile, key: str, needed: bool = True) -> int:
    """Returns the number of values in a list, whatever they are."""
    found = file.keys.get(key)
    count = len(found) if isinstance(found, list) else 0
    if needed and not count:
        raise _missing(file, key)
    return count


def _missing(file: GGUFFile, key: str) -> LilmError:
    return LilmError(f"key {key} is missing", where=str(file.path), remedy=how_to_replace(file.path))


def round_up(size: int, step: int) -> int:
    """Rounds up to a multiple of `step`."""
    return -(-size // step) * step
