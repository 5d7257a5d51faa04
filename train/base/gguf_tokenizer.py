"""The tokenizer in a GGUF file's keys, as the files of a Hugging Face folder."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lilm.disk import write_atomic
from lilm.errors import LilmError
from lilm.gguf_file import GGUFFile, Value
from lilm.pipeline.hashing import write_json
from lilm.train.base.mark_row import write_mark
from lilm.vocabulary.byte_level import CONFIG, FILE, UNUSED_NAME, UNUSED_START
from lilm.vocabulary.pieces import taken_mark
from lilm.vocabulary.pretokenizers import find_pre, pre_tokenizer_json
from lilm.vocabulary.sentencepiece import BPE, BYTE, CONTROL, NORMAL, UNKNOWN, UNUSED, USER_DEFINED, empty_proto
from lilm.vocabulary.turn_mark import TurnMark, put_mark

AGAIN = "fetch or convert the model again"
KINDS = range(NORMAL, BYTE + 1)
SPM_DEFAULTS = {"unknown": 0, "bos": 1, "eos": 2}  # what llama.cpp takes where the keys are missing


def write_gguf_tokenizer(file: GGUFFile, out_dir: Path, model_max_length: int) -> TurnMark | None:
    """Writes tokenizer.model (SentencePiece), tokenizer.json and tokenizer_config.json, with special tokens and chat
    template. Returns what they have as a control token because the file has none; None where it has one.

    Raises LilmError when the vocabulary is of another kind, incomplete, or cut by a pre-tokenizer that is not known.
    """
    kind = file.value("tokenizer.ggml.model", str)
    if kind == "llama":
        return _write_sentencepiece(file, out_dir, model_max_length)
    if kind == "gpt2":
        return _write_byte_level(file, out_dir, model_max_length)
    raise LilmError(
        f"its tokenizer is {kind!r}",
        where=str(file.path),
        remedy='use a Llama with a SentencePiece ("llama") or byte-level BPE ("gpt2") vocabulary',
    )


def special_ids(file: GGUFFile) -> dict[str, int | None]:
    """Ids of bos, eos, unknown, padding and eot; None where the file names none.

    Raises LilmError for an id beyond the vocabulary, and for a file that has control tokens and names no eos.
    """
    names = ("bos", "eos", "unknown", "padding", "eot")
    found = {name: file.value(f"tokenizer.ggml.{name}_token_id", int) for name in names}
    marked = _is_marked(_kinds(file))
    if file.value("tokenizer.ggml.model", str) == "llama":
        # without control tokens, llama.cpp's BOS and EOS are two pieces of text
        taken = SPM_DEFAULTS if marked else {"unknown": SPM_DEFAULTS["unknown"]}
        found |= {name: number for name, number in taken.items() if found[name] is None}
    size = len(_list(file, "tokens", str))
    for name, number in found.items():
        if number is not None and not 0 <= number < size:
            raise LilmError(f"its {name} token has id {number}, of {size}", where=str(file.path), remedy=AGAIN)
    if marked and found["eos"] is None:
        raise LilmError("it names no eos token", where=str(file.path), remedy=AGAIN)
    return found


def _write_sentencepiece(file: GGUFFile, out_dir: Path, model_max_length: int) -> TurnMark | None:
    """llama.cpp's "llama" merges by score, which is what SentencePiece calls BPE."""
    from lilm.train.tokenizer.hf import tokenizer_config, write_tokenizer

    ids = special_ids(file)
    pieces, kinds = _list(file, "tokens", str), _kinds(file)
    proto = empty_proto()
    for piece, score, kind in zip(pieces, _list(file, "scores", float, len(pieces)), kinds, strict=True):
        proto.pieces.add(piece=piece, score=score, type=kind)
    spec = proto.trainer_spec
    spec.model_type, spec.vocab_size, spec.byte_fallback = BPE, len(pieces), BYTE in kinds
    for name in ("unk", "bos", "eos"):
        index = ids["unknown" if name == "unk" else name]
        setattr(spec, f"{name}_id", -1 if index is None else index)
        setattr(spec, f"{name}_piece", "" if index is None else pieces[index])
    spec.pad_id = -1 if ids["padding"] is None else ids["padding"]
    proto.normalizer_spec.name = "identity"
    proto.normalizer_spec.add_dummy_prefix = file.value("tokenizer.ggml.add_space_prefix", bool, True)
    proto.normalizer_spec.remove_extra_whitespaces = False
    mark = put_mark(proto)
    write_tokenizer(proto, out_dir, model_max_length)
    write_json(out_dir / CONFIG, {**tokenizer_config(proto, model_max_length), **_chat(file)})
    return mark


def _write_byte_level(file: GGUFFile, out_dir: Path, model_max_length: int) -> TurnMark | None:
    pre = find_pre(file.value("tokenizer.ggml.pre", str), file.path)
    kinds = _kinds(file)
    ids, marked = special_ids(file), _is_marked(kinds)
    names = _names(_list(file, "tokens", str), kinds)
    adds_bos = marked and file.value("tokenizer.ggml.add_bos_token", bool, pre.adds_bos)
    added = (CONTROL, UNKNOWN, USER_DEFINED) if marked else (USER_DEFINED,)
    special = [index for index, kind in enumerate(kinds) if kind in added]
    merges = [merge.split(" ", 1) for merge in _list(file, "merges", str)]
    data = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_added_token(index, names[index], kinds[index] != USER_DEFINED) for index in special],
        "normalizer": None,
        "pre_tokenizer": pre_tokenizer_json(pre),
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": pre.ignore_merges,
            "vocab": {name: index for index, name in enumerate(names)},
            "merges": merges,
        },
    }
    if adds_bos:
        if ids["bos"] is None:
            raise LilmError("it puts a bos token before a text, and names none", where=str(file.path), remedy=AGAIN)
        data["post_processor"] = _with_bos(names[ids["bos"]], ids["bos"])
    write_atomic(out_dir / FILE, json.dumps(data, ensure_ascii=False, separators=(",", ":")))

    def name(key: str) -> str | None:
        """Hugging Face takes what is named for a special token, which nothing but the mark is in an unmarked file."""
        index = ids[key] if marked or key == "eos" else None
        return None if index is None else names[index]

    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": name("bos"),
        "eos_token": name("eos"),
        "unk_token": name("unknown"),
        "pad_token": name("padding") or (name("eos") if marked else None),
        "add_bos_token": adds_bos,
        "add_eos_token": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": model_max_length,
        "model_input_names": ["input_ids", "attention_mask"],
    }
    write_json(out_dir / CONFIG, {**config, **_chat(file)})
    if marked:
        return None
    mark = taken_mark(out_dir)
    write_mark(out_dir, out_dir)
    return mark


def _is_marked(kinds: Sequence[int]) -> bool:
    """Whether it has a control token. The unknown one is none: a byte-level vocabulary never writes it."""
    return CONTROL in kinds


def _names(tokens: Sequence[str], kinds: Sequence[int]) -> list[str]:
    """The tokens, unused ones under LiLM's names for such, by which they are known for what they are."""
    names, taken, number = list(tokens), set(tokens), 0
    for index, kind in enumerate(kinds):
        if kind == UNUSED and not names[index].startswith(UNUSED_START):
            while UNUSED_NAME.format(number) in taken:
                number += 1
            names[index] = UNUSED_NAME.format(number)
            taken.add(names[index])
    return names


def _added_token(index: int, content: str, special: bool) -> dict[str, Any]:
    how = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {"id": index, "content": content, **how, "special": special}


def _with_bos(bos: str, index: int) -> dict[str, Any]:
    """A post-processor that puts BOS before a text."""

    def token(kind: int) -> dict[str, Any]:
        return {"SpecialToken": {"id": bos, "type_id": kind}}

    def text(name: str, kind: int) -> dict[str, Any]:
        return {"Sequence": {"id": name, "type_id": kind}}

    return {
        "type": "TemplateProcessing",
        "single": [token(0), text("A", 0)],
        "pair": [token(0), text("A", 0), token(1), text("B", 1)],
        "special_tokens": {bos: {"id": bos, "ids": [index], "tokens": [bos]}},
    }


def _chat(file: GGUFFile) -> dict[str, str]:
    template = file.value("tokenizer.chat_template", str)
    return {"chat_template": template} if template else {}


def _kinds(file: GGUFFile) -> list[int]:
    pieces = _list(file, "tokens", str)
    if len(set(pieces)) < len(pieces):
        raise LilmError("two of its pieces are the same", where=str(file.path), remedy=AGAIN)
    if "tokenizer.ggml.token_type" not in file.keys:
        return [NORMAL] * len(pieces)
    kinds = _list(file, "token_type", int, len(pieces))
    wrong = next((index for index, kind in enumerate(kinds) if kind not in KINDS), None)
    if wrong is not None:
        raise LilmError(
            f"piece {wrong} ({pieces[wrong]!r}) is of the unknown type {kinds[wrong]}",
            where=str(file.path),
            remedy=AGAIN,
        )
    return kinds


def _list(file: GGUFFile, key: str, kind: type[Value], length: int | None = None) -> list[Value]:
    found = file.values(f"tokenizer.ggml.{key}", kind)
    if found is None or (length is not None and len(found) != length):
        what = f"no tokenizer.ggml.{key}" if found is None else f"{len(found)} {key}, not {length}"
        raise LilmError(f"it has {what}", where=str(file.path), remedy=AGAIN)
    return found
