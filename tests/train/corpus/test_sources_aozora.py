"""Aozora Bunko's format: header, colophon, ruby, notes and gaiji."""

from pathlib import Path

import pytest

from lilm.train.corpus.sources import Bad, Skip
from lilm.train.corpus.sources.aozora import clean, parts
from tests.train.corpus.conftest import read, source

LINE = "-" * 55


def aozora(header: str = "", body: str = "　本文《ほんぶん》だ。", colophon: str = "底本：「全集」") -> str:
    return (
        f"題\n作者\n\n{LINE}\n【テキスト中に現れる記号について】\n{header}\n{LINE}\n\n{body}\n\n\n{colophon}\n入力：某"
    )


def test_aozora_header_and_colophon_go(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(aozora().replace("\n", "\r\n").encode("cp932"))
    assert [str(item).strip() for item in read(source(tmp_path / "a.txt", "aozora"))] == ["本文だ。"]


def test_aozora_without_a_header_block() -> None:
    assert parts("題\n作者\n\n\n本文。\n底本：全集")[1].strip() == "本文。"


@pytest.mark.parametrize(
    "text",
    [
        "　一つ目の段落だ。\n　二つ目だ。\n\n　三つ目だ。",
        "「はい。」と言った。\n\n　それから帰った。",
        f"　始めの段落だ。\n{LINE}\n　場面が変わる。\n{LINE}\n　終わり。",
        "\n".join(f"短い{number}行" for number in range(30)) + "\n\n　終わり。",
    ],
)
def test_aozora_text_that_begins_at_once_is_kept_whole(text: str) -> None:
    assert parts(text)[:2] == ("", text)


def test_aozora_work_that_speaks_of_its_source() -> None:
    body = "底本：という言葉\n本文。"
    assert parts(aozora(body=body))[1].strip() == body


@pytest.mark.parametrize("place", ["header", "colophon"])
def test_aozora_copyright_is_respected(tmp_path: Path, place: str) -> None:
    note = "＊著作権存続中の作品です。"
    text = aozora(header=note) if place == "header" else aozora(colophon=f"底本：全集\n{note}")
    (tmp_path / "a.txt").write_bytes(text.encode("cp932"))
    (item,) = read(source(tmp_path / "a.txt", "aozora"))
    assert isinstance(item, Skip) and item.rule == "copyright"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("昔｜紅海《こうかい》の底", "昔紅海の底"),
        ("大日※［＃「靈」の「巫」に代えて「女」、第3水準1-47-53］貴《おおひるめむち》", "大日孁貴"),
        ("※［＃「てへん＋発」、129-上段-3］", "〓"),
        ("※［＃「さんずい＋奄」、U+6DFC、103-5］", "\u6dfc"),
        ("※［＃始め二重山括弧、1-1-52］笑※［＃終わり二重山括弧、1-1-53］", "《笑》"),
        ("※［＃字、U+110000、1］と※［＃字、U+D800、1］と※［＃字、U+020BB7、1］", "〓と〓と𠮷"),
        ("傍点［＃「傍点」に傍点、［＃中の注］も］だ", "傍点だ"),
        ("［＃ここから２字下げ］\n歌\n［＃ここで字下げ終わり］\n後", "歌\n後"),
        ("いろ／＼とさま／″＼", "いろ〳〵とさま〴〵"),
        ("〔fiance'〕と〔l'hu^tre qu'il a〕と〔一〕", "fiancéとl'hûtre qu'il aと〔一〕"),
    ],
)
def test_aozora_notation(raw: str, expected: str) -> None:
    assert clean(raw) == expected


def test_broken_bytes_are_named(tmp_path: Path) -> None:
    data = aozora().encode("cp932")
    (tmp_path / "a.txt").write_bytes(data + b"\xff")
    (bad,) = read(source(tmp_path / "a.txt", "aozora"))
    assert isinstance(bad, Bad) and bad.where == f"{tmp_path / 'a.txt'}@{len(data)}"


def test_real_works_have_no_markup_left(shared_data: Path) -> None:
    works = read(source(f"{shared_data}/ja_text/aozora/**/*.txt", "aozora", limit=50))
    assert len(works) == 50 and all(isinstance(work, str) and len(work) > 100 for work in works)
    assert not any(mark in str(work) for work in works for mark in ("《", "［＃", "｜", "底本：", "-----"))
