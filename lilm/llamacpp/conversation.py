"""A conversation with an open model: the file's own template makes tokens of it, and the answer comes piece by piece.
Imported in the child only, as `native` is."""

import codecs
import threading
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any

from llama_cpp import llama_cpp as llama

from lilm.chat import Message
from lilm.chat.rendering import TemplateFailure
from lilm.chat.template import ChatTemplate
from lilm.chat.tokens import ChatVocabulary
from lilm.llamacpp.characters import BETWEEN
from lilm.llamacpp.native import Model, NativeError

CONTROL = llama.LLAMA_TOKEN_ATTR_CONTROL | llama.LLAMA_TOKEN_ATTR_UNKNOWN


class Conversation:
    """A model and the tokens that its context holds, so that a longer chat reads only what is new.

    Raises NativeError when the file has no chat template.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.held: list[int] = []
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

    def prompt(self, messages: Sequence[Message], n_predict: int) -> list[int]:
        """As `ids`. The oldest exchanges go when there is no room for them and a short answer.

        Raises NativeError when the system messages and the last exchange alone do not fit.
        """
        n_ctx = self.model.n_ctx
        room = n_ctx - min(n_predict, n_ctx // 4)
        tokens = self.ids(messages)
        while len(tokens) > room:
            left = without_oldest(messages)
            if left is None:
                raise NativeError(f"the message has {len(tokens)} tokens; the model's context has room for {room}")
            messages, tokens = left, self.ids(left)
        return tokens

    def answer(self, messages: Sequence[Message], sampling: dict[str, Any], stop: threading.Event) -> Iterator[str]:
        """Pieces of text, each of whole characters; one that n_predict or stop cuts is left out. sampling:
        SamplingConfig's values, n_predict and seed."""
        tokens = self.prompt(messages, sampling["n_predict"])
        sampler = Sampler(self.model, sampling)
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        try:
            self._read(tokens)
            sampler.accept(tokens)
            for _ in range(min(sampling["n_predict"], self.model.n_ctx - len(tokens))):
                if stop.is_set():
                    break
                token = sampler.draw()
                if self.model.is_end(token):
                    break
                yield decoder.decode(self.model.piece(token))
                self.model.extend([token], len(self.held), every=False)
                self.held.append(token)
        except Exception:
            self.held = []  # nobody knows what the context holds now
            raise
        finally:
            sampler.close()

    def _read(self, tokens: list[int]) -> None:
        """Bring the context to `tokens`, keeping the part that it already has."""
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(self.held, tokens[:-1], strict=False)))
        llama.llama_memory_seq_rm(llama.llama_get_memory(self.model.context), 0, same, -1)
        self.held = tokens[:same]
        self.model.extend(tokens[same:], same, every=False)
        self.held = list(tokens)


def without_oldest(messages: Sequence[Message]) -> Sequence[Message] | None:
    """The messages without the oldest exchange, a question with all its answers, as wasm/runtime/turns.mjs does it. The
    system messages at the start stay. None when only one exchange is left."""
    head = list(takewhile(lambda message: message["role"] == "system", messages))
    later = range(len(head) + 1, len(messages))
    following = next((at for at in later if messages[at]["role"] == "user"), None)
    return None if following is None else [*head, *messages[following:]]


class Sampler:
    """llama.cpp's sampler chain on a model, in the order of its own tools. Temperature 0 takes the best token.

    sampling: SamplingConfig's values, and seed. Only what makes whole characters is drawn.
    """

    def __init__(self, model: Model, sampling: dict[str, Any]) -> None:
        self._model, self._state, self._last_n = model, BETWEEN, sampling["repeat_last_n"]
        self._chain = llama.llama_sampler_chain_init(llama.llama_sampler_chain_default_params())
        repeat = sampling["repeat_penalty"]
        steps = [llama.llama_sampler_init_penalties(model.n_vocab, self._last_n, repeat, 0.0, 0.0)]
        if sampling["temperature"] <= 0:
            steps.append(llama.llama_sampler_init_greedy())
        else:
            steps += [
                llama.llama_sampler_init_top_k(sampling["top_k"]),
                llama.llama_sampler_init_top_p(sampling["top_p"], 1),
                llama.llama_sampler_init_min_p(sampling["min_p"], 1),
                llama.llama_sampler_init_temp(sampling["temperature"]),
                llama.llama_sampler_init_dist(sampling["seed"]),
            ]
        for step in steps:
            llama.llama_sampler_chain_add(self._chain, step)

    def accept(self, prompt: Sequence[int]) -> None:
        """Tell the chain of tokens that stand there already: repetition counts them."""
        for token in prompt[-self._last_n or len(prompt) :]:
            llama.llama_sampler_accept(self._chain, token)

    def draw(self) -> int:
        """The token that comes after what the model read last."""
        self._model.characters.mask(self._model.last_logits(), self._state)
        token = int(llama.llama_sampler_sample(self._chain, self._model.context, -1))
        self._state = self._model.characters.after(self._state, token)
        return token

    def close(self) -> None:
        llama.llama_sampler_free(self._chain)
