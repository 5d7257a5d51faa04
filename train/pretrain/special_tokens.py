"""Which ids begin and end a text, said alike by config.json, generation_config.json, the tokenizer and GGUF."""

from pathlib import Path
from typing import Any

from lilm.chat.files import read_format
from lilm.vocabulary.pieces import Pieces


def settle_special_tokens(model: Any, tokenizer: Path, pieces: Pieces) -> None:
    """Make both configs name the BOS and EOS of the tokenizer in `tokenizer`, whose pieces are `pieces`, in place.

    An id that the base's config gave to a token of added_tokens.json, or to none, is that of a new piece now:
    generation would stop at it. Of the ids where generation stops those of special tokens stay.
    """
    found = read_format(tokenizer)
    bos, eos = (
        pieces.names.index(name) if (name := found.tokens[key]) in pieces.names else None
        for key in ("bos_token", "eos_token")
    )
    special = set(found.special.values())
    stops = [eos] if eos is not None else []
    for before in (model.generation_config.eos_token_id, model.config.eos_token_id):
        ids = before if isinstance(before, list) else [before]
        stops += [index for index in ids if index in special and index not in stops]
    pad = model.config.pad_token_id
    model.config.bos_token_id, model.config.eos_token_id = bos, eos
    generation = model.generation_config
    generation.bos_token_id, generation.pad_token_id = bos, pad
    generation.eos_token_id = stops if len(stops) > 1 else eos
