"""Servers that translate: keys, names, those that are busy, gone or no translator; LiLM's own, with a tiny model."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lilm.demo.api.serve import api_server
from lilm.errors import LilmError
from lilm.llamacpp.pool import ChatPool
from lilm.progress import Reporter
from lilm.recipe import SamplingConfig
from lilm.train.finetune.translate import address
from lilm.train.finetune.translate.run import Order, translate
from lilm.train.finetune.translate.summary import Summary
from tests.demo.conftest import write_chat_gguf
from tests.train.finetune.fake_translator import Fake, rightly, serving, to_kana

KEY = "LILM_TEST_KEY"
ERROR = {"error": {"message": "what the server says"}}


@pytest.fixture
def fake() -> Iterator[Fake]:
    with serving() as server:
        yield server


@pytest.fixture
def chats(tmp_path: Path) -> Path:
    """12 of them, with other words each."""
    path = tmp_path / "chats.jsonl"
    turns = (("user", "Who saw number {} today?"), ("assistant", "Nobody knows {} of them."))
    records = [
        {"messages": [{"role": role, "content": text.format(number)} for role, text in turns]}
        for number in range(20, 32)
    ]
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that a translator would have waited, which it does not."""
    found: list[float] = []
    wait = address.AddressTranslator._wait

    def noted(self: address.AddressTranslator, seconds: float) -> None:
        found.append(seconds)
        wait(self, 0.0)

    monkeypatch.setattr(address.AddressTranslator, "_wait", noted)
    return found


def run(url: str, chats: Path, **options: Any) -> Summary:
    order = Order(str(chats), chats.with_name("out.jsonl"), url=url, back=False, **options)
    return translate(order, None, Reporter(Console(quiet=True)))


def first_times(count: int, answer: Any) -> Callable[[str], Any]:
    """The answer for the first `count` requests; after that right ones."""
    left = [count]

    def answering(prompt: str) -> Any:
        left[0] -= 1
        return answer if left[0] >= 0 else rightly(prompt)

    return answering


def test_the_key_is_sent_and_written_nowhere(fake: Fake, chats: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "very-secret")
    assert run(fake.url, chats, api_key_env=KEY).translated == 12
    assert set(fake.keys) == {"Bearer very-secret"}
    assert all(b"very-secret" not in path.read_bytes() for path in chats.parent.iterdir())


def test_the_only_model_is_taken_and_of_several_one_must_be_named(fake: Fake, chats: Path) -> None:
    run(fake.url, chats, limit=1)
    assert {body["model"] for body in fake.bodies} == {"kana"}
    fake.models = ("kana", "romaji")
    with pytest.raises(LilmError, match=r"2 models \(kana, romaji\)"):
        run(fake.url, chats, force=True)
    run(fake.url, chats, force=True, model="romaji")
    assert fake.bodies[-1]["model"] == "romaji"


def test_several_are_asked_at_once(fake: Fake, chats: Path) -> None:
    together = threading.Barrier(3)
    fake.before = lambda: together.wait(timeout=20)  # answers none of three before all are there
    assert run(fake.url, chats, parallel=3).translated == 12


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again_after_longer_and_longer(
    fake: Fake, chats: Path, waits: list[float], status: int
) -> None:
    fake.answer = first_times(3, (status, {}, ERROR))
    assert run(fake.url, chats, parallel=1).translated == 12
    assert waits == [1.0, 2.0, 4.0] and len(fake.asked) == 24 + 3


def test_what_a_server_asks_to_wait_is_waited(fake: Fake, chats: Path, waits: list[float]) -> None:
    fake.answer = first_times(1, (429, {"Retry-After": "7"}, ERROR))
    run(fake.url, chats, parallel=1)
    assert waits == [7.0]
    waits.clear()
    fake.answer = first_times(1, (429, {"Retry-After": formatdate(usegmt=True)}, ERROR))
    run(fake.url, chats, model="other", parallel=1, force=True)
    assert waits == [0.0]


def test_the_wait_is_real(fake: Fake, chats: Path) -> None:
    at: list[float] = []
    answer = first_times(1, (429, {"Retry-After": "1"}, ERROR))

    def timed(prompt: str) -> Any:
        at.append(time.monotonic())
        return answer(prompt)

    fake.answer = timed
    run(fake.url, chats, parallel=1, limit=1)
    assert at[1] - at[0] >= 1.0


@pytest.mark.parametrize(
    ("answer", "why", "asked"),
    [
        ((401, {}, ERROR), "takes no such key .401: what the server says", 1),
        ((404, {}, ERROR), "no such address or model", 1),
        ((301, {"Location": "http://127.0.0.1:9/"}, ERROR), "it answers 301", 1),
        ((200, {}, b"<html>hello</html>"), "no answer as OpenAI's API gives it", 1),
        ((200, {}, {"choices": []}), "no answer as OpenAI's API gives it", 1),
        ((200, {}, {"choices": [{"message": {"content": [1]}}]}), "no answer as OpenAI's API gives it", 1),
        ((200, {}, b"[" * 9_000_000), "an answer of more than", 1),
        ((503, {}, ERROR), "busy or gone at each try .503: what the server says", 8),
        ((429, {"Retry-After": "86400"}, ERROR), "asks to wait for 86400 seconds", 1),
        ((429, {}, {"error": {"message": "no money", "code": "insufficient_quota"}}), "it answers 429: no money", 1),
    ],
)
def test_a_server_that_does_not_answer_ends_the_work_in_one_line(
    fake: Fake, chats: Path, waits: list[float], answer: Any, why: str, asked: int
) -> None:
    fake.answer = lambda prompt: answer
    with pytest.raises(LilmError, match=why) as raised:
        run(fake.url, chats, parallel=1)
    assert len(fake.asked) == asked and "\n" not in raised.value.line()
    assert not chats.with_name("out.jsonl").exists()


def test_where_nothing_answers_is_said_at_once(chats: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for model in ("", "named"):
        with pytest.raises(LilmError, match="nothing answers there"):
            run(f"http://127.0.0.1:{port}/v1", chats, model=model)


def test_what_was_answered_before_a_server_went_is_not_asked_again(fake: Fake, chats: Path, waits: list[float]) -> None:
    before = [15]

    def goes(prompt: str) -> Any:
        before[0] -= 1
        return rightly(prompt) if before[0] >= 0 else (500, {}, ERROR)

    fake.answer = goes
    with pytest.raises(LilmError, match="goes on where it stopped"):
        run(fake.url, chats, parallel=1)
    answered = set(fake.asked[:15])
    fake.asked.clear()
    fake.answer = rightly
    assert run(fake.url, chats, parallel=1).translated == 12
    assert len(fake.asked) == 9 and not answered & set(fake.asked)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("", "10 × nothing was answered"),
        ("I am afraid that nobody can be told what this sentence means.", "10 × another language: en"),
        ((400, {}, ERROR), "10 × the translator refuses the text: 400: what the server says"),
    ],
)
def test_a_translator_that_is_none_is_told_after_ten_chats(fake: Fake, chats: Path, answer: Any, why: str) -> None:
    fake.answer = lambda prompt: answer
    with pytest.raises(LilmError) as raised:
        run(fake.url, chats, parallel=1)
    assert "none of the first 10 chats" in raised.value.line() and why in raised.value.line()
    assert len(fake.asked) <= 30 and not chats.with_name("out.jsonl").exists()
    page = chats.with_name("out.jsonl.html")
    assert str(page) in raised.value.line()
    shown = page.read_text(encoding="utf-8")
    assert "Who saw number 20 today?" in shown and "0 of 10 chats" in shown and "most doubtful" not in shown
    assert not isinstance(answer, str) or answer in shown


def test_a_text_that_is_refused_once_is_asked_again_by_the_next_run(fake: Fake, chats: Path) -> None:
    fake.answer = lambda prompt: (413, {}, ERROR) if "number 25" in prompt else rightly(prompt)
    assert run(fake.url, chats).counts()["failed"] == {"the translator refuses the text": 1}
    fake.asked.clear()
    fake.answer = rightly
    assert run(fake.url, chats, force=True).translated == 12
    assert fake.forward == ["Who saw number 25 today?", "Nobody knows 25 of them."]


def test_an_answer_that_breaks_off_is_no_translation(fake: Fake, chats: Path) -> None:
    fake.finish = "length"
    with pytest.raises(LilmError, match="10 × the translation breaks off"):
        run(fake.url, chats)


def test_what_a_model_thought_is_no_part_of_its_answer(fake: Fake, chats: Path) -> None:
    fake.answer = lambda prompt: f"<think>\nThe user wants {prompt}</think>\n\n{rightly(prompt)}"
    run(fake.url, chats, limit=1)
    [record] = [json.loads(line) for line in chats.with_name("out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert record["messages"][0]["content"] == to_kana("Who saw number 20 today?")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model, which translates nothing."""
    return write_chat_gguf(tmp_path_factory.mktemp("tiny"), hidden=64, layers=2, n_ctx=512)


def test_lilms_own_server_is_asked_as_any_other(tiny: Path, chats: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lilm.train.finetune.translate.chat.TRIES", 1)
    served = api_server(tiny, SamplingConfig(), threads=1)
    with served as server, server.in_background() as url, pytest.raises(LilmError, match="none of the first 10 chats"):
        run(f"{url}v1", chats)


def test_a_gguf_file_is_asked_and_nothing_twice(tiny: Path, chats: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lilm.train.finetune.translate.chat.TRIES", 1)
    order = Order(str(chats), chats.with_name("out.jsonl"), model=str(tiny), back=False, limit=10)
    for why in ("it translated none of the first 10 chats", "it translated none of 10 chats"):
        with pytest.raises(LilmError, match=f"model-f16.gguf: {why}"):
            translate(order, None, Reporter(Console(quiet=True)))
        monkeypatch.setattr(ChatPool, "write", None)
