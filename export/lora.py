"""A LoRA adapter as a GGUF file of its own, and the base that it goes over.

The base is the finished model without what the adapter adds: its embeddings, output matrix and vocabulary are those
that were trained, which no adapter of llama.cpp holds, and its layers are the base model's.
"""

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import gguf
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open

from lilm.disk import replacing
from lilm.errors import LilmError
from lilm.llama.config import read_llama_config
from lilm.llama.layout import Entry, layout, permute_rows
from lilm.llama.shape import Shape
from lilm.llama.weights import Weights

CONFIG, FILE = "adapter_config.json", "adapter_model.safetensors"  # peft's
_PREFIX, _A, _B = "base_model.model.", ".lora_A.weight", ".lora_B.weight"
_NEAR = 1e-2  # of the change that training made: what half precision may take of it, and no further training


@dataclass(frozen=True)
class Adapter:
    """a: [rank, inputs], b: [outputs, rank], float32, by the name of the matrix that they change by scale · b @ a."""

    a: dict[str, torch.Tensor]
    b: dict[str, torch.Tensor]
    rank: int
    scale: float

    def change(self, name: str) -> torch.Tensor:
        return self.scale * (self.b[name] @ self.a[name])


def read_adapter(folder: Path) -> Adapter:
    """An adapter of the pretrain stage, in peft's files."""
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    rank = int(config["r"])
    scale = config["lora_alpha"] / (rank**0.5 if config["use_rslora"] else rank)
    found: dict[str, dict[str, torch.Tensor]] = {_A: {}, _B: {}}
    with safe_open(folder / FILE, "pt") as file:
        for key in file.keys():  # noqa: SIM118 - a handle, not a dict
            for suffix, tensors in found.items():
                if key.endswith(suffix):
                    tensors[key.removeprefix(_PREFIX).removesuffix(suffix) + ".weight"] = file.get_tensor(key).float()
    if not found[_A] or found[_A].keys() != found[_B].keys():
        raise LilmError("no whole LoRA adapter", where=str(folder / FILE), remedy="run the pretrain stage again")
    return Adapter(found[_A], found[_B], rank, scale)


class WithoutAdapter(Weights):
    """The weights in `folder`, but for the matrices that `adapter` changes those in `base`, which it changed."""

    def __init__(self, folder: Path, base: Path, adapter: Adapter) -> None:
        super().__init__(folder)
        self._base, self._adapter, self._folder = Weights(base), adapter, folder

    def tensor(self, name: str) -> Any:
        if name not in self._adapter.a:
            return super().tensor(name)
        before = self._base.tensor(name)
        self._check(name, before.float(), super().tensor(name).float())
        return before

    def _check(self, name: str, before: torch.Tensor, after: torch.Tensor) -> None:
        """Raises LilmError unless the adapter is all that changed the matrix."""
        change = self._adapter.change(name)
        left = torch.linalg.vector_norm(after - before - change)
        if left > _NEAR * torch.linalg.vector_norm(change) + 1e-6 * torch.linalg.vector_norm(before):
            raise LilmError(
                f"the adapter is not all that changed {name}: something was trained after it",
                where=str(self._folder),
                remedy="set export.adapter = false, or leave out finetune.sources",
            )

    def __exit__(self, *error: Any) -> None:
        self._base.__exit__(*error)
        super().__exit__(*error)

    def __enter__(self) -> Self:
        return self


def write_adapter(adapter: Adapter, folder: Path, target: Path, more: Mapping[str, str]) -> int:
    """Write `target`, which llama.cpp loads over the base's GGUF file. Returns its number of parameters.

    folder: of the Hugging Face model, whose shape it has. more: keys that say what it is. Matrices are half floats.
    Source of the format: llama.cpp, convert_lora_to_gguf.py. Its alpha is such that scale = alpha / rank, also where
    peft divides by the root of the rank.
    """
    entries = [one for one in layout(Shape.of(read_llama_config(folder))) if one.source in adapter.a]
    missing = adapter.a.keys() - {entry.source for entry in entries}
    if missing:
        raise LilmError(f"{min(missing)} has no place in this model", where=str(folder))
    with replacing(target, sync=True) as part, closing(gguf.GGUFWriter(part, "llama")) as writer:
        writer.add_type(gguf.GGUFType.ADAPTER)
        writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
        writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, adapter.scale * adapter.rank)
        writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
        for key, value in more.items():
            writer.add_string(key, value)
        for entry in entries:
            writer.add_tensor(f"{entry.target}.lora_a", _half(adapter.a[entry.source], entry))
            b = adapter.b[entry.source]
            writer.add_tensor(
                f"{entry.target}.lora_b", _half(permute_rows(b, entry.heads) if entry.heads else b, entry)
            )
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    return sum(one.numel() for side in (adapter.a, adapter.b) for one in side.values())


def _half(tensor: torch.Tensor, entry: Entry) -> NDArray[np.float16]:
    half = tensor.to(torch.float16).contiguous()
    if not bool(torch.isfinite(half).all()):
        raise LilmError(
            f"the adapter of {entry.source} has values that are no half float",
            where=FILE,
            remedy="the training diverged; train again with a lower learning rate",
        )
    array: NDArray[np.float16] = half.numpy()
    return array
