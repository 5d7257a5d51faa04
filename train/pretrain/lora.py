"""LoRA for small GPUs: an adapter on the linear layers, merged into the weights when training ends."""

from typing import Any

import torch
from peft import LoraConfig as PeftLoraConfig
from peft import get_peft_model
from transformers import LlamaForCausalLM

from lilm.recipe import AdapterConfig
from lilm.train.pretrain.embeddings import both_matrices


def with_lora(model: LlamaForCausalLM, config: AdapterConfig) -> torch.nn.Module:
    """The model wrapped by peft; only the adapter (and the embeddings, when asked) learns.

    The embeddings are trained in place rather than as `modules_to_save`, whose copies would untie a tied
    output matrix.
    """
    adapter = PeftLoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        use_rslora=config.use_rslora,
        target_modules=list(config.target_modules),
        task_type="CAUSAL_LM",
    )
    wrapped: Any = get_peft_model(model, adapter)
    for matrix in both_matrices(model):
        matrix.requires_grad_(config.train_embeddings)
    return wrapped  # type: ignore[no-any-return]


def merge_lora(wrapped: Any) -> None:
    """Add the adapter to the weights of the model it was put on, in place, and take it off."""
    wrapped.merge_and_unload(safe_merge=True)
