"""Ways to spoil a file's bytes, whatever is in it; `spoil_shaped` has those that know what is."""

import random
import re
import struct
from collections.abc import Callable

LONGEST = 4 << 20  # bytes of a spoilt file
NUMBERS = (0, 1, -1, 255, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 10**9, 2**53, 2**63 - 1, 2**63, 2**64 - 1, 10**30)
DIGITS = "9" * 5_000  # more than Python turns into a number
DEEP = 50_000  # of nested brackets
OPENERS: tuple[bytes, ...] = (
    b"[",
    b"{",
    b'{"a":',
    b"<b>",
    b"<div>",
    b"{{",
    b"[[",
    b"{|\n",
    b"<ref>",
    b"<nowiki>",
    b"(",
    b"'",
    b'"',
    b"[a.",
)
OPENERS += ("［＃".encode(), "《".encode(), "〔".encode(), "※［＃".encode())
CLOSERS = (b"]", b"}", b"</b>", b"}}", b"]]", b"\n", b" ", b"\\", b"\r", b"=", b"a", "。".encode(), "あ".encode())
JUNK = (
    b"\xed\xa0\x80",  # half a surrogate pair
    b"\\ud800",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\0",
    b"\x1b$B",
    b"\xc0\xaf",
    b"\xf4\x90\x80\x80",
    b"\r",
    b"%00",
    b"../../",
    b"NaN",
    b"Infinity",
    b"null",
    b"-0",
    "\u2028\u202e\ufeff".encode(),
)
_NUMBER = re.compile(rb"\d+")
_WORD = re.compile(rb"[A-Za-z_-]{3,}")
Spoiler = Callable[[bytes, random.Random], bytes]


def spoil_bytes(data: bytes, rng: random.Random) -> bytes:
    """`data`, spoilt in one of the ways that any bytes can be."""
    return rng.choice(BYTES)(data, rng)[:LONGEST]


def spoil_text(data: bytes, rng: random.Random) -> bytes:
    """`data`, spoilt as bytes, as an encoding, or by what is put for its numbers and words."""
    return rng.choice((*TEXT, *TEXT, *BYTES))(data, rng)[:LONGEST]


def span(data: bytes, rng: random.Random) -> tuple[int, int]:
    """Where a part of `data` begins and ends: mostly a short one."""
    begin = rng.randint(0, len(data))
    return begin, min(len(data), begin + rng.choice((1, 2, 4, 16, 100, 1_000, len(data))))


def number(rng: random.Random) -> bytes:
    return rng.choice((*(str(one).encode() for one in NUMBERS), DIGITS.encode(), b"1e400", b"0.5", b"0x10", b"nan"))


def _flip(data: bytes, rng: random.Random) -> bytes:
    spoilt = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8, 64)) if data else 0):
        spoilt[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(spoilt)


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randint(0, len(data))]


def _repeat(data: bytes, rng: random.Random) -> bytes:
    begin, end = span(data, rng)
    return data[:begin] + data[begin:end] * rng.choice((2, 3, 100, 10_000)) + data[end:]


def _delete(data: bytes, rng: random.Random) -> bytes:
    begin, end = span(data, rng)
    return data[:begin] + data[end:]


def _swap(data: bytes, rng: random.Random) -> bytes:
    a, b, c = sorted(rng.randint(0, len(data)) for _ in range(3))
    return data[:a] + data[b:c] + data[a:b] + data[c:]


def _overwrite(data: bytes, rng: random.Random) -> bytes:
    begin, end = span(data, rng)
    size = end - begin
    return data[:begin] + rng.choice((rng.randbytes(size), bytes(size), b"\xff" * size, b" " * size)) + data[end:]


def _integer(data: bytes, rng: random.Random) -> bytes:
    """A length, a count or a place of four or eight bytes."""
    kind, bits = rng.choice((("<I", 32), ("<Q", 64), (">I", 32)))
    value = struct.pack(kind, rng.choice(NUMBERS) % (1 << bits))
    at = rng.randint(0, max(0, min(len(data), rng.choice((64, 1_000, len(data)))) - len(value)))
    return data[:at] + value + data[at + len(value) :]


def _insert(data: bytes, rng: random.Random) -> bytes:
    at = rng.randint(0, len(data))
    return data[:at] + rng.choice(JUNK) * rng.choice((1, 1, 3, 1_000)) + data[at:]


def _nest(data: bytes, rng: random.Random) -> bytes:
    """Brackets or marks that open, or any other piece, very often in a row; now and then closed again."""
    at, opener = rng.randint(0, len(data)), rng.choice((*OPENERS, *CLOSERS))
    closer = rng.choice((b"", rng.choice(CLOSERS)))
    return data[:at] + opener * DEEP + closer * DEEP + data[at:]


def _other_encoding(data: bytes, rng: random.Random) -> bytes:
    text = data.decode("utf-8", errors="replace")
    name = rng.choice(("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "cp932", "euc_jp", "iso2022_jp", "utf-7"))
    return text.encode(name, errors="replace")


def _other_number(data: bytes, rng: random.Random) -> bytes:
    found = list(_NUMBER.finditer(data))
    if not found:
        return _insert(data, rng)
    one = rng.choice(found)
    return data[: one.start()] + number(rng) + data[one.end() :]


def _other_word(data: bytes, rng: random.Random) -> bytes:
    found = list(_WORD.finditer(data))
    if not found:
        return _insert(data, rng)
    one, other = rng.choice(found), rng.choice(found)
    word = rng.choice((b"", other[0], rng.choice(JUNK), one[0] * 1_000, b"a" * 100_000))
    return data[: one.start()] + word + data[one.end() :]


def _lines(data: bytes, rng: random.Random) -> bytes:
    """A line is gone, stands twice or elsewhere, or all have other ends."""
    lines = data.split(b"\n")
    at, to = rng.randrange(len(lines)), rng.randrange(len(lines))
    how = rng.randrange(4)
    if how == 0:
        del lines[at]
    elif how == 1:
        lines.insert(to, lines[at])
    elif how == 2:
        lines.insert(to, lines.pop(at))
    return rng.choice((b"\r\n", b"\r", b"")).join(lines) if how == 3 else b"\n".join(lines)


def _empty(data: bytes, rng: random.Random) -> bytes:
    return rng.choice((b"", b"\n", b" ", b"\0", b"\xef\xbb\xbf", b"\xff\xfe"))


BYTES: tuple[Spoiler, ...] = (_flip, _flip, _cut, _repeat, _delete, _swap, _overwrite, _integer, _integer, _insert)
BYTES += (_empty,)
TEXT: tuple[Spoiler, ...] = (_other_encoding, _other_number, _other_number, _other_word, _lines, _nest, _insert)
