"""Bits per UTF-8 byte: the only likelihood that can be compared between tokenizers."""

import math
from collections.abc import Callable, Iterable

import torch
from transformers import PreTrainedModel

Encode = Callable[[str], list[int]]


def take_bytes(texts: Iterable[str], n_bytes: int) -> list[str]:
    """The first texts that together have at least `n_bytes` UTF-8 bytes (or all there are)."""
    taken, total = [], 0
    for text in texts:
        if total >= n_bytes:
            break
        taken.append(text)
        total += len(text.encode())
    return taken


@torch.no_grad()
def bits_per_byte(
    model: PreTrainedModel, encode: Encode, bos_token_id: int, texts: list[str], window: int, batch_size: int = 16
) -> float:
    """Negative log2 likelihood of `texts` divided by their UTF-8 bytes.

    encode: text -> ids without special tokens. Each text is cut into windows of `window` tokens; each window
    begins with BOS, so every token of the text is predicted, from at most window − 1 others.
    """
    windows = []
    for text in texts:
        ids = encode(text)
        windows += [[bos_token_id, *ids[at : at + window - 1]] for at in range(0, len(ids), window - 1)]
    windows.sort(key=len)  # like lengths together: less padding
    device, nats = model.device, 0.0
    for at in range(0, len(windows), batch_size):
        rows = windows[at : at + batch_size]
        width = max(len(row) for row in rows)
        padded = torch.tensor([row + [bos_token_id] * (width - len(row)) for row in rows], device=device)
        logits = model(input_ids=padded[:, :-1], use_cache=False).logits.float()
        losses = torch.nn.functional.cross_entropy(logits.transpose(1, 2), padded[:, 1:], reduction="none")
        lengths = torch.tensor([len(row) - 1 for row in rows], device=device)
        inside = torch.arange(width - 1, device=device)[None] < lengths[:, None]
        nats += float((losses * inside).double().sum())
    return nats / math.log(2) / sum(len(text.encode()) for text in texts)
