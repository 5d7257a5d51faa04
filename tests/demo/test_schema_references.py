"""What $ref names in a schema decides the answer, whatever else in it is called alike; and an answer is JSON."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from lilm.demo.api.errors import ApiError
from lilm.demo.api.schema import checked_schema
from lilm.demo.api.serve import api_server
from lilm.recipe import SamplingConfig

KINDS: dict[str, dict[str, Any]] = {
    "word": {"type": "string", "maxLength": 3},
    "number": {"enum": [7]},
    "flag": {"type": "boolean"},
}


@pytest.fixture(scope="module")
def http(chat_gguf: Path) -> Iterator[httpx.Client]:
    with api_server(chat_gguf, SamplingConfig(), threads=1) as server, server.in_background() as url:
        yield httpx.Client(base_url=url, timeout=60)


def record(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
        **more,
    }


def ref(name: str, where: str = "$defs") -> dict[str, str]:
    return {"$ref": f"#/{where}/{name}"}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        # a property and a definition of one name and different types
        (record({"pet": KINDS["word"], "friend": ref("pet")}, **{"$defs": {"pet": KINDS["flag"]}}), (str, bool)),
        # two definitions of one name in different places
        (
            record(
                {"one": ref("kind"), "two": ref("kind", "definitions")},
                **{"$defs": {"kind": KINDS["flag"]}, "definitions": {"kind": KINDS["number"]}},
            ),
            (bool, int),
        ),
        # a definition that is called as one of the converter's own rules
        (
            record({"text": KINDS["word"], "one": ref("string"), "two": ref("char")}, **{
                "$defs": {"string": KINDS["number"], "char": KINDS["flag"]}
            }),
            (str, int, bool),
        ),
        # names that properties have already, and one that is no rule's
        (
            record({"ref-0": KINDS["word"], "refx": KINDS["flag"], "c": ref("a~1b c")}, **{
                "$defs": {"a/b c": KINDS["number"]}
            }),
            (str, bool, int),
        ),
        # a part of another definition
        (
            record({"legs": KINDS["word"], "c": ref("pet/properties/legs")}, **{
                "$defs": {"pet": record({"legs": KINDS["number"]})}
            }),
            (str, int),
        ),
    ],
)  # fmt: skip
def test_each_property_is_what_its_own_schema_says(
    http: httpx.Client, schema: dict[str, Any], expected: tuple[type, ...]
) -> None:
    for seed in range(3):
        asked = {"type": "json_schema", "json_schema": {"schema": schema}}
        messages = [{"role": "user", "content": "むかし"}]
        body = {"messages": messages, "response_format": asked, "temperature": 1, "seed": seed, "max_tokens": 120}
        got = http.post("v1/chat/completions", json=body)
        assert got.status_code == 200, got.text
        answer = json.loads(got.json()["choices"][0]["message"]["content"])
        assert tuple(map(type, answer.values())) == expected, answer


def test_a_definition_may_name_itself(http: httpx.Client) -> None:
    node = {"anyOf": [record({"next": ref("next")}), {"type": "null"}]}
    schema = record({"next": KINDS["word"], "list": ref("next")}, **{"$defs": {"next": node}})
    found = checked_schema(schema)
    (name,) = found["$defs"]
    assert found["properties"]["list"] == {"$ref": f"#/$defs/{name}"} and name != "next"
    assert found["$defs"][name]["anyOf"][0]["properties"]["next"] == {"$ref": f"#/$defs/{name}"}


def test_a_reference_to_nothing_is_named() -> None:
    with pytest.raises(ApiError, match=r"\$ref #/\$defs/cat names nothing"):
        checked_schema(record({"a": ref("cat")}, **{"$defs": {"pet": KINDS["word"]}}))


@pytest.mark.parametrize(
    "text",
    [
        {"type": "string", "minLength": 4, "maxLength": 8},
        {"type": "string", "pattern": "^......$"},
        {"type": "string", "pattern": "^[^a][^a][^a][^a][^a][^a]$"},
    ],
)
def test_a_text_in_an_answer_is_json_whatever_the_model_likes(http: httpx.Client, text: dict[str, Any]) -> None:
    for seed in range(6):
        asked = {"type": "json_schema", "json_schema": {"schema": record({"a": text, "b": text, "c": text})}}
        messages = [{"role": "user", "content": "むかし"}]
        body = {"messages": messages, "response_format": asked, "temperature": 50, "seed": seed, "max_tokens": 120}
        got = http.post("v1/chat/completions", json={**body, "top_p": 1})
        assert got.status_code == 200, got.text
        answer = json.loads(got.json()["choices"][0]["message"]["content"])
        assert all(type(one) is str for one in answer.values()), answer


def test_a_text_has_as_many_letters_as_it_must(http: httpx.Client) -> None:
    """A special token in it is no letter: it writes nothing."""
    text = {"type": "string", "minLength": 4, "maxLength": 8}
    for seed in range(12):
        asked = {"type": "json_schema", "json_schema": {"schema": record({"a": text, "b": text, "c": text})}}
        messages = [{"role": "user", "content": "むかし"}]
        body = {"messages": messages, "response_format": asked, "temperature": 50, "seed": seed, "max_tokens": 120}
        got = http.post("v1/chat/completions", json={**body, "top_p": 1})
        answer = json.loads(got.json()["choices"][0]["message"]["content"])
        assert all(4 <= len(one) <= 8 for one in answer.values()), answer
