"""The two matrices that know the vocabulary: made longer by new rows."""

from typing import Any

import torch
from transformers import LlamaForCausalLM

from lilm.train.pretrain.init_rows import Start, new_rows
from lilm.vocabulary.pieces import Pieces


def both_matrices(model: LlamaForCausalLM) -> list[torch.nn.Parameter]:
    """[input matrix, output matrix], [vocab_size, hidden_size] each; the same object twice when tied."""
    embeddings: tuple[Any, Any] = (model.get_input_embeddings(), model.get_output_embeddings())
    return [module.weight for module in embeddings]


def extend_embeddings(
    model: LlamaForCausalLM,
    base: Pieces,
    pieces: list[str],
    init: Start,
    seed: int,
) -> None:
    """Resize the input and output matrix to len(pieces) rows, in place; old rows keep their bits.

    pieces: the merged vocabulary; its first rows are the base's. init: how the new rows of each matrix begin, on its
    own (see lilm.train.pretrain.init_rows).
    """
    n_old, n_new = len(base), len(pieces)
    matrices = both_matrices(model)
    tied = matrices[0].data_ptr() == matrices[1].data_ptr()
    old = [matrix.detach()[:n_old].clone() for matrix in (matrices[:1] if tied else matrices)]
    model.resize_token_embeddings(n_new, mean_resizing=False)
    # a padding row gets no gradient, and the base's padding may be a token whose id is a new piece's now
    model.config.pad_token_id = None
    embedding: Any = model.get_input_embeddings()
    embedding.padding_idx = None
    matrices = both_matrices(model)
    spelling = [base.spell(piece) for piece in pieces[n_old:]]
    with torch.no_grad():
        for matrix, rows in zip(matrices, old, strict=False):
            matrix[:n_old] = rows
            if spelling:
                matrix[n_old:] = new_rows(init, rows, spelling, seed)
