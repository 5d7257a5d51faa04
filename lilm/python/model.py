"""A GGUF file that is open to be talked to from Python."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict, Unpack

from lilm.closing import Closing
from lilm.errors import LilmError
from lilm.llamacpp.answers import Answer, Order
from lilm.llamacpp.chat import ChatEngine

Messages = Sequence[Mapping[str, str]]


class Sampling(TypedDict, total=False):
    """The options of `lilm chat`, with its defaults."""

    temp: float
    top_k: int
    top_p: float
    min_p: float
    repeat_penalty: float


class Drawing(Sampling, total=False):
    """How a text is written. n_predict: at most so many tokens, 256. seed: 0. stop: texts before which it ends."""

    n_predict: int
    seed: int
    stop: str | Sequence[str]


@dataclass(frozen=True)
class Reply:
    """What a model wrote; as a string it is its text.

    prompt_tokens, tokens: read and written. finish: "stop" where the model or a stop text ended it, "length" where
    n_predict or the context did.
    """

    text: str
    prompt_tokens: int
    tokens: int
    finish: str
    tokens_per_second: float

    def __str__(self) -> str:
        return self.text


class Model(Closing):
    """An open model; it runs in a process of its own on the CPU, and gives one answer at a time. Use it in a `with`."""

    def __init__(self, engine: ChatEngine) -> None:
        self._engine = engine

    @property
    def path(self) -> Path:
        return self._engine.model

    @property
    def n_ctx(self) -> int:
        """The context in tokens."""
        return self._engine.n_ctx

    def chat(self, messages: str | Messages, *, system: str = "", **how: Unpack[Drawing]) -> Reply:
        """The answer to a question, or to messages ({"role", "content"}, the last from the user), by the file's own
        chat template. What is asked is text: no control token is looked for in it. The same seed gives the same answer,
        whatever was asked before.

        Raises LilmError when the file has no chat template, or the messages do not fit the context.
        """
        reply = _whole(self._engine.write(_messages(messages, system), _order(**how)))
        return replace(reply, text=reply.text.strip())

    def generate(self, prompt: str, **how: Unpack[Drawing]) -> Reply:
        """How the model goes on with a text, without any template; the rest as in `chat`."""
        return _whole(self._engine.write(prompt, _order(**how)))

    def stream(self, messages: str | Messages, *, system: str = "", **how: Unpack[Drawing]) -> Answer:
        """The pieces of what `chat` answers, as they come; leaving early stops the model."""
        return self._engine.write(_messages(messages, system), _order(**how))

    def close(self) -> None:
        """End the model's process."""
        self._engine.close()


def open_model(
    path: str | Path, *, n_ctx: int = 4096, threads: int = 0, lora: str | Path | None = None, template: bool = True
) -> Model:
    """Open a GGUF file, or the first part of one.

    n_ctx: context in tokens, at most what the model was trained on. threads: 0 takes one for each core. lora: an
    adapter to load over it. template: the file must have one for chats; False for a model that only goes on with texts.
    Raises LilmError when the file is missing, is not GGUF, or does not load.
    """
    where = Path(path).expanduser()
    adapter = Path(lora).expanduser() if lora is not None else None
    return Model(ChatEngine(where, n_ctx=n_ctx, threads=threads, lora=adapter, template=template))


def _messages(asked: str | Messages, system: str) -> Messages:
    messages = [{"role": "user", "content": asked}] if isinstance(asked, str) else list(asked)
    return [{"role": "system", "content": system}, *messages] if system else messages


def _order(n_predict: int = 256, seed: int = 0, stop: str | Sequence[str] = (), **sampling: Unpack[Sampling]) -> Order:
    """Raises LilmError for a value that is not allowed."""
    from lilm.cli.sampling import checked_seed, sampling_of

    if n_predict < 1:
        raise LilmError(f"{n_predict} tokens", where="n_predict", remedy="use 1 or more")
    given: dict[str, Any] = {"temp": None, "top_k": None, "top_p": None, "min_p": None, "repeat_penalty": None}
    given.update(sampling)
    values = sampling_of(**given)  # another name is a TypeError
    stops = (stop,) if isinstance(stop, str) else tuple(stop)
    return Order(values.model_dump(), n_predict, checked_seed(seed), stops, slide=False, fresh=True)


def _whole(answer: Answer) -> Reply:
    text = "".join(answer)
    if (outcome := answer.outcome) is None:
        raise RuntimeError("the child ended a text without saying how")
    return Reply(text, outcome.prompt_tokens, outcome.tokens, outcome.finish, outcome.tokens_per_second)
