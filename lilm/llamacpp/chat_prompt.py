"""A GGUF's own chat template, and the tokens of a chat by it. Imported in the child only, as `native` is."""

from collections.abc import Sequence

from llama_cpp import llama_cpp as llama

from lilm.chat import Message
from lilm.chat.rendering import TemplateFailure
from lilm.chat.template import ChatTemplate
from lilm.chat.tokens import ChatVocabulary
from lilm.llamacpp.native import Model, NativeError

CONTROL = llama.LLAMA_TOKEN_ATTR_CONTROL | llama.LLAMA_TOKEN_ATTR_UNKNOWN


class ChatPrompt:
    """Raises NativeError when the file has no chat template."""

    def __init__(self, model: Model) -> None:
        template = llama.llama_model_chat_template(model.model, None)
        if not template:
            raise NativeError("the file has no chat template (tokenizer.chat_template)")
        vocab = model.vocab

        def is_special(token: int) -> bool:
            return bool(llama.llama_vocab_get_attr(vocab, token) & CONTROL)

        def text(token: int) -> str:
            return str(llama.llama_vocab_get_text(vocab, token).decode()) if token >= 0 else ""

        # some files do not mark their BOS as special
        special = (at for at in range(model.n_vocab) if is_special(at) or at == model.bos_id)
        self._vocabulary = ChatVocabulary(
            {text(at): at for at in special},
            model.bos_id if llama.llama_vocab_get_add_bos(vocab) else None,
            lambda text: model.tokenize(text, add_bos=False, parse_special=False),
        )
        tokens = {"bos_token": text(model.bos_id), "eos_token": text(llama.llama_vocab_eos(vocab))}
        self._template = ChatTemplate(template.decode(), tokens, "the file")

    def ids(self, messages: Sequence[Message]) -> list[int]:
        """Tokens of the chat up to where the answer begins. Raises NativeError when the template refuses it."""
        try:
            return self._vocabulary.ids(self._template.prompt(messages))
        except TemplateFailure as error:
            raise NativeError(error.what) from error
