"""The corpus report as a page: what a reader finds in it, and what cannot happen to him."""

import copy
import json
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest

from lilm.report.svg import COLOURS
from lilm.report.units import duration, percent, size, three_digits
from lilm.train.corpus.report.differences import differences
from lilm.train.corpus.report.page import FUNNELS, report_page

VOID = {"meta", "br"}
HOSTILE = "</p></svg><script>alert('1')</script><b onclick=\"x\">$\\frac{1}{$ & "

KEPT = "朝になると、村の子どもたちは川のそばへ集まって、昨日の続きを始めました。"
COPY = "朝になると、村の子どもたちは海のそばへ集まって、昨日の続きを始めました。"

REPORT: dict[str, Any] = {
    "languages": {
        "ja": {
            "train": {"documents": 31_234, "characters": 18_045_123, "bytes": 51_234_567},
            "heldout": {
                "documents": 637,
                "characters": 362_000,
                "bytes": 1_086_000,
                "lines_in_training": 0.0312,
                "30_grams_in_training": 0.00002,
            },
            "share": 0.7312,
            "weighted_share": 0.8123,
            "near_duplicates": {
                "clusters": 1_203,
                "copies": 2_201,
                "sizes": {"2": 1_100, "3": 90, "17": 12, "400": 1},
                "biggest": [
                    {
                        "kept": "web-00000007",
                        "size": 400,
                        "text": KEPT,
                        "copies": [{"id": "web-00000042", "text": COPY}],
                    }
                ],
            },
            "boilerplate_lines": {
                "lines": 41,
                "removed": 9_876,
                "bytes": 340_000,
                "samples": [{"text": "続きを読む", "documents": 512}],
            },
            "boilerplate_passages": {
                "removed": 1_234,
                "bytes": 450_000,
                "samples": [{"text": "無断で転載することはできません", "documents": 77}],
            },
            "score": {
                "edges": [5.0, 10.0, 20.0, 40.0, 80.0, 160.0],
                "counts": [12, 400, 900, 300, 25],
                "cut": 90.0,
                "buckets": [
                    {"documents": 800, "bytes": 900_000, "up_to": 24.3},
                    {"documents": 837, "bytes": 700_000, "up_to": 90.0},
                ],
            },
        },
        "en": {
            "train": {"documents": 5_412, "characters": 18_800_000, "bytes": 18_834_567},
            "heldout": {
                "documents": 110,
                "characters": 390_000,
                "bytes": 391_000,
                "lines_in_training": 0,
                "30_grams_in_training": 0,
            },
            "share": 0.2688,
            "weighted_share": 0.1877,
            "near_duplicates": {"clusters": 0, "copies": 0, "sizes": {}, "biggest": []},
            "boilerplate_lines": {"lines": 0, "removed": 0, "bytes": 0, "samples": []},
            "boilerplate_passages": {"removed": 0, "bytes": 0, "samples": []},
            "score": None,
        },
    },
    "sources": {
        "web": {
            "read": {"documents": 50_001, "bytes": 101_000_000},
            "normalised": {"documents": 52_345, "bytes": 99_100_000},
            "written": {"documents": 31_871, "bytes": 52_320_567},
        },
        "stories": {
            "read": {"documents": 5_522, "bytes": 19_225_567},
            "written": {"documents": 5_522, "bytes": 19_225_567},
        },
    },
    "drops": {
        "hiragana": {
            "documents": 321,
            "bytes": 654_321,
            "samples": [{"id": "web-00000003", "reason": "0.11 of the characters < 0.2", "text": "会社概要 電話番号"}],
        },
        "min_chars": {
            "documents": 4_321,
            "bytes": 87_654,
            "samples": [{"id": "web-00000001", "reason": "4 characters < 50", "text": "短い文。"}],
        },
    },
    "bad": {
        "web": {
            "records": 50_013,
            "bad": 12,
            "samples": [{"where": "web/part-3.jsonl.zst, line 17", "what": "no key 'text'"}],
        },
        "stories": {"records": 5_522, "bad": 0, "samples": []},
    },
    "contaminated": {"documents": 17, "files": {"eval/jsquad.json": 17}},
}
TIMING: dict[str, Any] = {
    "steps": {
        "read": {"seconds": 41.21, "mb": 120.2, "mb_s": 2.92},
        "near_deduplicate": {"seconds": 3.3, "mb": 80.0, "mb_s": 24.2},
    },
    "predicted": {"seconds": 151.0, "disk_bytes": 1_900_000_000, "memory_mb": 1_800},
    "actual": {"seconds": 139.2, "disk_bytes": 1_730_000_000, "memory_mb": 1_612.3},
}
NO_TIMING: dict[str, Any] = {"steps": {}, "predicted": None, "actual": None}


class Page(HTMLParser):
    """Tags in order, their attributes, and the text of the page; a tag that does not fit fails."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._open and self._open[-1] == "details" and self.tags[-1] == "details":
            assert tag == "summary"  # or there is nothing to press
        self.tags.append(tag)
        self.attributes.extend(attrs)
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.extend(attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def values(self, name: str) -> list[str]:
        return [value or "" for key, value in self.attributes if key == name]


def every_text(value: Any, change: Callable[[str], str], key: str = "") -> Any:
    """A copy in which what comes out of files is changed: texts, ids, reasons, file names, rules, sources."""
    if isinstance(value, dict):
        named = key in ("sources", "drops", "bad", "files")
        return {change(k) if named else k: every_text(v, change, k) for k, v in value.items()}
    if isinstance(value, list):
        return [every_text(item, change, key) for item in value]
    return change(value) if isinstance(value, str) else value


def test_the_figures_are_there() -> None:
    text = Page(report_page(REPORT, TIMING)).text
    for figure in ["70.1 MB", "36,646", "747", "59.5 %", "73.1 %", "18.8 %", "18,045,123", "3.12 %", "< 0.01 %"]:
        assert figure in text, figure
    for figure in ["52,345", "99.1 MB", "52.3 MB"]:  # a step of a source
        assert figure in text, figure
    assert text.index("4,321 · 87.7 kB") < text.index("321 · 654 kB")  # the rule that dropped most comes first
    for shown in ["4 characters < 50", "web-00000001", "短い文。", "0.11 of the characters < 0.2"]:
        assert shown in text
    assert "1,203 clusters of near duplicates; 2,201 copies were dropped" in text
    assert "41 boilerplate lines were taken out 9,876 times, 340 kB in all" in text
    assert "続きを読む in 512 documents" in text
    assert "1 24.3 800 900 kB 2 90.0 837 700 kB" in text  # the buckets
    assert "12 of 50,013" in text
    assert "web/part-3.jsonl.zst, line 17" in text
    assert "eval/jsquad.json" in text
    for figure in ["41.2 s", "2.92", "2:31", "2:19", "1.90 GB", "1.73 GB", "1.80 GB", "1.61 GB"]:
        assert figure in text, figure


def test_a_drop_names_its_key_and_marks_what_was_counted() -> None:
    report = copy.deepcopy(REPORT)
    report["drops"]["katakana"] = {
        "documents": 1_234,
        "bytes": 5,
        "key": "corpus.rules.max_katakana",
        "limit": 0.5,
        "kept_by": {"0.55": 700, "0.625": 1_200},
        "samples": [{"id": "a", "reason": "0.6 > 0.5", "text": "<b>テスト</b>です", "marks": [[3, 6], [9, 400]]}],
    }
    page = report_page(report, TIMING)
    assert "&lt;b&gt;<mark>テスト</mark>&lt;/b" in page
    said = (
        "The recipe's corpus.rules.max_katakana is 0.5. Of these 1,234 documents 0.55 would keep 700, 0.625 would keep"
    )
    assert said in Page(page).text


def test_copies_stand_beside_what_was_kept_and_show_where_they_differ() -> None:
    page = report_page(REPORT, TIMING)
    assert f'<p dir="auto">{KEPT}</p>' in page
    assert "子どもたちは<del>川</del><ins>海</ins>のそばへ" in page


def test_page_stands_alone() -> None:
    html = report_page(REPORT, TIMING)
    page = Page(html)
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    links = page.values("href") + page.values("xlink:href")
    used = links + [f"#{name}" for name in re.findall(r"url\(#([^)]*)\)", html)]
    assert used
    assert {name.removeprefix("#") for name in used} <= set(ids)
    assert not page.values("src")
    assert "script" not in page.tags
    assert "prefers-color-scheme: dark" in html
    assert "#010203" not in html  # the charts' ink is the page's
    assert page.tags.count("svg") == 4  # two sources, one language scored, one with duplicates
    assert not re.search(r"[^-]width: *\d+(px|rem|em)", html)  # a phone is narrow


def test_text_of_files_is_text() -> None:
    harmless = every_text(REPORT, lambda text: "x" + text)
    hostile = every_text(REPORT, lambda text: HOSTILE + text)
    page = Page(report_page(hostile, TIMING))
    assert page.tags == Page(report_page(harmless, TIMING)).tags
    for text in [
        "web",
        "min_chars",
        "web-00000001",
        "4 characters < 50",
        "短い文。",
        "no key 'text'",
        "eval/jsquad.json",
    ]:
        assert " ".join((HOSTILE + text).split()) in page.text
    assert not page.values("onclick")


def test_control_characters_are_shown_and_the_page_is_utf_8() -> None:
    report = copy.deepcopy(REPORT)
    report["bad"]["web"]["samples"] = [{"where": "caf\udce9.txt", "what": "NUL \x00 and escape \x1b in it"}]
    text = Page(report_page(report, TIMING).encode().decode()).text
    assert "caf\ufffd.txt" in text
    assert "NUL ␀ and escape ␛ in it" in text


def test_nothing_dropped_scored_or_twice() -> None:
    report = copy.deepcopy(REPORT)
    del report["languages"]["ja"]
    report |= {"drops": {}, "bad": {}, "contaminated": {"documents": 0, "files": {}}, "sources": {}}
    page = Page(report_page(report, NO_TIMING))
    for said in ["Nothing was dropped", "No document was scored", "No near duplicates", "All that was read was whole"]:
        assert said in page.text
    assert "svg" not in page.tags
    assert "evaluation" not in page.text
    assert "predicted" not in page.text
    assert "spent" not in page.text


def test_a_source_of_no_bytes_and_a_rule_without_samples() -> None:
    report = copy.deepcopy(REPORT)
    report["sources"] = {"empty": {"read": {"documents": 0, "bytes": 0}, "written": {"documents": 0, "bytes": 0}}}
    report["drops"] = {"min_chars": {"documents": 0, "bytes": 0, "samples": []}}
    report["bad"] = {"empty": {"records": 0, "bad": 1, "samples": []}}
    report["languages"]["ja"]["score"]["counts"] = [0] * 5
    assert Page(report_page(report, NO_TIMING)).tags.count("svg") == 3


def test_tokens_where_they_are_known() -> None:
    assert "a token" not in Page(report_page(REPORT, TIMING)).text
    tokens = {"ja": {"tokens": 9_812_345, "characters_per_token": 1.8391, "bytes_per_token": 5.2214}}
    text = Page(report_page(REPORT | {"tokens": tokens}, TIMING)).text
    for figure in ["9,812,345", "1.839", "5.221"]:
        assert figure in text


def test_of_many_sources_the_largest_are_drawn_and_all_are_listed() -> None:
    sources = {
        f"source-{number:02d}": {"read": {"documents": 1, "bytes": 1_000 + number}} for number in range(FUNNELS + 3)
    }
    html = report_page(REPORT | {"sources": sources}, TIMING)
    drawn = re.findall(r"<figcaption>(source-\d\d)</figcaption>", html)
    assert sorted(drawn) == sorted(sources)[3:]
    assert f"the {FUNNELS} largest of {FUNNELS + 3} sources" in Page(html).text
    assert all(f">{source}</th>" in html for source in sources)


@pytest.mark.parametrize(("cut", "shown"), [(None, False), (90.0, True), (200.0, True)])
def test_the_cut_is_drawn(cut: float | None, shown: bool) -> None:
    report = copy.deepcopy(REPORT)
    report["sources"] = {}
    report["languages"]["ja"]["score"]["cut"] = cut
    html = report_page(report, TIMING)
    chart = html[html.index("<svg") : html.index("</svg>")]
    assert (COLOURS[1] in chart) == shown
    assert (f"cut at {three_digits(cut or 0)}" in chart) == shown


def test_the_same_bytes_in_another_process() -> None:
    code = (
        "import json, sys; from lilm.train.corpus.report.page import report_page;"
        "sys.stdout.buffer.write(report_page(*json.load(sys.stdin)).encode())"
    )
    made = [
        subprocess.run(
            [sys.executable, "-c", code],
            input=json.dumps([REPORT, TIMING]).encode(),
            capture_output=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    ]
    assert made[0] == made[1] == report_page(REPORT, TIMING).encode()


@pytest.mark.parametrize(
    ("kept", "copied", "pieces"),
    [
        ("abc", "abc", [("", "abc")]),
        ("abcd", "aXcd", [("", "a"), ("del", "b"), ("ins", "X"), ("", "cd")]),
        ("abcd", "acd", [("", "a"), ("del", "b"), ("", "cd")]),
        ("abcd", "ab", [("", "ab")]),  # cut earlier
        ("ab", "abcd", [("", "ab"), ("", "cd")]),
        ("ab", "xy", [("del", "ab"), ("ins", "xy")]),
        ("", "", []),
    ],
)
def test_differences(kept: str, copied: str, pieces: list[tuple[str, str]]) -> None:
    assert differences(kept, copied) == pieces


def test_figures_in_words() -> None:
    assert [size(n) for n in (0, 999, 1_000, 999_499, 999_500, 1_234_567, 4.2e10, 5.3e12)] == [
        *("0 B", "999 B", "1.00 kB", "999 kB", "1.00 MB", "1.23 MB", "42.0 GB", "5.30 TB")
    ]
    assert [percent(share) for share in (0, 0.00001, 0.0123, 0.5, 1, 1.5)] == [
        *("0 %", "< 0.01 %", "1.23 %", "50.0 %", "100 %", "150 %")
    ]
    assert [duration(seconds) for seconds in (0.012, 7.25, 59.9, 75, 4000)] == [
        *("0.01 s", "7.25 s", "59.9 s", "1:15", "1:06:40")
    ]
