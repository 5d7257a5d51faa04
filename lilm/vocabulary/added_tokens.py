"""Tokens that a model's folder adds to its SentencePiece model, in files beside it, as Hugging Face numbers them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lilm.errors import LilmError
from lilm.json_file import read_json_object
from lilm.llama.config import AGAIN
from lilm.vocabulary.byte_level import CONFIG, FILE
from lilm.vocabulary.sentencepiece import CONTROL, NORMAL, read_proto
from lilm.vocabulary.turn_mark import TurnMark, put_mark

ADDED = "added_tokens.json"
MOST_DIGITS = 10  # of an id; Python refuses to read numbers of thousands


def read_model(path: Path) -> Any:
    """The `ModelProto` in a tokenizer.model, with the tokens that its folder adds as CONTROL pieces after its own.

    So a template's text has Hugging Face's ids; what people type is text in LiLM, also where Hugging Face looks for
    an added token in it. A token at or above config.json's vocab_size is left out: the model has no row for it.
    Its BOS is the one that tokenizer_config.json names, as Hugging Face puts that before a text; its EOS is the model's
    own, see `named_ids`. Where there is no control token at all, a row that no text gives is both, see `turn_mark`.
    Raises LilmError for an added token that has the id or the text of another one, or leaves ids out before it.
    """
    return read_marked(path)[0]


def read_marked(path: Path) -> tuple[Any, TurnMark | None]:
    """(what `read_model` returns, the mark that it got if the files have no control token)."""
    proto = read_proto(path)
    names = [piece.piece for piece in proto.pieces]
    rows = _rows(path.parent)
    for index, (name, where) in sorted(_added(path.parent, proto).items()):
        if rows is not None and index >= rows:
            break
        if index < len(names) and names[index] == name:
            continue
        if index < len(names) or name in names:
            own = f"{names[index]!r} has it" if index < len(names) else f"that is token {names.index(name)}"
            raise _refused(f"added token {name!r} has id {index}, and in {path.name} {own}", where)
        if index > len(names):
            raise _refused(f"added token {name!r} has id {index}, and none has {len(names)}", where)
        names.append(name)
        proto.pieces.add(piece=name, score=0.0, type=CONTROL)
    spec = proto.trainer_spec
    mark = put_mark(proto)
    bos = named_ids(path.parent, proto)[0]
    if bos != spec.bos_id:
        spec.bos_id, spec.bos_piece = bos, proto.pieces[bos].piece
    return proto, mark


def named_ids(folder: Path, proto: Any) -> tuple[int, int]:
    """(BOS, EOS) that the folder's tokenizer_config.json names, which may be added tokens; the model's own for one that
    it does not name, or that is no control piece of `proto`."""
    config = read_json_object(folder / CONFIG, remedy=AGAIN) if (folder / CONFIG).is_file() else {}
    control = {piece.piece: at for at, piece in enumerate(proto.pieces) if piece.type == CONTROL}
    own = int(proto.trainer_spec.bos_id), int(proto.trainer_spec.eos_id)
    bos, eos = (
        control.get(token_text(config.get(key)), number)
        for key, number in zip(("bos_token", "eos_token"), own, strict=True)
    )
    return bos, eos


def token_text(token: Any) -> str:
    """A token as tokenizer_config.json names it: text, or an object with text; "" for anything else."""
    content = token.get("content") if isinstance(token, dict) else token
    return content if isinstance(content, str) else ""


def write_whole_model(path: Path, target: Path) -> None:
    """Write the tokenizer.model in `path` to `target`, with the added tokens and the BOS in it, for those that read
    nothing else; without any it stays as it is."""
    whole = read_model(path)
    is_whole = whole == read_proto(path)
    target.write_bytes(path.read_bytes() if is_whole else whole.SerializeToString(deterministic=True))


def _refused(what: str, where: Path) -> LilmError:
    return LilmError(what, where=str(where), remedy="use another base, or mend the file if the model has no such token")


def _rows(folder: Path) -> int | None:
    path = folder / "config.json"
    rows = read_json_object(path, remedy=AGAIN).get("vocab_size") if path.is_file() else None
    return rows if isinstance(rows, int) else None


def _added(folder: Path, proto: Any) -> dict[int, tuple[str, Path]]:
    """Text by id, and the file that says so. proto: the model beside them. Raises LilmError for what is no id, and for
    an id of two tokens."""
    found: dict[int, tuple[str, Path]] = {}
    for path, name, index in _named(folder, proto):
        if not str(index).isdecimal() or len(str(index)) > MOST_DIGITS:
            raise _refused(f"the id of added token {name!r} is {index!r}", path)
        if name != name.encode(errors="replace").decode():
            raise _refused(f"added token {name!r} has half a surrogate pair", path)
        if found.setdefault(int(index), (name, path))[0] != name:
            raise _refused(f"two added tokens have id {index}, {found[int(index)][0]!r} and {name!r}", path)
    return found


def _named(folder: Path, proto: Any) -> Iterator[tuple[Path, str, Any]]:
    """(file, text, id) as the files have them. A tokenizer.json of another vocabulary than `proto` does not count."""
    added, config, whole = folder / ADDED, folder / CONFIG, folder / FILE
    if added.is_file():
        for name, index in read_json_object(added, remedy=AGAIN).items():
            yield added, name, index
    if config.is_file():
        decoder = read_json_object(config, remedy=AGAIN).get("added_tokens_decoder")
        for index, token in (decoder if isinstance(decoder, dict) else {}).items():
            content = token.get("content") if isinstance(token, dict) else None
            if not isinstance(content, str):
                raise _refused(f"added token {index} has no content", config)
            yield config, content, index
    data = read_json_object(whole, remedy=AGAIN) if whole.is_file() else {}
    tokens = data.get("added_tokens")  # transformers 5 writes them there alone
    for token in tokens if isinstance(tokens, list) and _is_made_of(data, proto) else ():
        content, index = (token.get(key) if isinstance(token, dict) else None for key in ("content", "id"))
        if not isinstance(content, str):
            raise _refused(f"added token {index} has no content", whole)
        yield whole, content, index


def _is_made_of(data: Mapping[str, Any], proto: Any) -> bool:
    """Whether a tokenizer.json has the pieces of `proto` at their ids."""
    model = data.get("model")
    vocab = model.get("vocab") if isinstance(model, dict) else None
    pieces = ((at, piece.piece) for at, piece in enumerate(proto.pieces) if piece.type == NORMAL)
    return isinstance(vocab, dict) and all(vocab.get(name) == at for at, name in pieces)
