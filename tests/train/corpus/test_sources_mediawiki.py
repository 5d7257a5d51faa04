"""MediaWiki dumps: which pages are articles, and wikitext without any markup."""

import bz2
import time
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

from lilm.train.corpus.sources import Bad, Identified
from lilm.train.corpus.sources.wikitext import plain_text
from tests.train.corpus.conftest import read, source

HEAD = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="ja">
  <siteinfo><sitename>Wikipedia</sitename><namespaces>
    <namespace key="0" case="first-letter" /><namespace key="6" case="first-letter">ファイル</namespace>
    <namespace key="14" case="first-letter">Category</namespace>
    <namespace key="-2" case="first-letter">メディア</namespace>
  </namespaces></siteinfo>
"""


def dump_page(text: str, title: str = "題", ns: int = 0, more: str = "") -> str:
    revision = f"<revision><id>1</id><text bytes='1' xml:space='preserve'>{escape(text)}</text></revision>"
    return f"<page><title>{title}</title><ns>{ns}</ns><id>1</id>{more}{revision}</page>\n"


def dump(*pages: str) -> bytes:
    return (HEAD + "".join(pages) + "</mediawiki>\n").encode()


PAGES = (
    dump_page("'''一'''の[[記事]]。"),
    dump_page("議論", ns=1),
    dump_page("#REDIRECT [[一]]", more="<redirect title='一' />"),
    dump_page("&lt;二&gt; & 三。[[ファイル:a.jpg|thumb|説明]][[メディア:b.ogg]]"),
    dump_page("{{stub}}"),
)


def test_of_a_page_with_its_history_the_newest_text_is_read(tmp_path: Path) -> None:
    older = "".join(f"<revision><id>{at}</id><text>{at}番目の版。</text></revision>" for at in (1, 2))
    (tmp_path / "history.xml").write_bytes(dump(dump_page("今の版。", more=older)))
    assert read(source(tmp_path / "history.xml", "mediawiki")) == ["今の版。"]


@pytest.mark.parametrize("name", ["a.xml", "a.xml.bz2"])
def test_articles_of_a_dump(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(bz2.compress(dump(*PAGES)) if name.endswith("2") else dump(*PAGES))
    assert read(source(tmp_path / name, "mediawiki")) == ["一の記事。", "<二> & 三。"]


def test_a_namespace_that_is_no_address_is_told_after_the_pages(tmp_path: Path) -> None:
    data = dump(*PAGES).replace(b"http://www.mediawiki", b"}[[File:a.png]] [https:/www.mediawiki")
    (tmp_path / "a.xml").write_bytes(data)
    *good, bad = read(source(tmp_path / "a.xml", "mediawiki"))
    assert good == ["一の記事。", "<二> & 三。"]
    assert isinstance(bad, Bad) and "not a valid URI" in bad.what


def test_articles_have_the_id_of_their_page(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(dump(*PAGES))
    items = read(source(tmp_path / "a.xml", "mediawiki"))
    assert [item.id for item in items if isinstance(item, Identified)] == ["1", "1"]
    assert not any(isinstance(item, Identified) for item in read(source(tmp_path / "a.xml", "mediawiki", id_field="")))


@pytest.mark.parametrize(
    ("data", "good", "what"),
    [
        (dump(*PAGES)[:-200], ["一の記事。"], "broken or cut short"),
        (bz2.compress(dump(*PAGES))[:-9], [], "broken or cut short"),
        (dump(PAGES[0], "<page><title></page>", PAGES[3]), ["一の記事。"], "broken or cut short"),
        (dump(PAGES[0], "<page>文</page>").replace("文".encode(), b"\xff"), ["一の記事。"], "broken or cut short"),
        (b'{"text": "a"}', [], "no MediaWiki dump"),
    ],
)
def test_damaged_dumps_are_read_up_to_the_break(tmp_path: Path, data: bytes, good: list[str], what: str) -> None:
    path = tmp_path / ("a.xml.bz2" if data.startswith(b"BZ") else "a.xml")
    path.write_bytes(data)
    *items, bad = read(source(path, "mediawiki"))
    assert items == good
    assert isinstance(bad, Bad) and what in bad.what and str(path) in bad.where


SAMPLE = """{{Otheruses|東京都の都市|その他}}
{{基礎情報 都市
| 都市名 = 仙台市
| 画像 = [[ファイル:Sendai.jpg|300px|仙台]]
| 説明 = {{Flagicon|JPN}} [[日本]]の[[都市]]
| 人口 = {{formatnum:1090000}}<ref>{{Cite web|url=http://example.com/|title=人口}}</ref>
}}
[[ファイル:Sendai.jpg|thumb|right|250px|左上：[[青葉城]]の[[石垣]]、右：[[定禅寺通]]]]
'''仙台市'''（せんだいし、{{lang-en-short|Sendai City}}）は、[[宮城県]]の[[都道府県庁所在地|県庁所在地]]である\
<ref name="a">『広辞苑』第六版。</ref><ref name="b" />。\
{{lang|en|City of Trees}}とも呼ばれる（{{要出典|date=2020年1月}}、）。

== 歴史 ==
<!-- これは
コメント -->
=== {{ruby|伊達|だて}}氏の時代 ===
{{読み仮名|伊達政宗|だて まさむね}}が[[1601年]]に[[仙台城|青葉城]]を築いた。{{ルビ|杜|もり}}の\
<ruby>都<rp>（</rp><rt>みやこ</rt><rp>）</rp></ruby>。面積は{{Convert|786.3|km2}}。\
{{仮リンク|広瀬川|en|Hirose River|label=広瀬}}。
* 箇条書き一
** ''入れ子''の{{nowrap|二}}
; 用語: 説明

{| class="wikitable"
|+ 表の題
! 年 !! 人口
|-
| 2000 || {| class="inner"
| 入れ子の表
|}
|}
本文の続き。
<gallery>
ファイル:A.jpg|説明A
</gallery>
<math>E = mc^2</math>水はH<sub>2</sub>O、&amp;と&lt;b&gt;と\
<nowiki>[[生のまま]]</nowiki>。<br />外部は[http://example.com/ 公式サイト]、[https://example.org/]をみよ。
<syntaxhighlight lang="python">
def f(): return {{1:2}}
</syntaxhighlight>
__NOTOC__-{zh-hans:汉;zh-hant:漢}-字 [[:Category:都市]]を参照。

== 統計 ==
{| class="wikitable"
| 数
|}
== 脚注 ==
{{Reflist}}
<references />
== 外部リンク ==
* [http://www.city.sendai.jp/ 仙台市]
=== 地図 ===
* [http://example.com/ 地図]
{{DEFAULTSORT:せんたいし}}
[[Category:仙台市|*]]
[[画像:x.png|thumb|説明]]
[[en:Sendai]]
"""
PLAIN = """仙台市（せんだいし、Sendai City）は、宮城県の県庁所在地である。City of Treesとも呼ばれる。

歴史

伊達氏の時代
伊達政宗（だて まさむね）が1601年に青葉城を築いた。杜の都。面積は786.3 km2。広瀬。
箇条書き一
入れ子の二
用語: 説明

本文の続き。

水はH2O、&と<b>と[[生のまま]]。
外部は公式サイト、をみよ。

汉字 Category:都市を参照。"""


def test_no_markup_is_left() -> None:
    assert plain_text(SAMPLE, frozenset(("ファイル", "画像", "category"))) == PLAIN


@pytest.mark.parametrize(
    ("wikitext", "expected"),
    [
        ("前{{閉じない|引数。\n後", "前閉じない|引数。\n後"),
        ("前[[閉じない。\n後[[リンク|見出し]]", "前閉じない。\n後見出し"),
        ("前\n{| 表\n| 中", "前"),
        ("前}}中]]後", "前中後"),
        ("<ref>閉じない[[注]]。本文<ref>注</ref>。", "閉じない注。本文。"),
        ("a < b かつ c > d、{x|y}、1|2", "a < b かつ c > d、{x|y}、1|2"),
        ("{{Cite|{{nested|{{deep}}}}}}後", "後"),
        ("[[File:a.jpg|{{small|[[b]]}}|c]]後", "後"),
        ("== 見出し ==\n=== 空 ===\n== 次 ==\n文", "次\n文"),
        ("'''''強調'''''の''斜体''と'引用'", "強調の斜体と'引用'"),
        ("<div class='x'>中</div><BR>下", "中\n下"),
        ("前。{{{{{1}}}}}中。{{{a|既定}}}後{{#if: {{{x|}}} | あ}}{{{b|{{small|小}}}}}", "前。中。既定後小"),
        ("10<sup>21</sup>kg、10<SUP class=x>−3</SUP>、2<sup>''n''</sup>、5<sup>th</sup>", "10²¹kg、10⁻³、2ⁿ、5th"),
        ("{{val|3.2|e=21|u=kg}}、{{val|12.5|u=km}}、{{val|1.5|0.2|e=-3}}", "3.2×10²¹ kg、12.5 km、(1.5±0.2)×10⁻³"),
        ("3{{e|6}}、m{{sup|2}}、{{10^|9}}", "3×10⁶、m²、10⁹"),
        ("== 見出し = a ==\n文\n=====", "見出し = a\n文"),
    ],
)
def test_markup_that_is_broken_or_rare(wikitext: str, expected: str) -> None:
    assert plain_text(wikitext, frozenset(("file",))) == expected


@pytest.mark.parametrize(
    "piece",
    ["<nowiki>", "{{", "[[", "{|", "\n{|", "[[}}", "{{a", "==", "==x\n", "=", "[http:", "-{a", "-{a:b;", "<ref>",
     "<sup>", "{{val|", "''", "__a", "（", "{{{", "<!--", "&#"],
)  # fmt: skip
def test_what_is_never_closed_takes_time_by_its_length(piece: str) -> None:
    text = piece * (40_000 if len(piece) > 1 else 200_000) + "x"
    for wikitext in (text, text + "}}" * 20_000, "{{a|" + " " * 20_000 + "|" + text + "}}"):
        started = time.process_time()
        plain_text(wikitext, frozenset())
        assert time.process_time() - started < 2
