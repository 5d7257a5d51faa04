"""Readers that need no file of a kind: whatever stands in it, it is read, or refused by the one error for that."""

import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lilm.errors import LilmError
from lilm.gguf_file import open_gguf
from lilm.json_file import read_json_object
from lilm.recipe import recipe_text
from lilm.recipe.files import parse_recipe
from lilm.train.corpus.sources.decoding import Undecodable, decode
from lilm.train.corpus.sources.http_response import parse_response

bounded = settings(max_examples=150, derandomize=True)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(categories=["L", "Cs", "Cc"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@bounded
@given(st.one_of(st.binary(), values.map(lambda value: json.dumps(value).encode()), st.text().map(str.encode)))
def test_json(tmp_path_factory: Any, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(data)
    try:
        assert isinstance(read_json_object(path), dict)
    except LilmError as error:
        assert str(path) in error.line() and error.line().encode()


@bounded
@given(
    st.integers(0, 10_000), st.sampled_from(("[]", "{}", "nan", "-1", "9" * 5_000, '"\\u0000"', "'''", "=", "[[a.b]]"))
)
def test_recipes(place: int, put: str) -> None:
    lines = recipe_text("quickstart").split("\n")
    at = place % len(lines)
    key, equals, _ = lines[at].partition("=")
    lines[at] = f"{key}= {put}" if equals else put
    try:
        parse_recipe("\n".join(lines), "lilm.toml", Path("/"))
    except LilmError as error:
        assert error.line().startswith("lilm.toml: ") and len(error.line()) < 2_500


@bounded
@given(st.binary(max_size=200), st.sampled_from((2, 3)), st.integers(0, 3), st.integers(0, 2**64 - 1))
def test_the_head_of_a_gguf(tmp_path_factory: Any, rest: bytes, version: int, keys: int, tensors: int) -> None:
    path = tmp_path_factory.getbasetemp() / "any.gguf"
    numbers = version.to_bytes(4, "little") + tensors.to_bytes(8, "little") + keys.to_bytes(8, "little")
    path.write_bytes(b"GGUF" + numbers + rest)
    try:
        open_gguf(path)
    except LilmError as error:
        assert str(path) in error.line()


@bounded
@given(st.binary(max_size=300), st.sampled_from(("ja", "en")))
def test_bytes_as_text(data: bytes, lang: str) -> None:
    try:
        decode(data, lang).encode()
    except Undecodable as error:
        assert 0 <= error.position <= len(data)


@bounded
@given(st.binary(max_size=300), st.sampled_from(("chunked", "gzip", "")), st.sampled_from(("gzip", "br", "")))
def test_answers_of_servers(body: bytes, transfer: str, content: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nTransfer-Encoding: {transfer}\r\nContent-Encoding: {content}\r\n\r\n".encode()
    try:
        assert len(parse_response(head + body).body()) < 5 << 20
    except Undecodable as error:
        assert error.what
