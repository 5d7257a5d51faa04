"""The model as its F16 file has it: what roundings are measured against, and what teaches learnt blocks."""

from pathlib import Path

import torch
from transformers import LlamaForCausalLM

from lilm.errors import LilmError
from lilm.train.base.model_folder import load_llama


def load_full(folder: Path, device: torch.device) -> LlamaForCausalLM:
    """The Hugging Face model in `folder` in eval mode, its matrices rounded to half floats and computing in float32;
    nothing of it learns. Raises LilmError as `load_llama`."""
    model = load_llama(folder, device)
    for parameter in model.parameters():
        if parameter.dim() == 2:
            parameter.data = as_full(parameter.data)
    model.requires_grad_(False)
    return model


def as_full(matrix: torch.Tensor) -> torch.Tensor:
    """Returns the matrix as the F16 file has it, in float32."""
    return matrix.half().float()


def no_numbers(part: str) -> LilmError:
    """The error for a model that cannot be measured. part: of it, what gets or computes the values."""
    what = f"{part} gets values that are no numbers on training text"
    return LilmError(what, where="the model", remedy="train again with a lower learning rate")
