"""`lilm finetune translate`, asked of a server whose every word is known, and of a tiny model: what is kept, what is
asked again, what is left out, and that nothing is asked twice."""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from lilm.cli.entry import make_app
from lilm.errors import LilmError
from lilm.progress import Reporter
from lilm.recipe import ChatSourceConfig
from lilm.train.finetune.sources import read_chats
from lilm.train.finetune.translate.pairs import read_pairs
from lilm.train.finetune.translate.run import Order, translate
from lilm.train.finetune.translate.summary import Summary
from tests.train.finetune.fake_translator import Fake, is_back, rightly, serving, text_of, to_kana

CODE = "```python\nfor number in range(10):  # count\n\n    print(number)\n```"
TALK = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "How do I count to 1,000 with `range`? See https://docs.python.org/3/library, please."},
    {"role": "assistant", "content": f"Like this:\n\n{CODE}\n\n- Ask ann@example.org\n- or read <b>chapter 12</b>"},
]
GAS = [
    {"role": "user", "content": "What are noble gases?"},
    {"role": "assistant", "content": "A noble gas hardly reacts with others."},
]
HOWLER = [
    {"role": "user", "content": "高貴なガスとは何ですか。"},
    {"role": "assistant", "content": "高貴なガスはほとんど反応しません。"},
]
TREE = {
    "message_tree_id": "t",
    "prompt": {
        "role": "prompter",
        "text": "Who reads books at home?",
        "replies": [{"role": "assistant", "text": "My sister does.", "replies": []}],
    },
}


@pytest.fixture
def fake() -> Iterator[Fake]:
    with serving() as server:
        yield server


def write(path: Path, *chats: Any, **more: Any) -> Path:
    records = [chat if isinstance(chat, dict) else {"messages": chat, **more} for chat in chats]
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def run(fake: Fake, dataset: Path, **options: Any) -> tuple[Summary, list[dict[str, Any]]]:
    out = options.pop("out", dataset.with_name("out.jsonl"))
    order = Order(str(dataset), out, url=fake.url, **options)
    summary = translate(order, None, Reporter(Console(quiet=True)))
    return summary, [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def test_code_addresses_numbers_and_turns_are_kept_and_the_words_are_not(fake: Fake, tmp_path: Path) -> None:
    summary, [record] = run(fake, write(tmp_path / "chats.jsonl", TALK))
    assert [message["role"] for message in record["messages"]] == ["system", "user", "assistant"]
    _, user, answer = (message["content"] for message in record["messages"])
    assert "`range`" in user and "https://docs.python.org/3/library" in user and "1,000" in user
    assert CODE in answer and "ann@example.org" in answer and "<b>" in answer and "</b>" in answer
    assert answer.startswith(to_kana("Like this:") + "\n\n```") and "12" in answer
    assert not any(word in user + answer for word in ("How", "please", "read", "chapter"))
    assert all("print(" not in prompt and "example.org" not in prompt for prompt in fake.asked)
    assert summary.counts()["translated"] == 1 and record["by"] == "translator"
    assert record["score"] > 0.7  # capitals alone are lost on the way back
    [chat] = read_chats(ChatSourceConfig(name="x", path=str(tmp_path / "out.jsonl")), "ja", 0)
    assert chat.messages == record["messages"]


def test_every_form_of_chats_is_translated(fake: Fake, tmp_path: Path) -> None:
    forms: list[Any] = [
        {"conversations": [{"from": "human", "value": "Who reads?"}, {"from": "gpt", "value": "My sister does."}]},
        {"instruction": "Say who", "input": "reads books.", "output": "My sister does."},
        TREE,
    ]
    for number, record in enumerate(forms):
        found = run(fake, write(tmp_path / f"{number}.jsonl", record), out=tmp_path / f"{number}.out")[1]
        assert found[0]["messages"][-1] == {"role": "assistant", "content": to_kana("My sister does.")}


def test_a_tree_that_has_both_languages_is_translated_from_the_original(fake: Fake, tmp_path: Path) -> None:
    rows = [
        {"message_id": "1", "parent_id": None, "role": "prompter", "text": "Who reads?", "text_ja": "誰が読むの。"},
        {"message_id": "2", "parent_id": "1", "role": "assistant", "text": "Ann does.", "ng_translation": "1"},
    ]
    rows[1]["text_ja"] = "Ann does."
    _, [record] = run(fake, write(tmp_path / "rows.jsonl", *rows))
    assert record["messages"][1]["content"] == to_kana("Ann does.")
    assert "誰が読むの。" in (tmp_path / "out.jsonl.html").read_text(encoding="utf-8")


def test_the_glossary_is_told_and_what_does_not_follow_it_is_asked_again(fake: Fake, tmp_path: Path) -> None:
    glossary = tmp_path / "terms.tsv"
    glossary.write_text("# ours\nnoble gas\t希ガス|貴ガス\nunused term\t無用\n", encoding="utf-8")

    def second_time(prompt: str) -> str:
        right = is_back(prompt) or "cannot be used" in prompt
        return rightly(prompt).replace(to_kana("noble gas"), "貴ガス") if right else rightly(prompt)

    fake.answer = second_time
    _, [record] = run(fake, write(tmp_path / "chats.jsonl", GAS), glossary=glossary, back=False)
    assert all("貴ガス" in message["content"] for message in record["messages"])
    assert all("noble gas = 希ガス" in prompt and "無用" not in prompt for prompt in fake.asked)
    assert [("noble gas is 希ガス" in prompt) for prompt in fake.asked].count(True) == 2
    assert json.loads((tmp_path / "out.jsonl.manifest.json").read_text())["glossary"]["terms"] == 2


def spoilt(how: str) -> Any:
    """Answers rightly but for texts with 1,000 in them."""
    ways = {
        "nothing was answered": lambda prompt: " ",
        "an echo of the text": text_of,
        "lost numbers": lambda prompt: rightly(prompt).replace("1,000", "たくさん"),
        "lost code, an address or a tag": lambda prompt: rightly(prompt).replace("<x1/>", ""),
        "another language": lambda prompt: (
            "Ich kann bis 1,000 zählen, wenn du mir sagst, wie man <x1/> und <x2/> nutzt."
        ),
        "an apology or refusal": lambda prompt: (
            "申し訳ありませんが、そのご質問の <x1/> と <x2/> 1000 にはお答えできません。"
        ),
        "odd length": lambda prompt: rightly(prompt) * 8,
        "a remark before the translation": lambda prompt: "以下が翻訳です：\n" + rightly(prompt),
        "a known mistranslation": lambda prompt: rightly(prompt) + "高貴なガス",
        "mixed scripts": lambda prompt: rightly(prompt) + "한국어",
    }
    return lambda prompt: ways[how](prompt) if "1,000" in prompt and not is_back(prompt) else rightly(prompt)


@pytest.mark.parametrize(
    "how",
    [
        "nothing was answered",
        "an echo of the text",
        "lost numbers",
        "lost code, an address or a tag",
        "another language",
        "an apology or refusal",
        "odd length",
        "a remark before the translation",
        "a known mistranslation",
        "mixed scripts",
    ],
)
def test_what_cannot_be_a_translation_is_asked_three_times_and_not_used(fake: Fake, tmp_path: Path, how: str) -> None:
    fake.answer = spoilt(how)
    summary, records = run(fake, write(tmp_path / "chats.jsonl", TALK, GAS), back=False)
    assert summary.counts()["failed"] == {how: 1} and summary.counts()["left_out"] == 1
    assert [record["number"] for record in records] == [2]
    spoilt_prompts = [body for body in fake.bodies if "1,000" in body["messages"][0]["content"]]
    assert [body["temperature"] for body in spoilt_prompts] == [0.0, 0.3, 0.6]
    assert "cannot be used" in spoilt_prompts[1]["messages"][0]["content"]


def test_a_chat_that_fails_keeps_its_old_translation_or_is_left_out(fake: Fake, tmp_path: Path) -> None:
    fake.answer = lambda prompt: "" if "hardly" in prompt else rightly(prompt)
    chats = [{"id": number, "messages": chat} for number, chat in enumerate((TALK, GAS))]
    old = [{"id": 1, "messages": HOWLER}, {"id": 7, "messages": HOWLER}]
    data, olds = write(tmp_path / "en.jsonl", *chats), write(tmp_path / "ja.jsonl", *old)
    summary, records = run(fake, data, old=str(olds), back=False)
    assert summary.counts() | {"score": None} == summary.counts()
    assert (summary.counts()["kept_old"], summary.counts()["left_out"]) == (1, 0)
    assert [record["by"] for record in records] == ["translator", "old"]
    assert records[1]["messages"] == HOWLER
    asked = len(fake.asked)
    summary, records = run(fake, data, old=str(olds), back=False, keep_old=False, force=True)
    assert [record["number"] for record in records] == [1] and summary.counts()["left_out"] == 1
    assert len(fake.asked) == asked


def test_without_ids_a_chat_s_old_translation_is_that_of_its_own_record(tmp_path: Path) -> None:
    def asked(text: str, answer: str = "Yes, it is.") -> list[dict[str, str]]:
        return [{"role": "user", "content": text}, {"role": "assistant", "content": answer}]

    empty = asked("nobody answers", "")  # left out, in each file another record
    here = write(tmp_path / "en.jsonl", empty, *(asked(text) for text in ("one", "two", "three")))
    there = write(tmp_path / "ja.jsonl", *(asked(text, "はい。") for text in ("〇", "一", "二")), empty)
    here, there = (ChatSourceConfig(name=path.stem, path=str(path)) for path in (here, there))
    read = read_pairs(here, there, "ja", "en").pairs
    assert [(pair.original[0]["content"], pair.old and pair.old[0]["content"]) for pair in read] == [
        ("one", "一"),
        ("two", "二"),
        ("three", None),
    ]


def test_sets_that_do_not_belong_together_are_refused(fake: Fake, tmp_path: Path) -> None:
    data = write(tmp_path / "en.jsonl", TALK, GAS)
    for old, why in (([HOWLER], "1 records for 2"), ([HOWLER * 2, TALK[:0] + HOWLER * 2], "none of its chats")):
        with pytest.raises(LilmError, match=why):
            run(fake, data, old=str(write(tmp_path / "ja.jsonl", *old)))
    assert not fake.asked


def test_the_page_shows_the_lowest_scores_first_and_text_is_text(fake: Fake, tmp_path: Path) -> None:
    evil = [
        {"role": "user", "content": "Is `<script>alert(1)</script>` a tag?"},
        {"role": "assistant", "content": "Yes & no"},
    ]
    fake.answer = lambda prompt: "something else" if is_back(prompt) and "きあて" in prompt else rightly(prompt)
    summary, _ = run(fake, write(tmp_path / "chats.jsonl", evil, GAS))
    assert [row.number for row in summary.lowest] == [2, 1]
    page = (tmp_path / "out.jsonl.html").read_text(encoding="utf-8")
    assert "<script" not in page and "&lt;script&gt;" in page and "something else" in page
    assert page.index("hardly reacts") < page.index("Yes &amp; no")
    assert "http" not in page.replace("http-equiv", "")


def test_below_the_least_score_a_chat_fails(fake: Fake, tmp_path: Path) -> None:
    fake.answer = lambda prompt: "zzz" if is_back(prompt) and "きあて" in prompt else rightly(prompt)
    summary, records = run(fake, write(tmp_path / "chats.jsonl", TALK, GAS), min_score=0.3)
    assert [record["number"] for record in records] == [1]
    assert summary.counts()["failed"] == {"translated back, it is another text": 1}


def test_chats_of_another_language_are_not_asked_for(fake: Fake, tmp_path: Path) -> None:
    summary, records = run(fake, write(tmp_path / "chats.jsonl", HOWLER, GAS), back=False)
    assert summary.counts()["failed"] == {"the chat is not in en": 1} and len(records) == 1
    assert len(fake.asked) == 2


def test_killed_at_any_moment_it_goes_on_and_ends_in_the_same_bytes(fake: Fake, tmp_path: Path) -> None:
    words = ["apple", "river", "stone", "cloud", "paper", "green", "music", "light"]
    chats = [
        [{"role": "user", "content": f"Who likes the {word}?"}, {"role": "assistant", "content": f"{word} fans do."}]
        for word in words
    ]
    data, whole, out = write(tmp_path / "chats.jsonl", *chats), tmp_path / "whole.jsonl", tmp_path / "out.jsonl"
    run(fake, data, out=whole, parallel=1)
    of_one_run = Counter(fake.asked)
    assert of_one_run.total() == 32 and set(of_one_run.values()) == {1}
    fake.asked.clear()
    fake.models = ("kana",)
    command = [sys.executable, "-m", "lilm", "finetune", "translate", str(data), "--out", str(out)]
    command += ["--url", fake.url, "--parallel", "1"]

    def slowly(prompt: str) -> str:
        time.sleep(0.05)
        return rightly(prompt)

    fake.answer = slowly
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=tmp_path) as process:
        while len(fake.asked) < 9 and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert not out.exists() and 9 <= len(fake.asked) < 32
    again = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert again.returncode == 0, again.stderr
    assert "of 8 chats are there already" in again.stderr
    more = Counter(fake.asked) - of_one_run
    assert more.total() <= 1  # the one whose answer was on its way
    assert Counter(fake.asked) - more == of_one_run
    for ending in ("", ".html", ".manifest.json"):
        assert out.with_name(out.name + ending).read_text("utf-8").replace("out.jsonl", "whole.jsonl") == (
            whole.with_name(whole.name + ending).read_text("utf-8")
        )


def test_with_another_glossary_only_what_it_touches_is_asked_for(fake: Fake, tmp_path: Path) -> None:
    data, glossary = write(tmp_path / "chats.jsonl", TALK, GAS), tmp_path / "terms.tsv"
    run(fake, data, back=False)
    fake.asked.clear()
    glossary.write_text(f"helpful\t{to_kana('helpful')}\n", encoding="utf-8")
    run(fake, data, back=False, glossary=glossary, force=True)
    assert fake.forward == ["You are a helpful assistant."]


@pytest.mark.parametrize(
    ("line", "why"),
    [("noble gas 希ガス", "no term"), ("gas\t", "no term"), ("gas\tガス|", "no term"), ("a\tb\tc", "no term")],
)
def test_a_broken_line_of_a_glossary_is_named(fake: Fake, tmp_path: Path, line: str, why: str) -> None:
    path = tmp_path / "terms.tsv"
    path.write_text(f"dry ice\tドライアイス\n{line}\n", encoding="utf-8")
    with pytest.raises(LilmError, match=f"line 2: {why}"):
        run(fake, write(tmp_path / "chats.jsonl", GAS), glossary=path)
    path.write_text("gas\tガス\nGas\t気体\n", encoding="utf-8")
    with pytest.raises(LilmError, match="line 2: 'Gas' stood there before"):
        run(fake, write(tmp_path / "chats.jsonl", GAS), glossary=path)


def test_a_translators_own_prompt_is_used(fake: Fake, tmp_path: Path) -> None:
    prompt = tmp_path / "prompt.txt"
    prompt.write_text("{source} to {target}: {text}\n", encoding="utf-8")
    fake.answer = lambda asked: to_kana(asked.split(": ", 1)[1])
    _, [record] = run(fake, write(tmp_path / "chats.jsonl", GAS), prompt=prompt, back=False)
    assert fake.asked[0] == "English to Japanese: What are noble gases?"
    assert record["messages"][0]["content"] == to_kana("What are noble gases?")
    prompt.write_text("Translate it.")
    with pytest.raises(LilmError, match=r"no \{text\} in it"):
        run(fake, tmp_path / "chats.jsonl", prompt=prompt, force=True)


def test_a_file_that_is_no_chat_set_is_refused_before_anything_is_asked(fake: Fake, tmp_path: Path) -> None:
    with pytest.raises(LilmError, match="chats in no form that LiLM knows"):
        run(fake, write(tmp_path / "chats.jsonl", {"title": "no chat"}))
    with pytest.raises(LilmError, match="no such file"):
        run(fake, tmp_path / "absent.jsonl")
    out = tmp_path / "out.jsonl"
    out.write_text("mine")
    with pytest.raises(LilmError, match="it is there already"):
        run(fake, write(tmp_path / "chats.jsonl", GAS))
    assert out.read_text() == "mine" and not fake.asked


def test_no_room_on_the_disk_is_said_first(fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write(tmp_path / "chats.jsonl", GAS)
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 100})())
    with pytest.raises(LilmError, match="no space: the translation needs"):
        run(fake, data)
    assert not fake.asked and {path.name for path in tmp_path.iterdir()} == {"chats.jsonl"}


def test_the_command_says_what_is_missing_in_one_line(tmp_path: Path) -> None:
    data = str(write(tmp_path / "chats.jsonl", GAS))
    out = ["--out", str(tmp_path / "out.jsonl")]
    url = ["--url", "http://127.0.0.1:9/v1"]
    for options, why in (
        ([], "no translator"),
        ([*url, "--api-key-env", "LILM_NO_SUCH_KEY"], "no variable LILM_NO_SUCH_KEY"),
        ([*url, "--language", "Japanese"], "is no language"),
        ([*url, "--language", "en"], "both languages are"),
        (["--model", str(tmp_path / "absent.gguf")], "no such file"),
        (["--url", "127.0.0.1:9"], "no address"),
        (["--url", "http://me:secret@127.0.0.1:9/v1"], "a password in an address"),
    ):
        result = CliRunner().invoke(make_app(), ["finetune", "translate", data, *out, *options])
        assert isinstance(result.exception, LilmError) and why in result.exception.line(), (options, result.exception)
        assert "secret" not in result.exception.line()
