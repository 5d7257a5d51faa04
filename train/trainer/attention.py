"""Which attention trains: packed documents must not see each other in any of them."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch

VARLEN, SDPA = "lilm_varlen", "sdpa"
AMPERE = (8, 0)  # the first GPUs that FlashAttention 2 runs on
WIDEST_HEAD = 256  # that its kernels have


def choose_attention(model: Any, device: torch.device, dtype: str) -> bool:
    """Returns whether `train` may go through the documents one by one (`Job.flat_attention`).

    That is torch's own FlashAttention over sequences of any length: it never looks at pairs of tokens of different
    documents, while SDPA, which trains everywhere else, looks and masks. It wants a GPU, bfloat16, and the batch as
    one long sequence (see `LossModel`).
    """
    model.set_attn_implementation(SDPA)
    config = model.config
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return (
        device.type == "cuda"
        and dtype == "bfloat16"
        and torch.cuda.get_device_capability(device) >= AMPERE
        and width % 8 == 0
        and width <= WIDEST_HEAD
        and _kernel() is not None
    )


@contextmanager
def flat_attention(model: Any, wanted: bool) -> Iterator[None]:
    """Within, `model` attends as `choose_attention` found out that it may; else it stays as it is."""
    if not wanted:
        yield
        return
    from transformers import AttentionInterface

    # transformers makes no mask for a name that it has none for, and hands on what `LossModel` gives beside the tokens
    AttentionInterface.register(VARLEN, partial(_by_document, _kernel()))
    before = model.config._attn_implementation
    model.set_attn_implementation(VARLEN)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


@contextmanager
def exact_attention(model: Any) -> Iterator[None]:
    """Within, a model that trains document by document measures with SDPA, in float32 and with a cache."""
    before = model.config._attn_implementation
    if before != VARLEN:
        yield
        return
    model.set_attn_implementation(SDPA)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def document_borders(position_ids: torch.Tensor) -> torch.Tensor:
    """int32 [documents + 1]: where each begins when the rows of position_ids [batch, sequence] are laid end to end,
    and where the last one ends. A document begins where a row does, and where positions do not go on by one."""
    begins = torch.ones_like(position_ids, dtype=torch.bool)
    begins[:, 1:] = position_ids[:, 1:] != position_ids[:, :-1] + 1
    end = torch.tensor([position_ids.numel()], device=position_ids.device)
    return torch.cat([begins.view(-1).nonzero().view(-1), end]).int()


def _kernel() -> Any:
    """torch's causal attention over packed sequences, or None in a torch that lacks it."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:  # before 2.10
        return None
    known = inspect.signature(varlen_attn).parameters
    said: dict[str, Any] = {"window_size": (-1, 0)} if "window_size" in known else {"is_causal": True}
    if "enable_gqa" in known:  # later versions want to be told that fewer heads of keys and values are meant
        said["enable_gqa"] = True
    return partial(varlen_attn, **said)


def _by_document(
    kernel: Any,
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: None,
    scaling: float,
    cu_seq_lens_q: torch.Tensor,
    max_length_q: int,
    **unused: Any,
) -> tuple[torch.Tensor, None]:
    """Attends as transformers calls an attention: query [1, heads, tokens, head_dim]; key and value the same with their
    own number of heads -> ([1, tokens, heads, head_dim], None). cu_seq_lens_q: see `document_borders`; max_length_q: no
    document is longer."""
    query, key, value = (one[0].transpose(0, 1) for one in (query, key, value))
    # under autocast the rotation leaves float32, which the kernel does not take
    query, key = query.to(value.dtype), key.to(value.dtype)
    found = kernel(query, key, value, cu_seq_lens_q, cu_seq_lens_q, max_length_q, max_length_q, scale=scaling)
    return found[None], None
