"""Answers as OpenAI's API writes them, whole and as a stream of events."""

import json
import time
import uuid
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

from lilm.demo.api.errors import error_body
from lilm.errors import LilmError
from lilm.llamacpp.answers import Outcome


@dataclass(frozen=True)
class Form:
    """How one answer is written. chat: as a message; else as text."""

    model: str
    chat: bool
    name: str = field(default_factory=lambda: uuid.uuid4().hex)
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, text: str, outcome: Outcome) -> dict[str, Any]:
        said = {"message": {"role": "assistant", "content": text}} if self.chat else {"text": text}
        choice = {"index": 0, **said, "logprobs": None, "finish_reason": _finish(outcome)}
        return {**self._head("chat.completion"), "choices": [choice], "usage": usage(outcome)}

    async def events(
        self, first: str | Outcome, rest: AsyncGenerator[str | Outcome, None], with_usage: bool
    ) -> AsyncGenerator[str, None]:
        """Server-sent events; an error on the way is the last one."""
        if self.chat:
            choice = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
            yield _event({**self._head("chat.completion.chunk"), "choices": [choice]})
        one: str | Outcome = first
        try:
            while isinstance(one, str):
                yield self._event(one, None)
                one = await anext(rest)
        except LilmError as error:
            yield _event(error_body(error))
            return
        yield self._event("", _finish(one))
        if with_usage:
            yield _event({**self._head("chat.completion.chunk"), "choices": [], "usage": usage(one)})
        yield "data: [DONE]\n\n"

    def _event(self, text: str, finish: str | None) -> str:
        said = {"delta": {"content": text} if text else {}} if self.chat else {"text": text}
        choice = {"index": 0, **said, "logprobs": None, "finish_reason": finish}
        return _event({**self._head("chat.completion.chunk"), "choices": [choice]})

    def _head(self, kind: str) -> dict[str, Any]:
        name, kind = (f"chatcmpl-{self.name}", kind) if self.chat else (f"cmpl-{self.name}", "text_completion")
        return {"id": name, "object": kind, "created": self.created, "model": self.model}


def usage(outcome: Outcome) -> dict[str, int]:
    return {
        "prompt_tokens": outcome.prompt_tokens,
        "completion_tokens": outcome.tokens,
        "total_tokens": outcome.context_tokens,
    }


def _finish(outcome: Outcome) -> str:
    return "length" if outcome.finish == "length" else "stop"


def _event(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n"
