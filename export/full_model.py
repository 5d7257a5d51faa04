"""The model as its F16 file has it: what roundings are measured against, and what teaches learnt blocks."""

from pathlib import Path

import torch
from transformers import LlamaForCausalLM

from lilm.errors import LilmError
from lilm.llama.weights import Weights
from lilm.memory import trim_heap
from lilm.train.base.model_folder import load_llama


def load_full(folder: Path, device: torch.device) -> LlamaForCausalLM:
    """The Hugging Face model in `folder` in eval mode, its matrices rounded to half floats and computing in float32;
    nothing of it learns. Raises LilmError as `load_llama`."""
    # read as half floats, it needs no room for the file's own numbers beside those that it computes with
    model = load_llama(folder, device, "float16")
    with Weights(folder) as weights:
        for name, parameter in model.named_parameters():
            whole = parameter.data if parameter.dim() == 2 else weights.tensor(name).to(device)
            parameter.data = whole.float()
    model.config.dtype = torch.float32
    trim_heap()  # of the half floats
    model.requires_grad_(False)
    return model


def as_full(matrix: torch.Tensor) -> torch.Tensor:
    """Returns the matrix as the F16 file has it, in float32."""
    return matrix.half().float()


def no_numbers(part: str) -> LilmError:
    """The error for a model that cannot be measured. part: of it, what gets or computes the values."""
    what = f"{part} gets values that are no numbers on training text"
    return LilmError(what, where="the model", remedy="train again with a lower learning rate")
