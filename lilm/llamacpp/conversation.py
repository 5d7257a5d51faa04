"""A conversation with an open model: the file's own template makes tokens of it.
Imported in the child only, as `native` is."""

from collections.abc import Sequence

from llama_cpp import llama_cpp as llama

from lilm.chat import Message
from lilm.chat.rendering import TemplateFailure
from lilm.chat.template import ChatTemplate
from lilm.chat.tokens import ChatVocabulary
from lilm.llamacpp.native import Model, NativeError
from lilm.llamacpp.sliding import newest

CONTROL = llama.LLAMA_TOKEN_ATTR_CONTROL | llama.LLAMA_TOKEN_ATTR_UNKNOWN


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
            lambda text: model.tokenize(text, add_bos=False, parse_special=False),
        )
        tokens = {"bos_token": model.text(model.bos_id), "eos_token": model.eos_token}
        try:
            self._template = ChatTemplate(template.decode(), tokens, "the file")
        except UnicodeDecodeError as error:
            raise NativeError(f"its chat template is not UTF-8 (byte {error.start})") from error

    def ids(self, messages: Sequence[Message]) -> list[int]:
        """Tokens of a chat up to where the answer begins. Raises NativeError when the template refuses it."""
        try:
            return self._vocabulary.ids(self._template.prompt(messages))
        except TemplateFailure as error:
            raise NativeError(error.what) from error

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
