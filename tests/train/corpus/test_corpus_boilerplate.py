"""Lines of a web page that are no text go, and its text stays."""

from pathlib import Path

import pytest
from lxml import html

from lilm.recipe import RulesConfig
from lilm.train.corpus.normalise import normalise
from lilm.train.corpus.rules import without_boilerplate
from lilm.train.corpus.sources.html import main_text

RULES = RulesConfig()
BEFORE = "朝になると、村の子どもたちは川のそばへ集まって、昨日の続きを始めました。"
AFTER = "夕方には、その上を一匹の犬がゆっくりと渡って、みんなが手をたたいて笑いました。"


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("counter", "12件のコメント"),
        ("counter", "コメント数: 3"),
        ("counter", "いいね！ 1,024"),
        ("counter", "3.4k views"),
        ("more", "続きを読む"),
        ("more", "この小説の全文を読む"),
        ("more", "もっと見る »"),
        ("more", "Read more..."),
        ("share", "Twitterでシェアする"),
        ("share", "この記事をシェア"),
        ("share", "Share this on Facebook"),
        ("cookies", "当サイトではCookieを使用しています。閲覧を続けると使用に同意したことになります。"),
        ("cookies", "We use cookies to improve your experience. Accept all."),
        ("place", "トップページ"),
        ("place", "« 前の記事へ"),
        ("place", "プライバシーポリシー"),
        ("place", "Skip to main content"),
        ("rights", "Copyright (C) 2024 村の新聞 All Rights Reserved."),
        ("path", "ホーム > 村の暮らし > 川のほとり"),
        ("path", "会社概要 | 採用情報 | アクセス"),
        ("byline", "投稿日: 2024年10月1日"),
        ("number", "1 2 3 … 10"),
    ],
)
def test_lines_that_are_no_text_go(kind: str, line: str) -> None:
    cleaned = without_boilerplate(f"{BEFORE}\n{line}\n{AFTER}", RULES)
    assert cleaned.text == f"{BEFORE}\n{AFTER}"
    assert [(removed.number, removed.kind, removed.line) for removed in cleaned.removed] == [(2, kind, line)]


@pytest.mark.parametrize(
    "line",
    [
        "第一章 川のほとりで",
        "うん。",
        "「続きを読むのは明日にしよう」",
        "彼はその記事の続きを読むために、もう一度図書館へ出かけた。",
        "会議では12件のコメントが寄せられ、そのうち3件が採用された。",
        "ホームに電車が入ってきた。",
        "クッキーを焼いた。",
        "広告というものは、いつの時代にもあった。",
        "×",
        "He would not share this with anyone, not even with her.",
    ],
)
def test_text_stays(line: str) -> None:
    text = f"{BEFORE}\n{line}\n{AFTER}"
    assert without_boilerplate(text, RULES).text == text


def test_menus_go_whatever_stands_in_them() -> None:
    menu = "はじめに\n1.\n所有権とは？\n\n標準出力ではなく標準エラーに書き込む\nHello, World!\n1.1.\nインストール"
    cleaned = without_boilerplate(f"{menu}\n{BEFORE}\n\n{menu}\n\n{AFTER}\n{menu}", RULES)
    assert cleaned.text == f"{BEFORE}\n\n{AFTER}"
    assert {removed.kind for removed in cleaned.removed} == {"menu", "number"}


def test_short_lists_and_talk_stay() -> None:
    listed = f"{BEFORE}\nりんご\nみかん\nぶどう\n{AFTER}"
    assert without_boilerplate(listed, RULES).text == listed
    talk = "\n".join(["「はい」", "「いいえ」", "「なぜ？」", "「わかりません」", "「そうですか」"])
    assert without_boilerplate(talk, RULES).text == talk


def test_the_recipe_says_what_a_menu_is() -> None:
    text = "\n".join(["ホタルの光", "窓の雪", "ふみよむ月日", "重ねつつ", "いつしか年も", BEFORE])
    assert without_boilerplate(text, RULES).text == BEFORE
    assert without_boilerplate(text, RulesConfig(menu_lines=0)).text == text
    assert without_boilerplate(text, RulesConfig(menu_lines=6)).text == text
    assert without_boilerplate(text, RulesConfig(menu_chars=4)).text == text


def test_a_page_of_nothing_else_is_empty() -> None:
    assert without_boilerplate("ログイン\n新規登録", RULES).text == ""
    assert without_boilerplate("", RULES).removed == ()


def test_no_navigation_and_no_code_of_real_pages(shared_data: Path) -> None:
    """mdBook's sidebar titles (as lines, but for the page's own headings); lines of <pre> that no prose quotes."""
    pages = sorted((shared_data / "web_html" / "rust_book_ja").glob("*.html"))
    leaking, lost, sentences = [], 0, 0
    for path in pages:
        page = path.read_text(encoding="utf-8")
        tree = html.document_fromstring(page.encode(), parser=html.HTMLParser(encoding="utf-8"))
        titles = {_plain(link) for link in tree.xpath("//nav[@id='sidebar']//a")}
        code = {line for pre in tree.xpath("//main//pre") for line in _plain(pre).split("\n") if len(line) >= 10}
        for pre in tree.xpath("//main//pre"):
            pre.drop_tree()
        prose = _plain(tree.xpath("//main")[0])
        text = without_boilerplate(normalise(main_text(page), "ja", "、。"), RULES).text
        navigation = (titles - set(prose.split("\n"))) & set(text.split("\n"))
        if navigation or any(line in text for line in code if line not in prose):
            leaking.append((path.name, navigation))
        whole = [line for line in prose.split("\n") if len(line) > 30 and line.endswith("。")]
        lost += sum("".join(line.split()) not in "".join(text.split()) for line in whole)
        sentences += len(whole)
    assert len(leaking) <= 0.05 * len(pages), leaking
    assert lost <= 0.02 * sentences


def _plain(element: html.HtmlElement) -> str:
    text = normalise(element.text_content(), "ja", "、。")
    return "\n".join(line.strip().lstrip("0123456789. ") for line in text.split("\n"))
