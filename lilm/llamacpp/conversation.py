"""A conversation with an open model: the file's own template makes tokens of it.
Imported in the child only, as `native` is."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from llama_cpp import llama_cpp as llama

from lilm.chat import Message
from lilm.chat.rendering import TemplateFailure, well_formed
from lilm.chat.template import ChatTemplate
from lilm.chat.tokens import ChatVocabulary
from lilm.llamacpp.native import Model, NativeError
from lilm.llamacpp.sliding import newest

CONTROL = llama.LLAMA_TOKEN_ATTR_CONTROL | llama.LLAMA_TOKEN_ATTR_UNKNOWN
LOOSE = llama.LLAMA_TOKEN_ATTR_USER_DEFINED
MARK = re.compile(r"[^\w\s].*\w.*[^\w\s]", re.DOTALL)  # as <|user|>, and neither a word nor white space nor punctuation


class Conversation:
    """The chat template of an open model. Raises NativeError when the file has none."""

    def __init__(self, model: Model) -> None:
        self.model = model
        template = llama.llama_model_chat_template(model.model, None)
        if not template:
            raise NativeError("the file has no chat template (tokenizer.chat_template)")
        vocab = model.vocab

        def is_special(token: int) -> bool:
            return bool(llama.llama_vocab_get_attr(vocab, token) & CONTROL)

        # some files do not mark their BOS as special
        special = (at for at in range(model.n_vocab) if is_special(at) or at == model.bos_id)
        self._vocabulary = ChatVocabulary(
            {model.text(at): at for at in special},
            model.bos_id if llama.llama_vocab_get_add_bos(vocab) else None,
            self._encoded,
        )
        # Tokens that are not special are found in any text, the marks among them that some files do not call special.
        loose = (at for at in range(model.n_vocab) if llama.llama_vocab_get_attr(vocab, at) & LOOSE)
        self._loose = {text: at for at in loose if MARK.fullmatch(text := model.text(at))}
        tokens = {"bos_token": model.text(model.bos_id), "eos_token": model.eos_token}
        try:
            self._template = ChatTemplate(template.decode(), tokens, "the file")
        except UnicodeDecodeError as error:
            raise NativeError(f"its chat template is not UTF-8 (byte {error.start})") from error

    def ids(self, messages: Sequence[Message]) -> list[int]:
        """Tokens of a chat up to where the answer begins, or of one whose last message is an answer to go on with, up
        to its end. Raises NativeError when the template refuses it."""
        begun = well_formed(messages[-1]["content"]) if messages and messages[-1]["role"] == "assistant" else None
        try:
            parts = self._template.prompt(messages if begun is None else messages[:-1])
        except TemplateFailure as error:
            raise NativeError(error.what) from error
        own = {part.text for part in parts if not part.typed}
        marks = {text: at for text, at in self._loose.items() if any(text in one for one in own)}
        vocabulary = self._vocabulary
        if marks:
            control = {**vocabulary.control, **marks}
            vocabulary = replace(vocabulary, control=control, encode=lambda text: self._as_words(text, marks))
        return [*vocabulary.ids(parts), *_further(begun or "", vocabulary.encode)]

    def _encoded(self, text: str) -> list[int]:
        return self.model.tokenize(text, add_bos=False, parse_special=False)

    def _as_words(self, text: str, marks: Mapping[str, int]) -> list[int]:
        """Tokens of a text in which the template's marks that are not special are words: cut after its first character,
        none is found. Raises NativeError where a tokenizer would put a space before each part."""
        inside = "|".join(f"(?<={re.escape(mark[0])})(?={re.escape(mark[1:])})" for mark in marks)
        parts = re.split(inside, text)
        if len(parts) > 1 and llama.llama_vocab_type(self.model.vocab) != llama.LLAMA_VOCAB_TYPE_BPE:
            mark = next(mark for mark in marks if mark in text)
            raise NativeError(f"{mark} stands in it, with which a turn begins or ends: this file takes it for no text")
        return [token for part in parts for token in self._encoded(part)]

    def prompt(self, messages: Sequence[Message], n_predict: int, slide: bool = True) -> tuple[list[int], int]:
        """Returns (ids, messages left out). The oldest exchanges go when there is no room for them and a short answer.

        slide False: none goes, and a token of an answer is room enough.
        Raises NativeError when the system messages and the last exchange alone do not fit.
        """
        n_ctx = self.model.n_ctx
        room = n_ctx - (min(n_predict, n_ctx // 4) if slide else 1)
        tokens: list[int] = []

        def fits(some: Sequence[Message]) -> bool:
            nonlocal tokens
            tokens = self.ids(some)
            return len(tokens) <= room

        kept = newest(messages, fits) if slide else messages if fits(messages) else None
        if kept is None:
            raise NativeError(f"the message has {len(tokens)} tokens; the model's context has room for {room}")
        return self.ids(kept), len(messages) - len(kept)


def _further(text: str, encode: Callable[[str], list[int]]) -> list[int]:
    """Tokens of text that stands behind other text, as wasm/runtime/engine.mjs cuts it: without the space that some
    vocabularies begin with."""
    if not text:
        return []
    edge, both = encode("\n"), encode(f"\n{text}")
    return both[len(edge) :] if both[: len(edge)] == edge else encode(text)
