"""Reading byte-level BPE tokenizers (tokenizer.json as of Llama 3, Qwen, SmolLM, GPT-2), with errors for the user."""

import json
from collections.abc import Sequence, Set
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lilm.errors import LilmError
from lilm.json_file import read_json_object
from lilm.vocabulary.pretokenizers import detect_pre
from lilm.vocabulary.turn_mark import TurnMark, mark_of_merges

FILE = "tokenizer.json"
CONFIG = "tokenizer_config.json"
MOST_GAPS = 1000  # ids that the file leaves out, beside as many as it has
_AS_IT_STANDS = {"lstrip": False, "rstrip": False, "single_word": False}
"""llama.cpp takes no spaces away beside an added token, and finds it inside a word too."""
UNUSED_NAME = "<unused_{}>"
UNUSED_START = UNUSED_NAME.partition("{}")[0]
REMEDY = "use a Llama whose tokenizer is a SentencePiece tokenizer.model or a byte-level BPE tokenizer.json"


@dataclass(frozen=True)
class ByteLevel:
    """A byte-level BPE.

    data: the file's JSON, added tokens as llama.cpp looks for them. names: the text of each id, bytes written as GPT-2
    does; an id that the file leaves out has an unused one's. special: ids of added tokens, and whether they are control
    tokens. unused: ids that no text gives. merges: best first. pre: what llama.cpp calls its pre-tokenizer. eos_id: the
    end of a text. bos_id: what stands before one; where there is no BOS it is the EOS, as these models saw it between
    texts. has_bos: whether there is.
    adds_bos: encoding puts it there. missing: names of bytes that text can hold and the vocabulary has no piece for.
    mark: what became a control token, and EOS, because the file has none.
    """

    data: dict[str, Any]
    names: tuple[str, ...]
    special: dict[int, bool]
    unused: frozenset[int]
    merges: tuple[tuple[str, str], ...]
    pre: str
    bos_id: int
    eos_id: int
    has_bos: bool
    adds_bos: bool
    missing: tuple[str, ...]
    mark: TurnMark | None = None


@cache
def byte_alphabet() -> tuple[str, ...]:
    """The character that stands for each byte (Radford et al. 2019, encoder.py of GPT-2).

    >>> byte_alphabet()[0x20], byte_alphabet()[0x41]
    ('Ġ', 'A')
    """
    printed = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return tuple(chr(byte if byte in printed else next(others)) for byte in range(256))


NOT_IN_UTF8 = frozenset({0xC0, 0xC1, *range(0xF5, 0x100)})
"""Bytes that no text holds (RFC 3629)."""


@cache
def _bytes_of() -> dict[str, int]:
    return {char: byte for byte, char in enumerate(byte_alphabet())}


def written(text: str) -> str:
    """The text as the vocabulary writes it: a character for each byte."""
    return "".join(byte_alphabet()[byte] for byte in text.encode())


def piece_bytes(name: str) -> bytes:
    """What the vocabulary's `name` stands for."""
    return bytes(_bytes_of()[char] for char in name)


def bare_model(merges: Sequence[tuple[str, str]], names: Sequence[str], *, ignore_merges: bool = False) -> Any:
    """The `tokenizers` model alone, for `.tokenize(name)`: merges and nothing before or after."""
    from tokenizers import models

    vocab = {name: index for index, name in enumerate(names)}
    return models.BPE(vocab=vocab, merges=list(merges), ignore_merges=ignore_merges)


def read_byte_level(folder: Path) -> ByteLevel:
    """The byte-level BPE in `folder`: tokenizer.json, and the names of BOS and EOS in tokenizer_config.json or, by id,
    config.json. Raises LilmError when it is missing or corrupt, or llama.cpp has no such pre-tokenizer."""
    path = folder / FILE
    data = _read_json(path)
    try:
        return _read(data, folder, path)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        load_tokenizer(path)  # it says better which part is not what it should be
        raise LilmError(f"not a tokenizer ({error!r})", where=str(path), remedy="fetch the file again") from error


def _read(data: dict[str, Any], folder: Path, path: Path) -> ByteLevel:
    _check(data, path)
    model = data["model"]
    merges = tuple(tuple(merge.split(" ") if isinstance(merge, str) else merge) for merge in model["merges"])
    pre = detect_pre(data.get("pre_tokenizer"), bool(model.get("ignore_merges")), path)
    names, special, unused = _names(data, path)
    _check_merges(merges, model["vocab"], path)
    _check_letters(names, special.keys() | unused, path)
    mark = None
    if any(special.values()):
        bos, eos = (_named(folder, names, key) for key in ("bos_token", "eos_token"))
    else:
        named = _named(folder, names, "eos_token")
        mark = mark_of_merges(names, merges, special, named, bool(model.get("ignore_merges")))
        data = _with_mark(data, mark)
        names, special, unused = _names(data, path)
        bos, eos = None, mark.index
    if eos is None:
        raise LilmError(
            "no eos_token is named", where=str(folder / CONFIG), remedy="put the model's own file beside it"
        )
    adds = _adds_bos(path, eos if bos is None else bos)
    before = eos if bos is None else bos
    missing = tuple(
        char for byte, char in enumerate(byte_alphabet()) if byte not in NOT_IN_UTF8 and char not in model["vocab"]
    )
    data = {**data, "added_tokens": [{**token, **_AS_IT_STANDS} for token in data.get("added_tokens") or []]}
    return ByteLevel(data, names, special, unused, merges, pre, before, eos, bos is not None, adds, missing, mark)


def _with_mark(data: dict[str, Any], mark: TurnMark) -> dict[str, Any]:
    """The file's JSON with `mark` as a control token. It stands in the vocabulary too: `tokenizers` gives an added
    token that does not the id behind it, whatever the file says."""
    others = [token for token in data.get("added_tokens") or [] if token["id"] != mark.index]
    token = {"id": mark.index, "content": mark.name, **_AS_IT_STANDS, "normalized": False, "special": True}
    model = {**data["model"], "vocab": {**data["model"]["vocab"], mark.name: mark.index}}
    return {**data, "model": model, "added_tokens": [*others, token]}


def _check_letters(names: Sequence[str], texts: Set[int], path: Path) -> None:
    """Raises LilmError for a name with a letter that stands for no byte. texts: ids whose names are text."""
    for index, name in enumerate(names):
        if index not in texts and not _bytes_of().keys() >= set(name):
            raise LilmError(
                f"piece {index}, {name!r}, has a letter that stands for no byte",
                where=str(path),
                remedy="fetch the file again",
            )


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise LilmError("no such file", where=str(path), remedy="give a model folder that has a tokenizer")
    data = read_json_object(path)
    if not isinstance(data.get("model"), dict):
        raise LilmError("not a tokenizer", where=str(path), remedy="fetch the file again")
    return data


def _check(data: dict[str, Any], path: Path) -> None:
    """Raises LilmError for what is no byte-level BPE, or one that llama.cpp does not follow."""
    model = data["model"]
    if model.get("type") != "BPE":
        raise LilmError(f"its model is {model.get('type')!r}, not a byte-level BPE", where=str(path), remedy=REMEDY)
    if model.get("byte_fallback"):
        raise LilmError(
            "it is a BPE with byte_fallback, made from a SentencePiece model",
            where=str(path),
            remedy="put the model's tokenizer.model beside it",
        )
    vocab, merges = model.get("vocab"), model.get("merges")
    if not isinstance(vocab, dict) or not isinstance(merges, list) or not vocab or not merges:
        raise LilmError("it has no vocabulary or no merges", where=str(path), remedy="fetch the file again, whole")
    normalizer, decoder = data.get("normalizer"), data.get("decoder") or {}
    problems = (
        # llama.cpp does not normalise; NFC is left out of what is written, as text of a corpus has it already
        ((normalizer or {"type": "NFC"})["type"] != "NFC", f"normalises by {(normalizer or {}).get('type')}"),
        (decoder.get("type") != "ByteLevel", f"decodes by {decoder.get('type')}, not ByteLevel"),
        (bool(model.get("dropout")), "drops merges at random"),
        (bool(model.get("continuing_subword_prefix")), "marks the insides of words"),
        (bool(model.get("end_of_word_suffix")), "marks the ends of words"),
        # `tokenizers` panics over these, which nothing can catch quietly
        (not _knows_its_marks(data.get("post_processor") or {}), "puts a token around a text that it does not define"),
    )
    for wrong, what in problems:
        if wrong:
            raise LilmError(f"the base's tokenizer {what}", where=str(path), remedy=REMEDY)


def _knows_its_marks(processor: dict[str, Any]) -> bool:
    """Returns whether all tokens that a template puts around a text have ids there."""
    if processor.get("type") == "Sequence":
        return all(_knows_its_marks(inner) for inner in processor["processors"])
    if processor.get("type") != "TemplateProcessing":
        return True
    parts = [*processor["single"], *processor["pair"]]
    marks = {part["SpecialToken"]["id"] for part in parts if "SpecialToken" in part}
    return marks <= set(processor["special_tokens"])


def _check_merges(merges: Sequence[Sequence[str]], vocab: dict[str, int], path: Path) -> None:
    for merge in merges:
        if len(merge) != 2 or not {*merge, "".join(merge)} <= vocab.keys():
            raise LilmError(
                f"merge {' '.join(merge)!r} is not of its vocabulary", where=str(path), remedy="fetch the file again"
            )


def _names(data: dict[str, Any], path: Path) -> tuple[tuple[str, ...], dict[int, bool], frozenset[int]]:
    """Names by id, added tokens, and unused ids."""
    added = {_whole(token["id"]): token for token in data.get("added_tokens") or []}
    by_id = {_whole(index): name for name, index in data["model"]["vocab"].items()}
    for index, token in added.items():
        if by_id.setdefault(index, token["content"]) != token["content"]:
            raise LilmError(
                f"id {index} is {by_id[index]!r} and {token['content']!r}",
                where=str(path),
                remedy="fetch the file again",
            )
    last = max(by_id)
    if min(by_id) < 0 or last >= MOST_GAPS + 2 * len(by_id):
        raise LilmError(
            f"a token has id {last if min(by_id) >= 0 else min(by_id)}, and there are {len(by_id)} tokens",
            where=str(path),
            remedy="fetch the file again",
        )
    have, number = set(by_id.values()), 0
    if len(have) != len(by_id):
        raise LilmError("two ids have the same token", where=str(path), remedy="fetch the file again")
    for index in range(last):
        if index not in by_id:
            while UNUSED_NAME.format(number) in have:
                number += 1
            by_id[index] = UNUSED_NAME.format(number)
            have.add(by_id[index])
    special = {index: bool(token.get("special")) for index, token in added.items()}
    unused = {index for index, name in by_id.items() if name.startswith(UNUSED_START) and index not in special}
    return tuple(by_id[index] for index in range(len(by_id))), special, frozenset(unused)


def _whole(index: Any) -> int:
    if not isinstance(index, int) or isinstance(index, bool):
        raise TypeError(f"id {index!r}")
    return index


def _named(folder: Path, names: Sequence[str], key: str) -> int | None:
    """Id of the token that tokenizer_config.json names under `key`, or else config.json under `key`_id."""
    path = folder / CONFIG
    found = _read_optional(path).get(key)
    if found is not None:
        content = found["content"] if isinstance(found, dict) else found
        if content not in names:
            raise LilmError(
                f"{key} {content!r} is not in the vocabulary", where=str(path), remedy="fetch the file again"
            )
        return names.index(content)
    if path.is_file() and key == "bos_token":
        return None  # it says that there is none; config.json often names one all the same
    number = _read_optional(folder / "config.json").get(f"{key}_id")
    number = number[0] if isinstance(number, list) and number else number
    return number if isinstance(number, int) and 0 <= number < len(names) else None


def _read_optional(path: Path) -> dict[str, Any]:
    return read_json_object(path) if path.is_file() else {}


def load_tokenizer(path: Path) -> Any:
    """The `tokenizers.Tokenizer` in `path`. Raises LilmError when it is none."""
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises nothing more specific
        raise LilmError(f"not a tokenizer ({error})", where=str(path), remedy="fetch the file again") from error


def complete_tokenizer(found: ByteLevel) -> Any:
    """The `tokenizers.Tokenizer` with pieces for the missing bytes too, at ids after all others.

    Without them `tokenizers` takes such a byte out and merges what stood before it with what stood behind; llama.cpp
    takes it out after merging. So this one, without the ids after all others, gives llama.cpp's.
    """
    from tokenizers import Tokenizer

    data = {**found.data, "model": {**found.data["model"]}}
    data["model"]["vocab"] = {name: index for index, name in enumerate((*found.names, *found.missing))}
    return Tokenizer.from_str(json.dumps(data))


def _adds_bos(path: Path, bos_id: int) -> bool:
    tokenizer = load_tokenizer(path)
    with_special, plain = (tokenizer.encode("a", add_special_tokens=special).ids for special in (True, False))
    if with_special not in (plain, [bos_id, *plain]):
        raise LilmError(
            f"the base's tokenizer puts {with_special} for {plain}: more than BOS before it",
            where=str(path),
            remedy=REMEDY,
        )
    return bool(with_special != plain)
