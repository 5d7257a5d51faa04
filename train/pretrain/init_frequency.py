"""New output rows that expect each piece as often as the text has it.

Nearly all of a hidden state is the mean of all hidden states, so a row's product with that mean is a bias: the logit of
its piece whatever was read. A mean of old rows has the bias of parts of characters; here it is set so that the piece is
as likely as in the text. (Initialising an output layer's biases by frequencies is old practice; a Llama has none.)
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch

from lilm.train.trainer.chunks import CHUNK_ELEMENTS
from lilm.vocabulary.pieces import Pieces

COUNTED = 2_000_000  # characters of text whose pieces are counted
WINDOW, WINDOWS = 256, 8  # tokens that are read for the mean hidden state
UNSEEN = 0.3  # times that a piece counts which is in none of them


def expect_frequencies(model: Any, base: Pieces, merged: Pieces, texts: Iterable[str]) -> None:
    """Move the new rows of the output matrix along the mean hidden state, in place. Where both matrices are one, this
    moves the input rows too, by little.

    A model whose hidden states share little (one of 260K parameters) then expects the new language in the old one too.
    model: has rows for all pieces of `merged`, the new ones begun as means.
    """
    counts = np.full(len(merged), UNSEEN)
    windows: list[list[int]] = []
    for text in texts:
        ids = merged.encode(text)
        np.add.at(counts, ids, 1)
        if len(windows) < WINDOWS and len(ids) >= WINDOW:
            windows.append([merged.bos_id, *ids[: WINDOW - 1]])
    if not windows:
        return  # too little text to say anything about frequencies
    n_old = len(base)
    matrix = model.get_output_embeddings().weight
    hidden = hidden_states(model, torch.tensor(windows))
    mean = hidden.mean(dim=0)
    with torch.no_grad():
        old = matrix[:n_old].float()
        total = torch.cat([(part @ old.T).logsumexp(-1) for part in hidden.split(max(1, CHUNK_ELEMENTS // n_old))])
        wanted = torch.from_numpy(np.log(counts / counts.sum())[n_old:]).to(mean) + total.mean()
        rows = matrix[n_old:].float()
        matrix[n_old:] = (rows + ((wanted - rows @ mean) / mean.dot(mean))[:, None] * mean).to(matrix)


def first_texts(texts: Iterable[str]) -> Iterator[str]:
    """Those that pieces are counted in: until COUNTED characters have come."""
    seen = 0
    for text in texts:
        yield text
        seen += len(text)
        if seen >= COUNTED:
            return


@torch.no_grad()
def hidden_states(model: Any, input_ids: torch.Tensor) -> torch.Tensor:
    """The last hidden states of `input_ids` [batch, sequence], after the norm: float32 [batch · sequence, hidden]."""
    was_training = model.training
    model.eval()
    rows = [model.model(input_ids=row[None].to(model.device), use_cache=False).last_hidden_state for row in input_ids]
    model.train(was_training)
    return torch.cat(rows).float().flatten(0, 1)
