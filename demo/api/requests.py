"""What a request asks for, out of its JSON body."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lilm.chat import Message
from lilm.chat.rendering import well_formed
from lilm.demo.api.errors import ApiError
from lilm.demo.api.schema import checked_schema
from lilm.json_file import MAX_DEPTH, is_deep
from lilm.llamacpp.answers import MAX_SEED, Order
from lilm.recipe import SamplingConfig

IGNORED = ("user", "metadata", "store", "service_tier", "parallel_tool_calls", "safety_identifier", "prompt_cache_key")
UNSUPPORTED = (
    *("n", "best_of", "tools", "tool_choice", "functions", "function_call", "logprobs", "top_logprobs", "logit_bias"),
    *("frequency_penalty", "presence_penalty", "echo", "suffix", "modalities", "audio", "prediction"),
    "reasoning_effort",
)
AS_NOTHING: dict[str, tuple[object, ...]] = {
    "n": (1,),
    "best_of": (1,),
    "tool_choice": ("none", "auto"),
    "modalities": (["text"],),
}
SAMPLING = tuple(SamplingConfig.model_fields)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _StreamOptions(_Strict):
    include_usage: bool = False
    include_obfuscation: bool = False


class _Schema(_Strict):
    name: str = ""
    description: str | None = None
    strict: bool | None = None
    schema_: dict[str, Any] = Field(alias="schema")


class _Format(_Strict):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _Schema | None = None


class _Common(_Strict):
    """What both kinds of requests may hold; the sampling keys are SamplingConfig's."""

    model: str | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    stop: str | Annotated[list[str], Field(max_length=16)] | None = None
    seed: int | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    response_format: _Format | None = None


class _Completion(_Common):
    prompt: str | Annotated[list[str], Field(min_length=1, max_length=1)]


class _TextPart(BaseModel):
    type: Literal["text"]
    text: str


class _Message(BaseModel):
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[_TextPart]
    tool_calls: Any = None
    function_call: Any = None


class _Chat(_Common):
    messages: list[_Message] = Field(min_length=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)


@dataclass(frozen=True)
class Wanted:
    """asked: a text to go on from, or a chat. usage: a stream says at its end how many tokens there were."""

    asked: str | list[Message]
    order: Order
    stream: bool
    usage: bool


def parse(body: bytes, chat: bool, defaults: SamplingConfig, n_ctx: int) -> Wanted:
    """Of a request for a chat's answer or for the rest of a text. Without max_tokens an answer may fill the context; a
    seed makes the answer the same each time. Raises ApiError naming the first key that is wrong."""
    found = _object(body)
    for key in UNSUPPORTED:
        value = found.pop(key, None)
        if value not in (None, 0, "", [], {}) and value not in AS_NOTHING.get(key, ()):
            raise ApiError(f"{key} is not supported here", key)
    drawn = {key: found.pop(key) for key in SAMPLING if found.get(key) is not None}
    plain = {key: value for key, value in found.items() if key not in (*IGNORED, *SAMPLING)}
    try:
        request: _Chat | _Completion = _Chat.model_validate(plain) if chat else _Completion.model_validate(plain)
        sampling = SamplingConfig.model_validate({**defaults.model_dump(), **drawn}, strict=True)
    except ValidationError as error:
        raise _explained(error) from error
    longest = request.max_tokens or n_ctx
    asked: str | list[Message]
    if isinstance(request, _Chat):
        asked = [_message(one, number) for number, one in enumerate(request.messages)]
        longest = request.max_completion_tokens or longest
    else:
        asked = request.prompt if isinstance(request.prompt, str) else request.prompt[0]
    seed = secrets.randbelow(MAX_SEED) if request.seed is None else request.seed % (MAX_SEED + 1)
    stop = [request.stop] if isinstance(request.stop, str) else request.stop or []
    order = Order(
        sampling.model_dump(),
        min(longest, n_ctx),
        seed,
        tuple(stop),
        _schema(request.response_format),
        slide=False,
        fresh=request.seed is not None,
    )
    options = request.stream_options
    return Wanted(asked, order, bool(request.stream), options is not None and options.include_usage)


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ApiError(f"the body is not JSON ({type(error).__name__}: {error})") from error
    if not isinstance(found, dict):
        raise ApiError("the body is not a JSON object")
    if is_deep(found):
        raise ApiError(f"the body is nested more than {MAX_DEPTH} deep")
    try:
        whole: dict[str, Any] = json.loads(well_formed(json.dumps(found, ensure_ascii=False, allow_nan=False)))
    except ValueError as error:  # Python reads NaN, and 1e999 for infinity; a schema would have them written
        raise ApiError("the body holds a number that JSON has none for") from error
    return whole


def _message(one: _Message, number: int) -> Message:
    for key, value in (("tool_calls", one.tool_calls), ("function_call", one.function_call)):
        if value:
            raise ApiError(f"{key} in a message is not supported here", f"messages.{number}.{key}")
    role = "system" if one.role == "developer" else one.role
    text = one.content if isinstance(one.content, str) else "\n".join(part.text for part in one.content)  # as trained
    return {"role": role, "content": text}


def _schema(wanted: _Format | None) -> Mapping[str, Any] | None:
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_object":
        return {"type": "object"}
    if wanted.json_schema is None:
        raise ApiError("response_format has no json_schema", "response_format")
    return checked_schema(wanted.json_schema.schema_)


def _explained(error: ValidationError) -> ApiError:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return ApiError(f"unknown parameter: {key}", key)
    if first["type"] == "missing":
        return ApiError(f"missing parameter: {key}", key)
    return ApiError(f"{key}: {first['msg']}", key)
