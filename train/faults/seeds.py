"""Whole files of each kind, made here: what is spoilt is spoilt from these. Each seed is a folder of its own."""

import bz2
import gzip
import json
import lzma
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

JAPANESE = "むかしむかし、あるところに、おじいさんとおばあさんがいました。おじいさんは山へ柴刈りに行きました。\n"
ENGLISH = "Once upon a time there was a little girl who lived in a small house near the forest with 3 cats.\n"
PAGE = f"""<!DOCTYPE html>
<html lang="ja"><head><meta charset="utf-8"><title>昔話</title></head>
<body><nav><a href="/">home</a></nav><article><h1>昔話</h1>
<p>{JAPANESE * 4}</p><p>E = mc<sup>2</sup>、<ruby>図書館<rp>(</rp><rt>としょかん</rt><rp>)</rp></ruby>で。</p>
<p>{JAPANESE * 3}</p>
<blockquote>{ENGLISH}<footer>— a letter</footer></blockquote><table><tr><td>1</td></tr></table>
<p>{ENGLISH * 3}</p></article></body></html>
"""
WIKITEXT = f"""'''昔話'''（むかしばなし、{{{{lang|en|folk tale}}}}）は、[[物語]]の一種。
<ref name="a">{{{{cite|1}}}}</ref>。
{{{{Infobox
|name = 昔話 {{{{{{1|x}}}}}}
}}}}
== 概要 ==
{JAPANESE * 3}* 約10<sup>21</sup>、{{{{val|3.2|e=21|u=kg}}}}。[[File:a.png|thumb|絵]] [https://example.org/ 外]
-{{zh-hans:a;zh:b}}-
{{| class="wikitable"
|-
| 1 || 2
|}}
<!-- note --> <nowiki>[[x]]</nowiki> <math>x^2</math>
== 脚注 ==
<references />
"""
AOZORA = f"""走れメロス
太宰治

-------------------------------------------------------
【テキスト中に現れる記号について】

《》：ルビ
-------------------------------------------------------

　皆｜頸《くび》を※［＃「靈」の「巫」に代えて「女」、第3水準1-47-53］へ［＃「へ」に傍点］。いろ／＼。〔fiance'〕
［＃５字下げ］一［＃「一」は中見出し］
{JAPANESE * 3}※［＃「木＋鬼」、U+27FF0、1-2］

底本：「太宰治全集」筑摩書房
入力：someone
"""
TALK = [{"role": "system", "content": "短く。"}, {"role": "user", "content": "日本で一番高い山は？"}]
TALK += [{"role": "assistant", "content": "富士山です。"}, {"role": "user", "content": "Thanks"}]
TALK += [{"role": "assistant", "content": "どういたしまして。"}]


def write_recipe(folder: Path) -> None:
    """Two recipes: the quickstart with every key in it, and one that reads files."""
    from lilm.recipe import load_recipe, recipe_text, recipe_toml

    rest = recipe_text("quickstart").partition("[base]")[2]
    rest = re.sub("limit = [0-9]+", 'path = "chats.jsonl"', rest.replace('format = "chats"', 'format = "messages"'))
    own = f"""name = "own"
[[corpus.sources]]
name = "mine"
lang = "ja"
format = "text"
path = "texts/*.txt"
separator = "\\n\\n"
[[corpus.sources]]
name = "english"
lang = "en"
format = "jsonl"
path = "a.jsonl"
weight = 0.5
[corpus.decontaminate]
path = ["texts/a.txt"]
[base]{rest}"""
    for name, text in (("whole", recipe_toml(load_recipe("quickstart"))), ("own", own)):
        (folder / name / "texts").mkdir(parents=True)
        (folder / name / "lilm.toml").write_text(text, encoding="utf-8")
        (folder / name / "texts" / "a.txt").write_text(JAPANESE * 3, encoding="utf-8")
        (folder / name / "a.jsonl").write_text(jsonl({"text": ENGLISH}), encoding="utf-8")
        (folder / name / "chats.jsonl").write_text(jsonl({"messages": TALK}), encoding="utf-8")


def write_chats(folder: Path) -> None:
    """The folder's name begins with the format; its file is named as people name theirs."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    parts = [{**one, "content": [{"type": "text", "text": one["content"]}]} for one in TALK]
    said = [{"name": one["role"], "text": one["content"]} for one in TALK]
    shared = [{"from": one["role"], "value": one["content"]} for one in TALK[1:]]
    asked = {"instruction": "訳して。", "input": "cat", "output": "猫"}
    entries: dict[str, dict[str, Any]] = {
        "messages": {"messages": TALK},
        "messages-parts": {"messages": parts},
        "utterances": {"utterances": said},
        "sharegpt": {"conversations": shared, "system": "短く。", "id": 1},
        "messages-alpaca": asked,
        "auto-dolly": {"instruction": "訳して。", "context": "cat", "response": "猫"},
        "oasst-tree": {
            "prompt": {"role": "prompter", "text": "猫", "replies": [_reply("猫です。", 0), _reply("犬", 1)]}
        },
    }
    for name, entry in entries.items():
        write_file(folder / name / "chats.jsonl", jsonl(entry, entry, entry))
        write_file(folder / f"{name}-list" / "chats.json", json.dumps([entry, entry], ensure_ascii=False, indent=1))
    rows = [{"message_id": "1", "parent_id": None, "role": "prompter", "text": "猫", "rank": None}]
    rows += [{"message_id": "2", "parent_id": "1", **_reply("猫です。", 0)}]
    write_file(folder / "oasst-rows" / "chats.jsonl", jsonl(*rows))
    (folder / "auto-parquet").mkdir()
    pq.write_table(pa.Table.from_pylist([{"messages": TALK}] * 50), folder / "auto-parquet" / "chats.parquet")


def _reply(text: str, rank: int) -> dict[str, Any]:
    return {"role": "assistant", "text": text, "rank": rank}


def write_text(folder: Path) -> None:
    """Also what is read by pieces: with a separator."""
    for name in ("plain", "separator"):
        write_file(folder / name / "a.txt", "\n\n".join([JAPANESE * 3] * 3))
    write_file(folder / "cp932" / "a.txt", (JAPANESE * 3).encode("cp932"))
    write_file(folder / "utf16" / "a.txt", (JAPANESE * 3).encode("utf-16"))
    _packed(folder, "a.txt", (JAPANESE * 3).encode())


def write_jsonl(folder: Path) -> None:
    lines = jsonl(*({"id": at, "text": JAPANESE * 2, "meta": {"a": [at, None]}} for at in range(4))).encode()
    write_file(folder / "plain" / "a.jsonl", lines)
    _packed(folder, "a.jsonl", lines)


def write_csv(folder: Path) -> None:
    rows = "".join(f'{at},"{JAPANESE}, ""{at}""",x\n' for at in range(4))
    write_file(folder / "plain" / "a.csv", f"id,text,more\n{rows}")
    write_file(folder / "cp932" / "a.tsv", f"text\tid\n{JAPANESE}\t1\n".encode("cp932"))
    _packed(folder, "a.csv", f"text\n{JAPANESE}\n".encode())


def write_any(folder: Path) -> None:
    """What is told by its first bytes alone."""
    write_file(folder / "bunko" / "a.txt", AOZORA.encode("cp932"))
    write_file(folder / "page" / "a.txt", PAGE)
    write_file(folder / "lines" / "a.json", jsonl({"text": JAPANESE}, {"text": ENGLISH}))


def write_parquet(folder: Path) -> None:
    """Writes files of several row groups and codecs, with text as words, as categories and with lists beside it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = [f"{JAPANESE}{at}" for at in range(40)]
    table = pa.table({"id": range(40), "text": texts, "tags": [[str(at), None] for at in range(40)]})
    categories = pa.table({"text": pa.array([JAPANESE, ENGLISH] * 20).dictionary_encode()})
    made = {"snappy": table, "zstd": table, "none": table, "gzip": categories, "large": table}
    for name, one in made.items():
        (folder / name).mkdir(parents=True)
        codec = "snappy" if name == "large" else name
        cast = one.set_column(1, "text", one["text"].cast(pa.large_string())) if name == "large" else one
        pq.write_table(cast, folder / name / "a.parquet", compression=codec, row_group_size=16)
    _packed(folder, "a.parquet", (folder / "none" / "a.parquet").read_bytes(), ("gz",))


def write_aozora(folder: Path) -> None:
    write_file(folder / "utf8" / "a.txt", AOZORA)
    write_file(folder / "cp932" / "a.txt", AOZORA.encode("cp932").replace(b"\n", b"\r\n"))
    _packed(folder, "a.txt", AOZORA.encode("cp932"), ("gz",))


def write_html(folder: Path) -> None:
    write_file(folder / "utf8" / "a.html", PAGE)
    legacy = PAGE.replace("utf-8", "Shift_JIS").replace("—", "-")
    write_file(folder / "cp932" / "a.html", legacy.encode("cp932"))
    _packed(folder, "a.html", PAGE.encode(), ("gz",))


def write_warc(folder: Path) -> None:
    """Pages as they come, in chunks, and compressed; the archive as a whole too."""
    page = PAGE.encode()
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (page[:500], page[500:], b""))
    answers = [
        _answer(page, "text/html; charset=utf-8"),
        _answer(chunked, "text/html", "Transfer-Encoding: chunked\r\n"),
        _answer(gzip.compress(page, mtime=0), "text/html", "Content-Encoding: gzip\r\n"),
        _answer(b"{}", "application/json"),
    ]
    records = [_record("warcinfo", b"software: x\r\n"), *(_record("response", one) for one in answers)]
    write_file(folder / "plain" / "a.warc", b"".join(records))
    write_file(folder / "gz" / "a.warc.gz", b"".join(gzip.compress(one, mtime=0) for one in records))


def write_mediawiki(folder: Path) -> None:
    from xml.sax.saxutils import escape

    page = f"<page><title>昔話</title><ns>0</ns><id>7</id><revision><text>{escape(WIKITEXT)}</text></revision>"
    dump = f"""<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="ja">
<siteinfo><namespaces><namespace key="6">ファイル</namespace></namespaces></siteinfo>
{page}</page>
<page><title>B</title><ns>0</ns><id>8</id><redirect title="昔話"/><revision><text>#REDIRECT</text></revision></page>
{page}</page></mediawiki>
"""
    bomb = "".join(f'<!ENTITY b{at} "{f"&b{at - 1};" * 10}">' for at in range(1, 3))
    bombed = f'<!DOCTYPE mediawiki [<!ENTITY b0 "ha">{bomb}]>{dump.replace("<ns>0</ns>", "<ns>0</ns><x>&b2;</x>")}'
    write_file(folder / "plain" / "a.xml", dump)
    write_file(folder / "entities" / "a.xml", bombed)
    _packed(folder, "a.xml", dump.encode(), ("bz2",))


def write_squad(folder: Path) -> None:
    asked = {"id": "q", "question": "誰？", "answers": [{"text": "おじいさん", "answer_start": 14}]}
    paragraphs = [{"context": JAPANESE * 2, "qas": [asked]}, {"context": ENGLISH, "qas": []}]
    text = json.dumps({"version": "1", "data": [{"title": "a", "paragraphs": paragraphs}] * 2}, ensure_ascii=False)
    write_file(folder / "plain" / "a.json", text)
    _packed(folder, "a.json", text.encode(), ("gz",))


def write_requests(folder: Path) -> None:
    """A site, and requests as browsers send them."""
    for name, lines in {
        "page": ("GET / HTTP/1.1", "Host: localhost", "Connection: close"),
        "part": ("GET /models/a.gguf?v=1 HTTP/1.1", "Host: 127.0.0.1:8000", "Range: bytes=2-5", 'If-Range: "x"'),
        "again": ("GET /app.js HTTP/1.1", "Host: localhost", 'If-None-Match: "a", "b"', "Origin: http://localhost"),
        "head": ("HEAD /models.json HTTP/1.0", "Host: [::1]:8000", "Accept-Encoding: gzip"),
    }.items():
        place = folder / name
        write_file(place / "lilm.toml", "secret of the folder above")
        for file in ("index.html", "models.json", "app.js", "models/a.gguf"):
            write_file(place / "site" / file, f"{file} " * 20)
        write_file(place / "request", "\r\n".join((*lines, "", "")))


def write_file(path: Path, data: str | bytes) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)


def jsonl(*entries: Any) -> str:
    """Returns JSON Lines."""
    return "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries)


def _zstd(data: bytes) -> bytes:
    import zstandard

    return zstandard.compress(data)


PACK: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
PACK["zst"] = _zstd


def _packed(folder: Path, name: str, data: bytes, kinds: tuple[str, ...] = tuple(PACK)) -> None:
    for kind in kinds:
        write_file(folder / kind / f"{name}.{kind}", PACK[kind](data))


def _answer(body: bytes, kind: str, more: str = "") -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{more}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _record(kind: str, block: bytes) -> bytes:
    head = f"WARC/1.1\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:uuid:1>\r\nContent-Length: {len(block)}\r\n\r\n"
    return head.encode() + block + b"\r\n\r\n"


def seeds_in(folder: Path) -> Iterator[Path]:
    """The folders, one a seed, in a fixed order."""
    yield from sorted(path for path in folder.iterdir() if path.is_dir())
