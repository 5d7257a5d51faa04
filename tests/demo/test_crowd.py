"""Twenty visitors of one Gradio chat at once, eight of whom break the rules: every other gets the own answer, whole.

LILM_CROWD_SECONDS makes it longer; `pytest --log-cli-level=INFO` shows the figures.
"""

import itertools
import json
import logging
import os
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from gradio_client import Client

from lilm.demo.chat import launch
from lilm.demo.chat_turns import plain
from lilm.llamacpp.chat import ChatEngine
from lilm.recipe import SamplingConfig

SECONDS = float(os.environ.get("LILM_CROWD_SECONDS", "10"))
HONEST, FAULTY = 12, 8
GREEDY = (0, 0.95, 40, 0.05, 1.1)  # as the page's sliders send it
N_PREDICT = 24
PATIENCE = 120  # seconds for one answer of a busy machine
LOG = logging.getLogger(__name__)
FREED = 1.0  # seconds, after a visitor has left


def asks(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "text", "text": text}]}]


class Raw:
    """The protocol of Gradio's page without Gradio's manners."""

    def __init__(self, url: str) -> None:
        fresh = httpx.Limits(max_keepalive_connections=0)  # the server closes an idle connection just as it is used
        self.http = httpx.Client(base_url=url + "gradio_api/", timeout=PATIENCE, limits=fresh)
        functions = httpx.get(url + "config", timeout=PATIENCE).json()["dependencies"]
        self.answer = next(one["id"] for one in functions if one["api_name"] == "answer")

    def join(self, history: Any, session: str, n_predict: Any = N_PREDICT, **body: Any) -> httpx.Response:
        asked = {"data": [history, *GREEDY, n_predict, ""], "fn_index": self.answer, "session_hash": session, **body}
        return self.http.post("queue/join", content=json.dumps(asked), headers={"Content-Type": "application/json"})

    def events(self, session: str) -> Iterator[dict[str, Any]]:
        with self.http.stream("GET", "queue/data", params={"session_hash": session}) as stream:
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    yield json.loads(line.removeprefix("data: "))

    def result(self, session: str) -> dict[str, Any]:
        """The event with the whole answer, or with the error."""
        until = time.monotonic() + PATIENCE
        for event in self.events(session):
            if event["msg"] == "process_completed":
                return event
            if time.monotonic() > until:
                break
        raise AssertionError("no answer and no error came")

    def ask(self, text: str, n_predict: int = N_PREDICT) -> dict[str, Any]:
        session = uuid.uuid4().hex
        assert self.join(asks(text), session, n_predict).status_code == 200
        return self.result(session)

    def leave_in_an_answer(self, n_predict: int) -> None:
        session = uuid.uuid4().hex
        self.join(asks("The cat"), session, n_predict)
        events = self.events(session)
        next(event for event in events if event["msg"] in ("process_generating", "process_completed"))
        events.close()  # type: ignore[attr-defined]


def half_letters(raw: Raw) -> None:
    assert raw.ask("\ud800 The cat \udc00")["success"]


def a_huge_message(raw: Raw) -> None:
    assert not raw.ask("x" * 1_000_000)["success"]


def an_unknown_function(raw: Raw) -> None:
    assert raw.join(asks("The cat"), uuid.uuid4().hex, fn_index=999).status_code >= 400


def a_visitor_who_leaves(raw: Raw) -> None:
    raw.leave_in_an_answer(200)


def a_visitor_who_never_listens(raw: Raw) -> None:
    assert raw.join(asks("The cat"), uuid.uuid4().hex).status_code == 200


def malformed_bodies(raw: Raw) -> None:
    for body in (b'{"data": [', b"\xff\xfe", b"[]", b"null"):
        response = raw.http.post("queue/join", content=body, headers={"Content-Type": "application/json"})
        assert response.status_code == 422


def wrong_values(raw: Raw) -> None:
    for history, n_predict in (("text", 16), (asks("a"), "many"), (asks("a"), None), ([{"role": "x"}], 16), (None, 16)):
        session = uuid.uuid4().hex
        if raw.join(history, session, n_predict).status_code == 200:
            raw.result(session)


def another_site(raw: Raw) -> None:
    response = raw.http.post("queue/join", json={}, headers={"Origin": "https://evil.example"})
    assert response.status_code == 421


FAULTS: tuple[Callable[[Raw], None], ...] = (
    half_letters,
    a_huge_message,
    an_unknown_function,
    a_visitor_who_leaves,
    a_visitor_who_never_listens,
    malformed_bodies,
    wrong_values,
    another_site,
)


def workers() -> set[int]:
    children = psutil.Process().children(recursive=True)
    return {child.pid for child in children if any("chat_worker" in part for part in child.cmdline())}


@pytest.fixture
def chat(request: pytest.FixtureRequest) -> Iterator[str]:
    page = launch(request.getfixturevalue(request.param), block=False, threads=1)
    yield page.local_url
    page.close(verbose=False)


@pytest.mark.parametrize("chat", ["chat_gguf"], indirect=True)
def test_a_crowd_with_faulty_visitors_loses_and_mixes_nothing(chat: str, chat_gguf: Path) -> None:
    texts = [f"The {noun} {number}" for number, noun in enumerate(("cat", "mat", "door", "むかし") * 3)]
    with ChatEngine(chat_gguf, threads=1) as engine:
        expected = [
            "".join(
                engine.chat([{"role": "user", "content": text}], SamplingConfig(temperature=0), n_predict=N_PREDICT)
            )
            for text in texts
        ]
    assert len(set(expected)) > HONEST // 2
    figures: Counter[str] = Counter()
    counting = threading.Lock()
    with ThreadPoolExecutor(4) as pool:
        options = {"verbose": False, "httpx_kwargs": {"timeout": PATIENCE}}
        clients = list(pool.map(lambda _: Client(chat, **options), range(HONEST)))
        raws = list(pool.map(lambda _: Raw(chat), range(FAULTY)))
    before = workers()
    until = time.monotonic() + SECONDS

    def honest(number: int) -> None:
        while figures[f"answers {number}"] == 0 or time.monotonic() < until:
            job = clients[number].submit(asks(texts[number]), *GREEDY, N_PREDICT, "", api_name="/answer")
            history, _ = job.result(PATIENCE)
            asked, *answer = [plain(turn["content"]) for turn in history]
            with counting:
                figures["answers"] += 1
                figures[f"answers {number}"] += 1
                figures["lost"] += len(answer) != 1
                figures["mixed"] += asked != texts[number] or answer != [expected[number].strip()]

    def faulty(number: int) -> None:
        for fault in itertools.islice(itertools.cycle(FAULTS), number, None):
            fault(raws[number])
            with counting:
                figures["faults"] += 1
            if time.monotonic() > until:
                return

    with ThreadPoolExecutor(HONEST + FAULTY) as pool:
        visitors = [*(pool.submit(honest, number) for number in range(HONEST))]
        visitors += [pool.submit(faulty, number) for number in range(FAULTY)]
    for visitor in visitors:
        visitor.result()
    figures["worker_deaths"] = len(before - workers())
    LOG.info("%s", dict(figures))
    assert figures["answers"] >= HONEST
    assert figures["faults"] >= FAULTY
    assert (figures["lost"], figures["mixed"], figures["worker_deaths"]) == (0, 0, 0)


@pytest.mark.parametrize("chat", ["slow_gguf"], indirect=True)
def test_a_visitor_who_leaves_in_an_answer_frees_the_model(chat: str) -> None:
    raw = Raw(chat)
    raw.ask("The mat", 16)
    began = time.monotonic()
    raw.ask("The mat", 16)
    alone = time.monotonic() - began
    raw.leave_in_an_answer(1024)
    left = time.monotonic()
    assert raw.ask("The mat", 16)["success"]
    waited = time.monotonic() - left - alone
    LOG.info("an answer alone takes %.2f s; the model was free %.2f s after the visitor left", alone, waited)
    assert waited < FREED + alone
