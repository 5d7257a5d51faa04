"""Bits per UTF-8 byte: the only likelihood that can be compared between tokenizers."""

import math
from collections.abc import Callable, Iterable

import torch
from transformers import PreTrainedModel

from lilm.errors import LilmError
from lilm.train.trainer.place import all_sum, here

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
    begins with BOS, so every token of the text is predicted, from at most window − 1 others. Several processes share
    the windows, and all must ask together. Raises LilmError when there is no text.
    """
    n_bytes = sum(len(text.encode()) for text in texts)
    if n_bytes == 0:
        raise LilmError("no held-out text to measure with", where="bits per byte", remedy="raise corpus.heldout")
    windows = []
    for text in texts:
        ids = encode(text)
        windows += [[bos_token_id, *ids[at : at + window - 1]] for at in range(0, len(ids), window - 1)]
    windows.sort(key=len)  # like lengths together: less padding
    device, nats, place = model.device, 0.0, here()
    batches = [windows[at : at + batch_size] for at in range(0, len(windows), batch_size)]
    for at in range(place.rank, -(-len(batches) // place.ranks) * place.ranks, place.ranks):
        # one whose turn finds nothing left looks at a window that counts 0: ZeRO-3 wants all of them to run the model
        rows = batches[at] if at < len(batches) else [[bos_token_id] * 2]
        width = max(len(row) for row in rows)
        padded = torch.tensor([row + [bos_token_id] * (width - len(row)) for row in rows], device=device)
        logits = model(input_ids=padded[:, :-1], use_cache=False).logits.float()
        losses = torch.nn.functional.cross_entropy(logits.transpose(1, 2), padded[:, 1:], reduction="none")
        lengths = torch.tensor([len(row) - 1 if at < len(batches) else 0 for row in rows], device=device)
        inside = torch.arange(width - 1, device=device)[None] < lengths[:, None]
        nats += float((losses * inside).double().sum())
    return all_sum([nats])[0] / math.log(2) / n_bytes
