"""Ways to spoil what is in a file: a value of JSON or TOML, a key of a GGUF, a field of a SentencePiece model."""

import json
import random
import re
import struct
from collections.abc import Iterator
from typing import Any

from lilm.train.faults.spoil import DEEP, DIGITS, NUMBERS, Spoiler, number, span, spoil_bytes, spoil_text

RAW = "@raw:{}@"  # stands for text that json.dumps cannot write
RAWS: tuple[str, ...] = (DIGITS, "-" + DIGITS, "1e400", "NaN", "-Infinity", '"\\ud800"', "[" * 1_000 + "]" * 1_000)
RAWS += ("[" * DEEP + "]" * DEEP, '{"a":' * DEEP + "1" + "}" * DEEP, '{"a": 1, "a": 2}')
VALUES: tuple[Any, ...] = (None, True, False, "", "0", "é\0\n", "\ud800", [], {}, [None], [[]], {"a": None}, 0.5, 1e308)
VALUES += (*NUMBERS, "a" * 100_000, ["a"] * 1_000, {"type": "x"}, -1.0)
TOML_VALUES = (*(str(one) for one in NUMBERS), DIGITS, "nan", "inf", "true", '""', "[]", "{}", "1979-05-27", "[[]]")
TOML_VALUES += ("[" * 200 + "]" * 200, "[" * DEEP, "{a=" * 3_000, '"\\u0000"', '"\\ud800"', "'''", '"~nobody/../x"')
TOML_VALUES += ('"' + "a" * 100_000 + '"', "[1, 'a', {}]", "0.0000001", "-0.0", '"/dev/zero"', '"*"', '"[z-a]**"')
_ASSIGNED = re.compile(rb"(?m)(?<=[=\[{,])[ \t]*[^=\[\]{},\n]+")
_TABLE = re.compile(rb"(?m)^\[+[^\]\n]*\]+")
_GGUF_KEY = re.compile(rb"(?:general|llama|tokenizer|split)(?:\.[a-z0-9_]+)+")
_HEAD = 8  # bytes that tell the length of a safetensors header


def spoil_json(data: bytes, rng: random.Random) -> bytes:
    """One value, key or list of the JSON is another; now and then only its bytes are."""
    try:
        value = json.loads(data)
    except ValueError:
        return spoil_text(data, rng)
    return spoil_text(data, rng) if rng.random() < 0.3 else _spoilt_value(value, rng)


def spoil_json_lines(data: bytes, rng: random.Random) -> bytes:
    if rng.random() < 0.3:
        return spoil_text(data, rng)
    lines = data.splitlines()
    at = rng.randrange(len(lines))
    lines[at] = spoil_json(lines[at], rng)
    return b"\n".join(lines) + b"\n"


def spoil_toml(data: bytes, rng: random.Random) -> bytes:
    """Another value, no table's name, or spoilt as text."""
    found = list((_ASSIGNED if rng.random() < 0.9 else _TABLE).finditer(data))
    if not found or rng.random() < 0.3:
        return spoil_text(data, rng)
    one = rng.choice(found)
    return data[: one.start()] + b" " + rng.choice(TOML_VALUES).encode() + data[one.end() :]


def spoil_safetensors(data: bytes, rng: random.Random) -> bytes:
    """Another header before the same tensors, whose length is told rightly, or anything else."""
    size = int.from_bytes(data[:_HEAD], "little")
    if rng.random() < 0.3:
        return spoil_bytes(data, rng)
    head = spoil_json(data[_HEAD : _HEAD + size], rng)
    told = len(head) if rng.random() < 0.9 else rng.choice(NUMBERS) % (1 << 64)
    return told.to_bytes(_HEAD, "little") + head + data[_HEAD + size :]


def spoil_gguf(data: bytes, rng: random.Random) -> bytes:
    """The type, the length or the value of a key; a template's text; or any bytes, mostly of the head."""
    found = list(_GGUF_KEY.finditer(data))
    if not found or rng.random() < 0.3:
        return spoil_bytes(data, rng)
    at = rng.choice(found).end()
    how = rng.randrange(7)
    if how > 3:
        return _other_value(data, at, rng)
    if how == 0:
        return data[:at] + struct.pack("<I", rng.randrange(15)) + data[at + 4 :]
    if how == 1:
        return data[: at + 4] + struct.pack("<Q", rng.choice(NUMBERS) % (1 << 64)) + data[at + 12 :]
    if how == 2:
        return data[: at + 4] + struct.pack("<I", rng.choice(NUMBERS) % (1 << 32)) + data[at + 8 :]
    begin, end = span(data[at + 4 : at + 300], rng)
    return data[: at + 4 + begin] + rng.randbytes(end - begin) + data[at + 4 + end :]


def _other_value(data: bytes, at: int, rng: random.Random) -> bytes:
    """A whole value of another type, or of the same, for the key that ends at `at`. The tensors move; they may, but not
    beyond the end."""
    try:
        end = at + value_size(data, at)
    except (struct.error, KeyError, IndexError):
        return spoil_bytes(data, rng)
    odd = rng.choice((float("nan"), float("inf"), 0.0, -1.0, 1e30))
    texts = [rng.choice(("", "a", "b c", "\0", "<s>", "\ud800", "x" * 5_000)) for _ in range(rng.choice((0, 1, 3)))]
    written = b"".join(_written(text) for text in texts)
    value = rng.choice(
        (
            struct.pack("<IQ", 10, rng.choice(NUMBERS) % (1 << 64)),
            struct.pack("<II", 4, rng.choice(NUMBERS) % (1 << 32)),
            struct.pack("<Iq", 11, -rng.randrange(1, 1 << 40)),
            struct.pack("<If", 6, odd),
            struct.pack("<Id", 12, odd),
            struct.pack("<I?", 7, rng.random() < 0.5),
            struct.pack("<I", 8) + _written(rng.choice(("", "llama", "gpt2", "linear", "\ud800", "a" * 50_000))),
            struct.pack("<IIQ", 9, 8, len(texts)) + written,
            struct.pack("<IIQ3i", 9, 5, 3, -1, 7, 10**9),
            struct.pack("<IIQIQ", 9, 9, 1, 9, 0),
            struct.pack("<IIQ", 9, 6, 2) + struct.pack("<2f", odd, odd),
        )
    )
    return data[:at] + value + data[end:] + bytes(64)


def value_size(data: bytes, at: int) -> int:
    """Bytes of a GGUF value with its type, which begins at `at`."""
    widths = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
    (kind,) = struct.unpack_from("<I", data, at)
    if kind == 8:
        return 4 + 8 + int(struct.unpack_from("<Q", data, at + 4)[0])
    if kind != 9:
        return 4 + widths[kind]
    inner, count = struct.unpack_from("<IQ", data, at + 4)
    size = 4 + 4 + 8
    for _ in range(count if inner == 8 else 0):
        size += 8 + int(struct.unpack_from("<Q", data, at + size)[0])
    return size if inner == 8 else size + count * widths[inner]


def _written(text: str) -> bytes:
    data = text.encode("utf-8", errors="surrogatepass")
    return struct.pack("<Q", len(data)) + data


def spoil_pieces(data: bytes, rng: random.Random) -> bytes:
    """A SentencePiece model whose pieces or settings are odd, or any bytes."""
    from lilm.vocabulary.sentencepiece import empty_proto

    if rng.random() < 0.4:
        return spoil_bytes(data, rng)
    proto = empty_proto()
    proto.ParseFromString(data)
    piece, other = rng.choice(proto.pieces), rng.choice(proto.pieces)
    how = rng.randrange(6)
    if how == 0:
        piece.score = rng.choice((float("nan"), float("inf"), float("-inf"), -1e38, 0.0))
    elif how == 1:
        piece.type = rng.choice((1, 2, 3, 4, 5, 6))
    elif how == 2:
        piece.piece = rng.choice(("", other.piece, "\0", "a" * 100_000, "▁" * 1_000, "<0xFF>", "<s>"))
    elif how == 3:
        field = rng.choice(("unk_id", "bos_id", "eos_id", "pad_id", "vocab_size", "model_type"))
        setattr(proto.trainer_spec, field, rng.choice((1, 2, 3, 4) if field == "model_type" else (-1, 0, 10**9)))
    elif how == 4:
        proto.normalizer_spec.precompiled_charsmap = rng.randbytes(rng.choice((1, 4, 100)))
    else:
        del proto.pieces[rng.randrange(len(proto.pieces)) :]
    return bytes(proto.SerializePartialToString())


def spoil_template(data: bytes, rng: random.Random) -> bytes:
    """A template that fails, never ends, takes all memory, or writes something else."""
    odd = (
        b"{% for a in range(10**9) %}{% for b in range(10**9) %}{% endfor %}{% endfor %}",
        b"{{ 'a' * 10**10 }}",
        b"{{ 10 ** 10 ** 8 }}",
        b"{% set n = namespace(l=[]) %}{% for a in range(99999) %}{% set n.l = n.l + [n.l] %}{% endfor %}",
        b"{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        b"{{ ''.__class__.__mro__ }}",
        b"{% include '/etc/passwd' %}",
        b"{{ messages[0].nothing.more }}",
        b"{{ raise_exception(messages) }}",
        b"{{ '\\ud800' }}",
        b"{% for m in messages %}{{ m.content * 1000000 }}{% endfor %}",
        b"(" * DEEP,
        b"{{" + b"(" * 5_000 + b"1" + b")" * 5_000 + b"}}",
        b"{{ [" * 3_000,
        b"{{ '%1000000000d' % 1 }}",
        b"{{ messages|tojson(indent=1000000000) }}",
    )
    at = rng.randint(0, len(data))
    chosen = rng.choice(odd)
    return rng.choice((spoil_text(data, rng), chosen, data + chosen, data[:at] + chosen + data[at:]))


def spoil_request(data: bytes, rng: random.Random) -> bytes:
    """An HTTP request for something odd, asked for in an odd way."""
    odd: tuple[bytes, ...] = (
        b"/../lilm.toml",
        b"/%2e%2e/lilm.toml",
        b"/%00",
        b"/%ff",
        b"//",
        b"*",
        b"http://x/",
        b"/" + b"a" * 70_000,
    )
    odd += (b"/\xf0\x9f", b"/a\\..\\..\\lilm.toml", b"/?" + b"a" * 9_000, b"")
    if rng.random() < 0.4:
        return spoil_text(data, rng)
    line, _, rest = data.partition(b"\r\n")
    method, target, version = line.split(b" ")
    how = rng.randrange(4)
    if how == 0:
        target = rng.choice(odd)
    elif how == 1:
        method = rng.choice((b"POST", b"PUT", b"HEAD", b"OPTIONS", b"TRACE", b"CONNECT", b"A" * 70_000, b"", b"get"))
    elif how == 2:
        version = rng.choice((b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/9.9", b"", b"HTTP/" + DIGITS.encode()))
    else:
        unit = rng.choice((b"bytes=", b"bytes=-", b"lines=", b"bytes=0-,"))
        odd_header = (
            b"Range: " + unit + number(rng) + b"-" + number(rng),
            b"Content-Length: " + number(rng),
            b"Transfer-Encoding: chunked",
            b"If-None-Match: " + b'"' * 60_000,
            b"Host: " + b"[" * 100,
            b"Origin: http://[",
            b"Expect: 100-continue",
            b"If-Modified-Since: " + number(rng),
            b": ",
            b"\r\n".join(b"X-%d: 1" % at for at in range(500)),
        )
        rest = rng.choice(odd_header) + b"\r\n" + rest
    return b" ".join((method, target, version)) + b"\r\n" + rest


def _spoilt_value(value: Any, rng: random.Random) -> bytes:
    nodes = list(_places(value))
    raws = [*RAWS]
    odd = RAW.format(rng.randrange(len(raws))) if rng.random() < 0.25 else rng.choice(VALUES)
    twice = False
    if not nodes:
        value = odd
    else:
        holder, key = rng.choice(nodes)
        how = rng.randrange(8)
        if how == 0:
            del holder[key]
        elif how == 1:
            holder[key] = [holder[key]]
        elif how == 2 and isinstance(holder, dict):
            holder[rng.choice(("", "\ud800", "a" * 10_000, str(key) + " "))] = holder.pop(key)
        elif how == 3 and isinstance(holder, dict):
            holder["@twice@"], twice = odd, True
            raws.append(json.dumps(key))
        else:
            holder[key] = odd
    if rng.random() < 0.03:
        value = odd
    text = json.dumps(value, ensure_ascii=rng.random() < 0.5)
    for at, raw in enumerate(RAWS):
        text = text.replace(json.dumps(RAW.format(at)), raw)
    if twice:
        text = text.replace('"@twice@"', raws[-1])
    return text.encode("utf-8", errors="surrogatepass")


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """(what holds it, its key or number) of each value, with no preference for long lists."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    for key in keys if len(keys) <= 50 else (*keys[:25], *keys[-25:]):
        yield value, key
        yield from _places(value[key])


SPOILERS: dict[str, Spoiler] = {
    "bytes": spoil_bytes,
    "gguf": spoil_gguf,
    "json": spoil_json,
    "json_lines": spoil_json_lines,
    "pieces": spoil_pieces,
    "request": spoil_request,
    "safetensors": spoil_safetensors,
    "template": spoil_template,
    "text": spoil_text,
    "toml": spoil_toml,
}
