"""Which chat format a model is taught: the base's own, or the plain one."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lilm.chat import CHAT_TEMPLATE
from lilm.chat.files import ChatFormat, read_format
from lilm.chat.rendering import REMEDY, TemplateFailure
from lilm.chat.tokens import ChatVocabulary, first_control
from lilm.chat.turns import END, Turns, cut_template
from lilm.errors import LilmError
from lilm.gguf_file import open_gguf
from lilm.recipe import FinetuneConfig
from lilm.temporary import temporary_folder
from lilm.train.base.gguf_tokenizer import write_gguf_tokenizer
from lilm.train.finetune.pairs import PairReader
from lilm.train.finetune.sources import open_chats

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True)
class Format:
    """template: Jinja. end_token: the special token at which the model stops, the end of an assistant's turn."""

    template: str
    turns: Turns
    end_token: str


def choose_format(config: FinetuneConfig, found: ChatFormat, where: str) -> Format:
    """The base's format where finetune.template lets it and there is one, else the plain one.

    where: what errors name.
    Raises LilmError for a template that is wanted and missing, or that the model cannot be taught.
    """
    if config.template == "base" and found.template is None:
        raise LilmError(
            'finetune.template is "base", and the base has no chat template', where=where, remedy='set it to "plain"'
        )
    own = None if config.template == "plain" else found.template
    template = CHAT_TEMPLATE if own is None else own
    turns = cut_template(template, found.tokens, where)
    return Format(template, turns, _end_token(turns, found, where))


def _end_token(turns: Turns, found: ChatFormat, where: str) -> str:
    for border in turns.borders.values():
        for token in found.loose:
            if token in border:
                raise TemplateFailure(
                    f"the chat template writes {token!r}, an added token that is not special: people could type it",
                    where=where,
                    remedy='mark it as special in tokenizer.json, or set finetune.template = "plain"',
                )
    ends = {first_control(turns.borders["assistant", side], found.special) for side in ("user", END)}
    tokens = {end[0] if end else None for end in ends}
    if None in tokens or len(tokens) > 1:
        after = turns.borders["assistant", "user"]
        raise TemplateFailure(
            f"no special token of the vocabulary ends an assistant's turn, after which comes {after!r}",
            where=where,
            remedy=REMEDY,
        )
    return str(tokens.pop())


def check_format(config: FinetuneConfig, base: Path, language: str) -> None:
    """Raises LilmError when the base's template, a file's chats or the pairs cannot be used. base: its folder, or a
    GGUF file."""
    found, preferred = _base_format(base), config.preference.path
    files = [source for source in config.sources if source.path]
    if (
        config.template != "base"
        and (config.template == "plain" or found.template is None)
        and not (files or preferred)
    ):
        return
    turns = choose_format(config, found, str(base)).turns
    for source in files:
        for _ in open_chats(source, language, turns):
            pass
    for _ in PairReader(Path(preferred), config.preference.max_bad, turns) if preferred else ():
        pass


def _base_format(base: Path) -> ChatFormat:
    """As training reads it: of a GGUF file, what the base stage makes of its tokenizer."""
    if not base.is_file():
        return read_format(base)
    with temporary_folder("format") as folder:
        write_gguf_tokenizer(open_gguf(base), folder, 0)
        return read_format(folder)


def chat_vocabulary(tokenizer: "Tokenizer") -> ChatVocabulary:
    """What a tokenizer gives to chats."""
    from tokenizers import Tokenizer as Copied

    copy = Copied.from_str(tokenizer.to_str())
    copy.encode_special_tokens = True  # "</s>" in a message is text
    control = {token.content: at for at, token in copy.get_added_tokens_decoder().items() if token.special}
    plain, whole = (copy.encode("a", add_special_tokens=added).ids for added in (False, True))

    def encode(text: str) -> list[int]:
        ids: list[int] = copy.encode(text, add_special_tokens=False).ids
        return ids

    return ChatVocabulary(control, whole[0] if whole != plain else None, encode)
