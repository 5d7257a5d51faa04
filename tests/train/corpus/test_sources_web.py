"""HTML pages and web archives: main text, character sets, and archives that are damaged."""

import gzip
import time
import zlib
from pathlib import Path

import pytest

from lilm.train.corpus.sources import Bad, Skip
from tests.train.corpus.conftest import read, source

STORY = "".join(
    f"<p>これは<time>{n}月</time>の<abbr>第{n}</abbr>段落で、主人公が町を歩く話です。</p>" for n in range(9)
)
SENTENCES = [f"これは{n}月の第{n}段落で、主人公が町を歩く話です。" for n in range(9)]


def page(meta: str = "", story: str = STORY) -> str:
    return (
        f"<html><head>{meta}<title>題</title></head><body><nav><a href='/'>目次へ戻る</a></nav>"
        f"<main><article><h1>題</h1>{story}<pre>int main() {{}}</pre></article></main>"
        "<footer>著者について</footer></body></html>"
    )


def is_the_story(text: object) -> bool:
    return isinstance(text, str) and text.split("\n")[-9:] == SENTENCES and "目次" not in text


def test_html_main_text(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_bytes(page("<meta charset='Shift_JIS'>").encode("cp932"))
    (text,) = read(source(tmp_path / "a.html", "html"))
    assert is_the_story(text)
    assert not any(word in str(text) for word in ("目次へ戻る", "int main", "著者について"))


RUBY = [  # as written in HTML, in XHTML, without end tags, and with each reading apart
    "<ruby>図書館<rt>としょかん</rt></ruby>",
    "<ruby>\n<rb>図書館</rb>\n<rp>（</rp><rt>としょかん</rt><rp>）</rp>\n</ruby>",
    "<ruby><rb>図<rt>と<rb>書<rt>しょ<rb>館<rt>かん</ruby>",
    "<ruby>図<rp>(</rp><rt>と</rt>書<rt>しょ</rt>館<rt>かん</rt></ruby>",
    "<ruby><rb>図書館</rb><rtc><rt>と</rt><rt>しょかん</rt></rtc></ruby>",
]


@pytest.mark.parametrize("ruby", RUBY)
@pytest.mark.parametrize("format", ["html", "warc"])
def test_ruby_leaves_what_it_stands_over(tmp_path: Path, ruby: str, format: str) -> None:
    data = page(story=STORY + f"<p>きのう、{ruby}で地図の本を借りました。</p>").encode()
    (tmp_path / "a").write_bytes(data if format == "html" else response(1, data))
    (text,) = read(source(tmp_path / "a", format))
    assert str(text).split("\n")[-1] == "きのう、図書館で地図の本を借りました。"


def test_exponents_stay_exponents(tmp_path: Path) -> None:
    story = STORY + "<p>質量は10<sup>21</sup>kg、2<sup><i>n</i></sup>、5<sup>th</sup>、水はH<sub>2</sub>Oである。</p>"
    (tmp_path / "a.html").write_text(page(story=story), encoding="utf-8")
    (text,) = read(source(tmp_path / "a.html", "html"))
    assert str(text).endswith("\n質量は10²¹kg、2ⁿ、5th、水はH2Oである。")


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [
        ("", "utf-8"),
        ("", "euc_jp"),
        ("iso-8859-1", "utf-8"),  # what many servers say of everything
        ("x-sjis", "cp932"),  # a name that Python does not know
        ("utf-16", "cp932"),  # then it could not have been read
        ("undefined", "cp932"),  # codecs of Python's that no page is written in
        ("idna", "cp932"),
        ("punycode", "euc_jp"),
        ("unicode_escape", "cp932"),
        ("x" * 1_500, "cp932"),
        ("iso-2022-jp", "iso2022_jp"),
    ],
)
def test_pages_that_err_about_their_encoding(tmp_path: Path, declared: str, encoding: str) -> None:
    (tmp_path / "a.html").write_bytes(page(f"<meta charset='{declared}'>" * bool(declared)).encode(encoding))
    (text,) = read(source(tmp_path / "a.html", "html"))
    assert is_the_story(text)


def test_pages_that_give_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lilm.train.corpus.sources.html.PAGE_LIMIT", 10_000)
    (tmp_path / "a.html").write_text("<html><body></body></html>")
    (tmp_path / "b.html").write_text(page(story=STORY * 20))
    (tmp_path / "c.html").write_bytes(page().encode() + b"\xff")
    none, large, broken = read(source(f"{tmp_path}/*.html", "html"))
    assert isinstance(none, Skip) and none.rule == "no_main_text"
    assert isinstance(large, Skip) and large.rule == "page_size"
    assert isinstance(broken, Bad) and broken.where == f"{tmp_path / 'c.html'}@{len(page().encode())}"


@pytest.mark.parametrize(
    ("story", "what"),
    [
        ("<p " + " ".join(f"a{number}='x y'" for number in range(50_000)) + ">", "a tag of more than 1000 attributes"),
        ("<b></b>" * 500_000, "more than 100000 tags"),
        ("<p>" * 1_200_000, "more than 100000 tags"),
    ],
    ids=["attributes", "empty", "open"],
)
def test_a_page_of_endless_markup_is_skipped_at_once(tmp_path: Path, story: str, what: str) -> None:
    (tmp_path / "a.html").write_text(page(story=STORY + story), encoding="utf-8")
    started = time.process_time()
    (skipped,) = read(source(tmp_path / "a.html", "html"))
    assert isinstance(skipped, Skip) and (skipped.rule, skipped.reason) == ("page_size", what)
    assert time.process_time() - started < 5


def test_a_picture_inside_a_tag_is_no_attribute(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(page(story=STORY + f"<svg><path d='{'M 1 2 ' * 5_000}'></svg>"), encoding="utf-8")
    (text,) = read(source(tmp_path / "a.html", "html"))
    assert is_the_story(text)


def test_real_pages_lose_their_navigation(shared_data: Path) -> None:
    pages = read(source(f"{shared_data}/web_html/rust_book_ja/**/*.html", "html", limit=20))
    texts = [text for text in pages if isinstance(text, str)]
    assert len(texts) > 15
    assert not any(word in text for text in texts for word in ("Print this book", "Keyboard shortcuts", "use std::"))


def record(kind: str, number: int, block: bytes) -> bytes:
    head = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:uuid:{number}>\r\nContent-Length: {len(block)}\r\n\r\n"
    )
    return head.encode() + block + b"\r\n\r\n"


def response(number: int, body: bytes, head: str = "Content-Type: text/html", status: str = "200 OK") -> bytes:
    return record("response", number, f"HTTP/1.1 {status}\r\n{head}\r\n\r\n".encode() + body)


WARC = [
    record("warcinfo", 0, b"software: x"),
    record("request", 1, b"GET / HTTP/1.1\r\n\r\n"),
    response(2, page().encode(), "Content-Type: text/html; charset=UTF-8"),
    response(3, page().encode("euc_jp"), 'content-type: text/html; charset="EUC-JP"'),
    response(4, page().encode(), status="404 Not Found"),
    response(5, b"%PDF", "Content-Type: application/pdf"),
    response(6, gzip.compress(page().encode()), "Content-Type: text/html\r\nContent-Encoding: gzip"),
    record("metadata", 7, b""),
]


@pytest.mark.parametrize("name", ["a.warc", "a.warc.gz"])
def test_warc(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"".join(gzip.compress(one) if name.endswith("z") else one for one in WARC))
    items = read(source(tmp_path / name, "warc"))
    assert len(items) == 3 and all(is_the_story(item) for item in items)


def chunked(body: bytes) -> bytes:
    pieces = [body[start : start + 1000] for start in range(0, len(body), 1000)]
    return b"".join(b"%x;a=b\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("Transfer-Encoding: chunked", chunked(page().encode())),
        ("Transfer-Encoding: chunked", page().encode()),  # taken off by the crawler
        ("Content-Encoding: gzip", page().encode()),
        ("Content-Encoding: deflate", zlib.compress(page().encode())),
        ("Transfer-Encoding: chunked\r\nContent-Encoding: gzip", chunked(gzip.compress(page().encode()))),
    ],
)
def test_bodies_are_unpacked(tmp_path: Path, head: str, body: bytes) -> None:
    (tmp_path / "a.warc").write_bytes(response(1, body, f"Content-Type: text/html\r\n{head}"))
    (text,) = read(source(tmp_path / "a.warc", "warc"))
    assert is_the_story(text)


@pytest.mark.parametrize(
    ("head", "body", "what"),
    [
        ("Transfer-Encoding: chunked", chunked(page().encode())[:-500], "HTTP body cut short"),
        ("Content-Encoding: gzip", gzip.compress(page().encode())[:-50], "HTTP body cut short"),
        ("Content-Encoding: br", b"\x0b\x02\x80", "content encoding 'br'"),
        ("X: y", page().encode() + b"\xff\xff", "byte 0xff is not"),
    ],
)
def test_pages_that_the_web_broke_are_skipped_by_name(tmp_path: Path, head: str, body: bytes, what: str) -> None:
    (tmp_path / "a.warc").write_bytes(response(8, body, f"Content-Type: text/html\r\n{head}") + WARC[2])
    skip, text = read(source(tmp_path / "a.warc", "warc"))
    assert isinstance(skip, Skip) and skip.rule == "undecodable_page"
    assert what in skip.reason and "<urn:uuid:8>" in skip.reason
    assert is_the_story(text)


@pytest.mark.parametrize("name", ["a.warc", "a.warc.gz"])
def test_warc_is_read_up_to_where_it_is_cut_short(tmp_path: Path, name: str) -> None:
    packed = [gzip.compress(one) if name.endswith("z") else one for one in WARC]
    (tmp_path / name).write_bytes(b"".join(packed[:3]) + packed[3][:-100])
    text, bad = read(source(tmp_path / name, "warc"))
    assert is_the_story(text)
    assert isinstance(bad, Bad) and "cut short" in bad.what and str(tmp_path / name) in bad.where
    if name == "a.warc":
        assert "<urn:uuid:3>" in bad.where


@pytest.mark.parametrize(
    ("tail", "what"),
    [
        (b"junk here", "no WARC record begins here"),
        (b"WARC/1.0\r\nWARC-Type: resp", "header has no end"),
        (b"WARC/1.0\r\nWARC-Type: response\r\nContent-Length: many\r\n\r\n", "Content-Length is many"),
        (b"WARC/1.0\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\n", "Content-Length is 999"),
        (b"WARC/1.0\r\nContent-Length: \xc2\xb2\r\n\r\n", "Content-Length is ²"),
    ],
)
def test_what_is_no_warc_is_named(tmp_path: Path, tail: bytes, what: str) -> None:
    (tmp_path / "a.warc").write_bytes(WARC[2] + tail)
    text, bad = read(source(tmp_path / "a.warc", "warc"))
    assert is_the_story(text)
    assert isinstance(bad, Bad) and what in bad.what and f"@{len(WARC[2])}" in bad.where
