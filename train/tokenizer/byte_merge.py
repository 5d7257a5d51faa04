"""Adding pieces to a byte-level BPE base so that every runtime cuts text alike.

New merges stand after all of the base's, so they apply where these are done, and no id of the base moves: new pieces
come after its special tokens, though those may come after its vocabulary.
"""

import copy
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lilm.disk import write_atomic
from lilm.pipeline.hashing import write_json
from lilm.train.tokenizer.byte_characters import Merge
from lilm.train.tokenizer.byte_learn import ByteLearnt
from lilm.vocabulary.byte_level import CONFIG, FILE, UNUSED_NAME, ByteLevel, bare_model, piece_bytes


@dataclass(frozen=True)
class ByteMerged:
    """data: JSON of the merged tokenizer. added: new names, those of missing bytes first, at ids base_size,
    base_size + 1, … known: learnt merges that lead to a piece of the base. unreachable: learnt names that no text can
    give, left out. padding: unused names at the end."""

    data: dict[str, Any]
    base_size: int
    added: tuple[str, ...]
    known: int
    unreachable: tuple[str, ...]
    padding: int


def merge_byte_level(base: ByteLevel, learnt: ByteLearnt, multiple: int) -> ByteMerged:
    """The base with the bytes that it lacks and the learnt pieces that text can give, padded to a multiple of
    `multiple`."""
    merges, added, unreachable = list(learnt.merges), [*base.missing, *learnt.pieces], set[str]()
    while dead := set(unreachable_names(tokenizer_json(base, added, merges, 0), added)):
        unreachable |= dead
        merges = [merge for merge in merges if not {*merge, "".join(merge)} & unreachable]
        made = {*base.missing, *("".join(merge) for merge in merges)}
        unreachable |= set(added) - made
        added = [name for name in added if name in made]
    padding = -(len(base.names) + len(added)) % multiple
    return ByteMerged(
        tokenizer_json(base, added, merges, padding),
        base_size=len(base.names),
        added=tuple(added),
        known=len(learnt.merges) - len(learnt.pieces),
        unreachable=tuple(sorted(unreachable)),
        padding=padding,
    )


def tokenizer_json(base: ByteLevel, added: Iterable[str], merges: Iterable[Merge], padding: int) -> dict[str, Any]:
    """The base's JSON with new names and merges behind its own.

    NFC is left out of it, as llama.cpp has none. Added tokens stand in the vocabulary too: `tokenizers` gives those
    that do not the ids behind it, whatever the file says.
    """
    data = copy.deepcopy(base.data)
    data["normalizer"] = data["truncation"] = data["padding"] = None
    names = [*base.names, *added]
    have, number = set(names), 0
    for _ in range(padding):
        while UNUSED_NAME.format(number) in have:
            number += 1
        names.append(UNUSED_NAME.format(number))
        have.add(names[-1])
    data["model"]["vocab"] = {name: index for index, name in enumerate(names)}
    data["model"]["merges"] = [list(merge) for merge in (*base.merges, *merges)]
    return data


def unreachable_names(data: dict[str, Any], names: Iterable[str]) -> list[str]:
    """Those of `names` that no text is ever cut into by the tokenizer with this JSON.

    A piece comes out of some text exactly when it comes out of its own text alone: merges never reach over the border
    of a piece that results. One with part of a character has no text of its own; merges must lead to it.
    """
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(json.dumps(data))
    vocab = data["model"]["vocab"]
    model = bare_model([tuple(merge) for merge in data["model"]["merges"]], list(vocab))
    dead = []
    for name in names:
        found = [token.value for token in model.tokenize(name)] == [name]
        try:
            text = piece_bytes(name).decode()
        except UnicodeDecodeError:
            text = ""
        if text:
            found = found and tokenizer.encode(text, add_special_tokens=False).ids == [vocab[name]]
        if not found:
            dead.append(name)
    return dead


def tokenizer_config(base: ByteLevel, model_max_length: int) -> dict[str, Any]:
    """tokenizer_config.json, with the base's own BOS, or none, and EOS."""
    eos = base.names[base.eos_id]
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": base.names[base.bos_id] if base.has_bos else None,
        "eos_token": eos,
        "pad_token": eos,  # these bases often have no padding token, and what is padded is never looked at
        "add_bos_token": base.adds_bos,
        "add_eos_token": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": model_max_length,
        "model_input_names": ["input_ids", "attention_mask"],
    }


def write_byte_level(merged: ByteMerged, base: ByteLevel, out_dir: Path, model_max_length: int) -> None:
    """tokenizer.json and tokenizer_config.json in `out_dir`, loadable by AutoTokenizer."""
    write_atomic(out_dir / FILE, json.dumps(merged.data, ensure_ascii=False, separators=(",", ":")))
    write_json(out_dir / CONFIG, tokenizer_config(base, model_max_length))
