"""The model as its F16 file has it: what roundings are measured against, and what teaches learnt blocks."""

from pathlib import Path

import torch
from transformers import LlamaForCausalLM

from lilm.train.base.model_folder import load_llama


def load_full(folder: Path, device: torch.device) -> LlamaForCausalLM:
    """The Hugging Face model in `folder` in eval mode, its matrices rounded to half floats and computing in float32;
    nothing of it learns. Raises LilmError as `load_llama`."""
    model = load_llama(folder, device)
    for parameter in model.parameters():
        if parameter.dim() == 2:
            parameter.data = parameter.data.half().float()
    model.requires_grad_(False)
    return model
