"""Bits per UTF-8 byte: the only likelihood that can be compared between tokenizers."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from lilm.errors import LilmError
from lilm.train.pack.packing import IGNORE
from lilm.train.trainer.rank import all_sum, current_rank

Encode = Callable[[str], list[int]]
LOGITS = 2**27  # held at once: 512 MB in float32


@dataclass(frozen=True)
class Window:
    """text: number of the text that `ids` are of. labels: what to predict after each of `ids` but the last, IGNORE for
    nothing; None: the next id."""

    text: int
    ids: list[int]
    labels: Sequence[int] | None = None

    @property
    def wanted(self) -> Sequence[int]:
        return self.ids[1:] if self.labels is None else self.labels


def take_bytes(texts: Iterable[str], n_bytes: int) -> list[str]:
    """The first texts that together have at least `n_bytes` UTF-8 bytes (or all there are)."""
    taken, total = [], 0
    for text in texts:
        if total >= n_bytes:
            break
        taken.append(text)
        total += len(text.encode())
    return taken


def cut_windows(encode: Encode, bos_token_id: int, texts: Sequence[str], window: int) -> list[Window]:
    """Each text in windows of `window` tokens. Each begins with BOS, so every token of the text is predicted, from at
    most window − 1 others. encode: text -> ids without special tokens."""
    windows = []
    for number, text in enumerate(texts):
        ids = encode(text)
        windows += [Window(number, [bos_token_id, *ids[at : at + window - 1]]) for at in range(0, len(ids), window - 1)]
    return windows


@torch.no_grad()
def text_nats(
    model: PreTrainedModel,
    windows: Sequence[Window],
    texts: int,
    batch_size: int = 16,
    on_tokens: Callable[[int], None] = lambda tokens: None,
) -> list[float]:
    """Negative log likelihood (nats) of each of `texts` texts, whose windows these are.

    Several processes share the windows, and all must ask together. on_tokens: told how many tokens were just predicted,
    by all processes.
    """
    device, mine = model.device, current_rank()
    batches = _batches(windows, batch_size, model.config.vocab_size)
    nats = [0.0] * texts
    for at in range(mine.rank, -(-len(batches) // mine.world_size) * mine.world_size, mine.world_size):
        # one whose turn finds nothing left looks at a window that counts 0: ZeRO-3 wants all of them to run the model
        found = batches[at] if at < len(batches) else []
        rows = found or [Window(0, [0, 0])]
        width = max(len(row.ids) for row in rows) - 1
        ids = torch.tensor([row.ids[:-1] + [0] * (width + 1 - len(row.ids)) for row in rows], device=device)
        labels = torch.tensor([[*row.wanted, *[IGNORE] * (width + 1 - len(row.ids))] for row in rows], device=device)
        logits = model(input_ids=ids, use_cache=False).logits
        # row by row: sums over the last dimension are the fast and the exact ones, and the copy stays small
        for window, row, wanted in zip(found, logits, labels, strict=False):
            losses = torch.nn.functional.cross_entropy(row.float(), wanted, ignore_index=IGNORE, reduction="none")
            nats[window.text] += float(losses.double().sum())
        on_tokens(mine.world_size * sum(len(window.ids) - 1 for window in found))
    return all_sum(nats)


def _batches(windows: Sequence[Window], batch_size: int, vocab_size: int) -> list[list[Window]]:
    """Like lengths together, so that there is little padding; never more logits than LOGITS, or one window."""
    batches: list[list[Window]] = []
    for window in sorted(windows, key=lambda window: len(window.ids)):
        last = batches[-1] if batches else []
        if last and len(last) < batch_size and (len(last) + 1) * len(window.ids) * vocab_size <= LOGITS:
            last.append(window)
        else:
            batches.append([window])
    return batches


def bits_per_byte(
    model: PreTrainedModel, encode: Encode, bos_token_id: int, texts: Sequence[str], window: int, batch_size: int = 16
) -> float:
    """Negative log2 likelihood of `texts`, cut as by `cut_windows`, divided by their UTF-8 bytes.

    Raises LilmError when there is no text.
    """
    n_bytes = byte_count(texts)
    windows = cut_windows(encode, bos_token_id, texts, window)
    return sum(text_nats(model, windows, len(texts), batch_size)) / math.log(2) / n_bytes


def byte_count(texts: Sequence[str]) -> int:
    """UTF-8 bytes. Raises LilmError when there are none."""
    n_bytes = sum(len(text.encode()) for text in texts)
    if n_bytes == 0:
        raise LilmError("no held-out text to measure with", where="bits per byte", remedy="raise corpus.heldout")
    return n_bytes
