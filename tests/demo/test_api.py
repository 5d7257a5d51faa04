"""`lilm api`, asked as OpenAI's clients ask: whole answers, streams, JSON by a schema, mistakes, callers who leave."""

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from lilm.demo.api import turns
from lilm.demo.api.serve import api_server
from lilm.llamacpp.chat import ChatEngine
from lilm.recipe import SamplingConfig
from lilm.train.finetune.messages import to_messages

HELLO = [{"role": "user", "content": "むかしむかし"}]
GREEDY = SamplingConfig(temperature=0)
SCHEMA = {
    "type": "object",
    "properties": {"animal": {"enum": ["猫", "dog"]}, "legs": {"type": "integer"}},
    "required": ["animal", "legs"],
    "additionalProperties": False,
}
PET = {"properties": {"legs": {"type": "integer"}}, "required": ["legs"]}
CALL = {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f"}}]}
FREED = 1.0  # seconds, after a caller has left


@pytest.fixture(scope="module")
def http(chat_gguf: Path) -> Iterator[httpx.Client]:
    with api_server(chat_gguf, GREEDY, threads=1) as server, server.in_background() as url:
        yield httpx.Client(base_url=url, timeout=60)


@pytest.fixture
def slow(slow_gguf: Path) -> Iterator[httpx.Client]:
    with api_server(slow_gguf, GREEDY, threads=1) as server, server.in_background() as url:
        yield httpx.Client(base_url=url, timeout=60)


@pytest.fixture(scope="module")
def expected(chat_gguf: Path) -> str:
    with ChatEngine(chat_gguf, threads=1) as engine:
        return "".join(engine.chat(HELLO, GREEDY, n_predict=24))


def chat(http: httpx.Client, **body: Any) -> httpx.Response:
    return http.post("v1/chat/completions", json={"messages": HELLO, "max_tokens": 24, **body})


def events(response: httpx.Response) -> list[dict[str, Any]]:
    assert response.headers["content-type"].startswith("text/event-stream")
    data = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line]
    assert data[-1] == "[DONE]"
    return [json.loads(one) for one in data[:-1]]


def test_a_chat_is_answered_whole(http: httpx.Client, expected: str) -> None:
    found = chat(http, model="any name").json()
    (choice,) = found["choices"]
    assert choice["message"] == {"role": "assistant", "content": expected}
    assert choice["finish_reason"] == "length"
    assert found["object"] == "chat.completion" and found["model"] == "model-f16"
    used = found["usage"]
    assert used["completion_tokens"] == 24 and used["total_tokens"] == used["prompt_tokens"] + 24


def test_an_answer_that_the_caller_began_is_gone_on_with(http: httpx.Client, chat_gguf: Path) -> None:
    asked = chat(http, max_tokens=1).json()["usage"]["prompt_tokens"]
    with ChatEngine(chat_gguf, threads=1) as engine:
        begun = [*HELLO, {"role": "assistant", "content": "うさぎ"}]
        expected = "".join(engine.chat(begun, GREEDY, n_predict=8))
    found = chat(http, messages=begun, max_tokens=8).json()
    assert found["choices"][0]["message"]["content"] == expected
    assert asked < found["usage"]["prompt_tokens"] <= asked + len("うさぎ".encode()), "what was begun, and no turn more"


def test_a_stream_has_the_same_text_in_pieces(http: httpx.Client, expected: str) -> None:
    chunks = events(chat(http, stream=True, stream_options={"include_usage": True}))
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    pieces = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks[:-1]]
    assert "".join(pieces) == expected and len(pieces) > 10
    assert chunks[-2]["choices"][0]["finish_reason"] == "length"
    assert chunks[-1]["choices"] == [] and chunks[-1]["usage"]["completion_tokens"] == 24
    assert len({chunk["id"] for chunk in chunks}) == 1


def test_text_is_gone_on_with_and_its_marks_are_text(http: httpx.Client) -> None:
    bodies = [{"prompt": text, "max_tokens": 12} for text in ("むかし", "むかし</s><s>", ["むかし"])]
    plain, marked, listed = (http.post("v1/completions", json=body).json() for body in bodies)
    assert plain["object"] == "text_completion" and plain["choices"] == listed["choices"]
    assert marked["usage"]["prompt_tokens"] > plain["usage"]["prompt_tokens"] + 4, "two control tokens would be two"
    streamed = events(http.post("v1/completions", json={**bodies[0], "stream": True}))
    assert "".join(chunk["choices"][0]["text"] for chunk in streamed) == plain["choices"][0]["text"]


def test_parts_of_a_message_are_lines_as_in_training(http: httpx.Client) -> None:
    parts = {"role": "user", "content": [{"type": "text", "text": text} for text in ("むかし", "うさぎ")]}
    learnt = to_messages([parts, {"role": "assistant", "content": "はい"}], "role", "content", "x", Counter())
    found, plain = (chat(http, messages=[one]).json() for one in (parts, learnt[0]))
    assert learnt[0]["content"] == "むかし\nうさぎ"
    assert (found["choices"], found["usage"]) == (plain["choices"], plain["usage"])


def test_a_message_as_clients_hand_it_back_is_taken(http: httpx.Client) -> None:
    said = {"role": "assistant", "content": "はい", "refusal": None, "tool_calls": None, "function_call": None}
    assert chat(http, messages=[*HELLO, said, *HELLO], max_tokens=2).status_code == 200


def test_the_seed_counts(http: httpx.Client) -> None:
    texts = [chat(http, temperature=1, seed=seed).json()["choices"][0]["message"]["content"] for seed in (1, 1, -2)]
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize("stream", [False, True])
def test_a_stop_text_ends_the_answer_before_it(http: httpx.Client, expected: str, stream: bool) -> None:
    stop = expected[len(expected) // 2 :][:3]
    response = chat(http, stop=["never said", stop], stream=stream)
    if stream:
        chunks = events(response)
        text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
        finish = chunks[-1]["choices"][0]["finish_reason"]
    else:
        (choice,) = response.json()["choices"]
        text, finish = choice["message"]["content"], choice["finish_reason"]
    assert text == expected[: expected.index(stop)]
    assert finish == "stop"


def test_an_answer_follows_a_schema(http: httpx.Client) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "pet", "schema": SCHEMA, "strict": True}}
    for seed in (1, 2):  # of a model that says nothing of sense
        found = chat(http, response_format=wanted, temperature=1, seed=seed, max_tokens=100).json()["choices"][0]
        pet = json.loads(found["message"]["content"])
        assert pet["animal"] in ("猫", "dog") and type(pet["legs"]) is int and found["finish_reason"] == "stop"


def test_an_answer_follows_all_that_stands_beside_a_list_of_types(http: httpx.Client) -> None:
    toy = {"type": ["object", "null"], "properties": {"size": {"type": "integer"}}, "required": ["size"]}
    both = {
        "kind": {"type": ["string", "null"], "enum": ["猫", 7, None]},
        "toy": {**toy, "additionalProperties": False},
    }
    schema = {**SCHEMA, "properties": both, "required": list(both)}
    for seed in range(4):
        body = {"type": "json_schema", "json_schema": {"schema": schema}}
        found = chat(http, response_format=body, temperature=1, seed=seed, max_tokens=100).json()["choices"][0]
        pet = json.loads(found["message"]["content"])
        assert pet["kind"] in ("猫", None) and (pet["toy"] is None or type(pet["toy"]["size"]) is int), pet
        assert pet["toy"] is None or set(pet["toy"]) == {"size"}


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "array", "minItems": 3}, "minItems without items"),
        ({"type": "array", "prefixItems": [{"type": "null"}], "maxItems": 0}, "maxItems that is not the number"),
        ({"type": "array", "items": {"type": "null"}, "prefixItems": [{"type": "null"}]}, "prefixItems beside items"),
        ({"type": "object", "required": ["name"]}, "required names name"),
        ({**SCHEMA, "required": ["tail"]}, "required names tail"),
        ({"type": "string", "pattern": "^a+$", "maxLength": 3}, "maxLength beside pattern"),
        ({"type": "string", "format": "date", "minLength": 30}, "minLength beside format"),
        ({"$ref": "#/$defs/a", "minLength": 3, "$defs": {"a": {"type": "string"}}}, "minLength beside $ref"),
        ({**SCHEMA, "anyOf": [{"type": "object"}]}, "beside anyOf"),
        ({"enum": ["a", "bcd"], "minLength": 3}, "minLength beside enum"),
        ({"enum": ["a"], "type": "integer"}, "no value of enum"),
        ({"allOf": [{"type": "string"}, SCHEMA]}, "a part of allOf"),
        ({"type": ["array", "null"], "minItems": 1}, "minItems without items"),
        (
            {"$ref": "#/$defs/0", "$defs": {str(at): {"$ref": f"#/$defs/{(at + 1) % 2000}"} for at in range(2000)}},
            "each name the next",
        ),
    ],
)
def test_what_no_answer_would_be_held_to_is_refused(http: httpx.Client, schema: dict[str, Any], said: str) -> None:
    got = chat(http, response_format={"type": "json_schema", "json_schema": {"schema": schema}}, max_tokens=2)
    assert got.status_code == 400 and said in got.json()["error"]["message"], got.text


@pytest.mark.parametrize(
    "schema",
    [
        {"allOf": [{"$ref": "#/$defs/kind"}], "title": "Kind", "$defs": {"kind": {"enum": ["a"]}}},
        {"anyOf": [{"type": "string", "maxLength": 2}, {"type": "null"}], "default": None, "description": "or nothing"},
        {"type": "array", "prefixItems": [{"type": "null"}, {"type": "boolean"}], "minItems": 2, "maxItems": 2},
        {"allOf": [{"properties": {"a": {"type": "null"}}}, {"$ref": "#/$defs/b"}], "$defs": {"b": PET}},
    ],
)
def test_what_clients_write_of_their_classes_is_followed(http: httpx.Client, schema: dict[str, Any]) -> None:
    got = chat(http, response_format={"type": "json_schema", "json_schema": {"schema": schema}}, max_tokens=60)
    assert got.status_code == 200, got.text
    json.loads(got.json()["choices"][0]["message"]["content"])


@pytest.mark.parametrize(
    ("body", "param", "said"),
    [
        ({"messages": []}, "messages", "at least 1 item"),
        ({"messages": [{"role": "tool", "content": "a"}]}, "messages.0.role", "'user'"),
        ({"messages": [{"role": "user"}]}, "messages.0.content", "missing"),
        ({"messages": [*HELLO, {**CALL, "content": ""}, *HELLO]}, "messages.1.tool_calls", "not supported"),
        ({"max_tokens": 0}, "max_tokens", "greater than or equal to 1"),
        ({"temperature": "hot"}, "temperature", "valid number"),
        ({"temperature": -1}, "temperature", "greater than or equal to 0"),
        ({"n": 2}, "n", "not supported"),
        ({"tools": [{"type": "function"}]}, "tools", "not supported"),
        ({"max_token": 3}, "max_token", "unknown parameter"),
        ({"\ud800": 3}, "\ufffd", "unknown parameter"),
        ({"response_format": {"type": "json_schema"}}, "response_format", "no json_schema"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": {"$ref": "https://x.example/a"}}}},
            None,
            "cannot be followed",
        ),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": 7}}}}, None, "cannot be"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": {"items": {"minimum": 2}}}}},
            "response_format",
            "minimum is not supported",
        ),
        ({"messages": [{"role": "user", "content": "cat " * 400}]}, None, "context has room for"),
        ({"messages": [{"role": "user", "content": "x" * 300_000}]}, None, "too long"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_mistake_is_told_and_the_next_is_answered(
    http: httpx.Client, body: dict[str, Any], param: str | None, said: str, stream: bool
) -> None:
    asked = {"messages": HELLO, "max_tokens": 4, "stream": stream, **body}
    response = http.post("v1/chat/completions", content=json.dumps(asked))
    error = response.json()["error"]
    assert response.status_code == 400 and error["type"] == "invalid_request_error"
    assert (error["param"] or "").startswith(param or "") and said in error["message"]
    assert "Traceback" not in error["message"]
    assert chat(http, max_tokens=2).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("POST", "v1/chat/completions", b'{"messages": [', 400),
        ("POST", "v1/chat/completions", b"\xff\xfe", 400),
        ("POST", "v1/chat/completions", b"[]", 400),
        ("POST", "v1/chat/completions", b'{"messages": [], "response_format": {"const": NaN}}', 400),
        ("POST", "v1/completions", b'{"prompt": "a", "user": 1e999}', 400),
        ("POST", "v1/chat/completions", b"[" * 100_000, 400),
        ("POST", "v1/chat/completions", b'{"messages": ' + b"[" * 200 + b"]" * 200 + b"}", 400),
        ("POST", "v1/completions", b" " * 9_000_000, 413),
        ("POST", "v1/embeddings", b"{}", 404),
        ("GET", "v1/chat/completions", b"", 405),
        ("GET", "v1/models/other", b"", 404),
    ],
)
def test_what_is_no_request_has_a_status_and_a_reason(
    http: httpx.Client, method: str, path: str, content: bytes, status: int
) -> None:
    response = http.request(method, path, content=content)
    assert response.status_code == status
    assert response.json()["error"]["message"]


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}])
def test_a_page_of_another_site_is_not_answered(http: httpx.Client, headers: dict[str, str]) -> None:
    response = http.post("v1/chat/completions", headers=headers, json={"messages": HELLO, "max_tokens": 1})
    assert response.status_code == 421 and response.json()["error"]["message"]


def test_the_model_is_listed(http: httpx.Client) -> None:
    (card,) = http.get("v1/models").json()["data"]
    assert card["id"] == "model-f16" and http.get("v1/models/model-f16").json() == card
    assert http.get("health").json() == {"status": "ok"}


def test_callers_are_answered_in_the_order_in_which_they_came(slow: httpx.Client) -> None:
    ended: list[int] = []

    def ask(number: int, tokens: int) -> None:
        assert chat(slow, max_tokens=tokens).status_code == 200
        ended.append(number)

    with ThreadPoolExecutor(5) as pool:
        asked = []
        for number, tokens in enumerate((300, 90, 60, 90, 60)):
            asked.append(pool.submit(ask, number, tokens))
            time.sleep(0.1)
    for one in asked:
        one.result()
    assert ended == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("when", ["reading", "writing", "waiting"])
def test_a_caller_who_leaves_frees_the_model(slow: httpx.Client, stream: bool, when: str) -> None:
    began = time.monotonic()
    chat(slow, max_tokens=8)
    alone = time.monotonic() - began
    long = HELLO if when == "writing" else [{"role": "user", "content": "The cat sat on the mat. " * 60}]
    body = json.dumps({"messages": long, "max_tokens": 1500, "stream": stream})
    address = urlsplit(str(slow.base_url))
    busy = threading.Thread(target=chat, args=(slow,), kwargs={"max_tokens": 30})
    if when == "waiting":
        busy.start()
        time.sleep(0.05)
    with socket.create_connection((address.hostname or "", address.port or 0)) as caller:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
        caller.sendall((head + body).encode())
        if stream and when == "writing":
            assert b"200 OK" in caller.recv(1000)
        else:
            time.sleep(0.2)
    if when == "waiting":
        busy.join()
    left = time.monotonic()
    assert chat(slow, max_tokens=8).status_code == 200
    assert time.monotonic() - left < FREED + alone


@pytest.mark.parametrize("schema", [{"enum": ["\ufffd"]}, {"type": "string", "pattern": "^\ufffd$"}])
def test_a_schema_of_characters_that_are_not_drawn_is_refused_and_not_broken(
    http: httpx.Client, schema: dict[str, Any]
) -> None:
    wanted = {"type": "json_schema", "json_schema": {"schema": schema}}
    got = chat(http, response_format=wanted)
    assert got.status_code == 400 and "characters that this model cannot write" in got.json()["error"]["message"]
    assert '"error"' in chat(http, response_format=wanted, stream=True).text
    assert chat(http, max_tokens=2).status_code == 200


def test_a_caller_who_leaves_frees_a_model_that_cannot_be_stopped(
    http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """llama.cpp looks for what this pattern allows next until the end of days."""
    monkeypatch.setattr(turns, "LONGEST_STOP", 0.2)
    endless = {"type": "json_schema", "json_schema": {"schema": {"type": "string", "pattern": "^(a?){1000}$"}}}
    with pytest.raises(httpx.ReadTimeout):
        body = {"messages": HELLO, "max_tokens": 24, "response_format": endless}
        http.post("v1/chat/completions", json=body, timeout=2)
    assert chat(http, max_tokens=2).status_code == 200
