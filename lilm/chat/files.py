"""What a model's files say about chats: its template, and the tokens that the template may write."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lilm.errors import LilmError
from lilm.gguf_file import open_part
from lilm.json_file import read_json_object
from lilm.vocabulary.added_tokens import named_ids, read_model, token_text
from lilm.vocabulary.byte_level import CONFIG, FILE, read_byte_level
from lilm.vocabulary.sentencepiece import CONTROL, MODEL, UNKNOWN, has_model

ALONE = "chat_template.jinja"


@dataclass(frozen=True)
class ChatFormat:
    """template: Jinja, None when there is none. tokens: texts of bos_token and eos_token, "" for one that is missing.
    special: ids of special tokens by their text. loose: added tokens that are not special, which are looked for in
    what people type too."""

    template: str | None
    tokens: dict[str, str]
    special: dict[str, int]
    loose: frozenset[str] = frozenset()


def read_chat_template(folder: Path) -> str | None:
    """The folder's Jinja chat template, from chat_template.jinja or tokenizer_config.json; None when it has none.

    Of several named ones it is the one called default. Raises LilmError for one that is not UTF-8.
    """
    alone = folder / ALONE
    if alone.is_file():
        try:
            return alone.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            what, remedy = f"not UTF-8 (byte {error.start})", "save it as UTF-8, or delete it"
            raise LilmError(what, where=str(alone), remedy=remedy) from error
    config = folder / CONFIG
    if not config.is_file():
        return None
    template = read_json_object(config).get("chat_template")
    if isinstance(template, list):
        named = (one for one in template if isinstance(one, dict) and one.get("name") == "default")
        template = next((one.get("template") for one in named), None)
    return template if isinstance(template, str) else None


def read_format(path: Path) -> ChatFormat:
    """Returns the chat format of a model's folder or of a GGUF file. Raises LilmError for a tokenizer that cannot be
    read."""
    if path.is_file():
        return _of_gguf(path)
    config = read_json_object(path / CONFIG) if (path / CONFIG).is_file() else {}
    if has_model(path):
        proto = read_model(path / MODEL)
        special = {piece.piece: at for at, piece in enumerate(proto.pieces) if piece.type in (CONTROL, UNKNOWN)}
        names = {number: name for name, number in special.items()}
        bos, eos = (names.get(number, "") for number in named_ids(path, proto))
        return ChatFormat(read_chat_template(path), {"bos_token": bos, "eos_token": eos}, special)
    named = {key: token_text(config.get(key)) for key in ("bos_token", "eos_token")}
    added = read_json_object(path / FILE).get("added_tokens") or []
    special = {token["content"]: token["id"] for token in added if token.get("special")}
    loose = frozenset(token["content"] for token in added if not token.get("special"))
    if not special:
        marked = read_byte_level(path)
        special = {marked.names[marked.eos_id]: marked.eos_id}
        named, loose = {"bos_token": "", "eos_token": marked.names[marked.eos_id]}, loose - special.keys()
    return ChatFormat(read_chat_template(path), named, special, loose)


def _of_gguf(path: Path) -> ChatFormat:
    try:
        return _in_head(path)
    except (IndexError, KeyError, OverflowError, TypeError, ValueError) as error:  # as the reader meets what is odd
        raise LilmError(f"corrupt GGUF ({error})", where=str(path), remedy="fetch the file again") from error


def _in_head(path: Path) -> ChatFormat:
    import gguf

    file = open_part(path)

    def value(key: str, default: Any) -> Any:
        return file.keys.get(f"tokenizer.{key}", default)

    names, types = value("ggml.tokens", []), value("ggml.token_type", [])
    ends = {f"{key}_token": value(f"ggml.{key}_token_id", None) for key in ("bos", "eos")}
    bos = ends["bos_token"]
    kinds = list(zip(names, types, strict=False))
    return ChatFormat(
        file.value("tokenizer.chat_template", str),
        {key: "" if number is None else names[number] for key, number in ends.items()},
        # some files do not mark their BOS as special
        {name: at for at, (name, kind) in enumerate(kinds) if kind in (CONTROL, UNKNOWN) or at == bos},
        frozenset(name for name, kind in kinds if kind == gguf.TokenType.USER_DEFINED),
    )
