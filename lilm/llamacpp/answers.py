"""What is asked of a model that writes, and what is known of its text afterwards; parent and child share it."""

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MAX_SEED = 0xFFFFFFFE  # llama.cpp takes 0xFFFFFFFF for "any seed"


@dataclass(frozen=True)
class Order:
    """How to write one text.

    sampling: SamplingConfig's values. n_predict: at most so many tokens. stop: texts before which it ends. schema: a
    JSON schema that the text follows. slide: the oldest exchanges of a chat that does not fit the context are left out;
    else it is refused. fresh: read the whole prompt, also what the context has already: the same order then gives the
    same text whatever was written before, since the shape of a matrix product decides its last bits.
    """

    sampling: Mapping[str, Any]
    n_predict: int = 512
    seed: int = 0
    stop: tuple[str, ...] = ()
    schema: Mapping[str, Any] | None = None
    slide: bool = True
    fresh: bool = False


@dataclass(frozen=True)
class Outcome:
    """prompt_tokens, tokens: read (kept ones too) and written. finish: "stop" where the model or a stop text ended it,
    "length" where n_predict or the context did, "cancelled". left_out: messages that did not fit the context.
    prompt_seconds, seconds: of reading and of writing."""

    prompt_tokens: int
    tokens: int
    finish: str
    left_out: int
    prompt_seconds: float
    seconds: float

    @property
    def context_tokens(self) -> int:
        """Tokens of the context that the chat fills now."""
        return self.prompt_tokens + self.tokens

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds if self.seconds > 0 else 0.0


class Answer(Iterator[str]):
    """Pieces of a text as they come. `outcome` is there when they have ended by themselves; `close` stops the model.
    `stop` does from any thread, while another one waits for a piece; before the first and after the last nothing
    happens."""

    def __init__(self, pieces: Generator[str, None, Outcome], stop: Callable[[], None] = lambda: None) -> None:
        self._pieces, self.stop = pieces, stop
        self.outcome: Outcome | None = None

    def __next__(self) -> str:
        try:
            return next(self._pieces)
        except StopIteration as end:
            self.outcome = end.value or self.outcome  # asked once more, a generator has no value
            raise

    def close(self) -> None:
        self._pieces.close()
