"""Twenty visitors of one Gradio chat at once, eight of whom break the rules: every other gets the own answer, whole.

LILM_CROWD_SECONDS makes it longer; `pytest --log-cli-level=INFO` shows the figures.
"""

import logging
import os
import threading
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import psutil
import pytest

from lilm.demo.chat import launch
from lilm.demo.pace import BEAT_SECONDS, paced
from lilm.errors import LilmError
from lilm.export.talk.crowd import chat_server, expected_answers, freed, measure_crowd, questions, visit
from lilm.export.talk.visitors import Raw, asks
from lilm.llamacpp.answers import Answer, Order, Outcome
from lilm.llamacpp.chat import ChatEngine
from lilm.llamacpp.client import WORKER
from lilm.progress import Reporter
from lilm.recipe import SamplingConfig

SECONDS = float(os.environ.get("LILM_CROWD_SECONDS", "10"))
HONEST, FAULTY = 12, 8
LOG = logging.getLogger(__name__)
FREED, PATIENT = 1.0, 30.0  # seconds, after a visitor has left


@pytest.fixture
def chat(request: pytest.FixtureRequest) -> Iterator[str]:
    page = launch(request.getfixturevalue(request.param), block=False, threads=1)
    yield page.local_url
    page.close(verbose=False)


@pytest.mark.parametrize("chat", ["chat_gguf"], indirect=True)
def test_a_crowd_with_faulty_visitors_loses_and_mixes_nothing(chat: str, chat_gguf: Path, reporter: Reporter) -> None:
    texts = questions(HONEST)
    expected = expected_answers(chat_gguf, texts, threads=1)
    assert len(set(expected)) > HONEST // 2
    figures = visit(chat, psutil.Process(), texts, expected, FAULTY, SECONDS, reporter)
    LOG.info("%s", figures)
    assert figures["answers"] >= HONEST
    assert figures["faults"] >= FAULTY
    wrong = ("lost", "mixed", "other", "wrongly_taken", "worker_deaths")
    assert {key: figures[key] for key in wrong} == dict.fromkeys(wrong, 0)
    assert figures["visitors"] > HONEST + FAULTY, "faults come from new visitors"
    assert len(figures["memory_curve"]) >= SECONDS // 5 and figures["memory_curve"][0][1] > 0


@pytest.mark.parametrize("chat", ["chat_gguf"], indirect=True)
def test_answers_that_are_lost_or_somebody_elses_are_seen(chat: str, chat_gguf: Path, reporter: Reporter) -> None:
    texts = questions(3)
    expected = expected_answers(chat_gguf, texts, threads=1)
    swapped = [*expected[1:], expected[0]]
    figures = visit(chat, psutil.Process(), texts, swapped, 1, 0.1, reporter)
    assert len(set(expected)) == 3 and figures["mixed"] == figures["answers"] >= 3


@pytest.mark.parametrize("chat", ["chat_gguf"], indirect=True)
def test_a_model_s_process_that_dies_is_counted(chat: str, reporter: Reporter) -> None:
    """Whatever its answers were: the next one has a new process."""
    models = (one for one in psutil.Process().children() if any(WORKER in part for part in one.cmdline()))
    model = max(models, key=psutil.Process.create_time)  # other tests may have left theirs
    killed = threading.Timer(0.3, model.kill)
    killed.start()
    figures = visit(chat, psutil.Process(), ["The cat"], ["?"], 1, 1.0, reporter)
    killed.join()
    assert figures["worker_deaths"] == 1


@pytest.mark.parametrize("chat", ["slow_gguf"], indirect=True)
def test_a_visitor_who_leaves_in_an_answer_frees_the_model(chat: str) -> None:
    raw = Raw(chat)
    began = time.monotonic()
    raw.ask("The mat", 16)
    alone = time.monotonic() - began
    waited = freed(raw)
    LOG.info("an answer alone takes %.2f s; the model was free %.2f s after the visitor left", alone, waited)
    assert waited < FREED + alone


class Reads(ChatEngine):
    """A model that reads for as long as nobody stops it."""

    stopped = threading.Event()

    def write(self, asked: object, order: Order) -> Answer:
        def pieces() -> Generator[str, None, Outcome]:
            self.stopped.wait(PATIENT)
            yield from ()
            return Outcome(1, 0, "cancelled", 0, 0.0, 0.0)

        return Answer(pieces(), self.stopped.set)


def test_a_visitor_who_leaves_while_the_question_is_read_frees_the_model(
    chat_gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lilm.demo.chat.ChatEngine", Reads)
    page = launch(chat_gguf, block=False, threads=1)
    try:
        raw = Raw(page.local_url)
        session = raw.session()
        raw.join(asks("The cat"), session)
        events = raw.events(session)
        assert next(event for event in events if event["msg"] == "process_starts")
        events.close()  # type: ignore[attr-defined]
        assert Reads.stopped.wait(FREED + BEAT_SECONDS)
    finally:
        Reads.stopped.set()
        page.close(verbose=False)


@pytest.mark.parametrize("late", [False, True])
def test_an_answer_is_stopped_for_who_asked_alone(slow_gguf: Path, late: bool) -> None:
    greedy = SamplingConfig(temperature=0)
    with ChatEngine(slow_gguf, threads=1) as engine:
        one, other = (engine.chat([{"role": "user", "content": "The cat"}], greedy, n_predict=n) for n in (400, 12))
        if late:
            next(one)
            one.close()
        else:
            assert next(piece for piece in paced(one, engine) if piece), "and left at once"
        one.stop()
        assert "".join(other) and other.outcome is not None and other.outcome.finish == "length"
        assert one.outcome is None or one.outcome.finish == "cancelled"


class Short:
    """A page whose answers have ended before anybody can leave, but for some of them."""

    def __init__(self, running: int) -> None:
        self.running = running

    def ask(self, text: str, n_predict: int) -> dict[str, bool]:
        return {"success": True}

    def leave_in_an_answer(self, n_predict: int, sampling: tuple[float, ...]) -> bool:
        self.running -= 1
        return self.running >= 0


def test_who_leaves_after_an_answer_frees_nothing() -> None:
    with pytest.raises(LilmError, match="of 12 long answers 2 were still being written"):
        freed(Short(2))  # type: ignore[arg-type]
    assert freed(Short(3)) < FREED  # type: ignore[arg-type]


def test_the_benchs_crowd_visits_a_server_of_its_own(chat_gguf: Path, tmp_path: Path, reporter: Reporter) -> None:
    found = measure_crowd(chat_gguf, reporter, clients=4, seconds=1)
    assert (found["clients"], found["faulty"], found["lost"], found["mixed"]) == (4, 2, 0, 0)
    assert found["answers"] >= 2 and found["faults"] >= 2
    assert all(megabytes > 50 for megabytes in found["memory_mb"]) and found["freed_s"] < PATIENT
    with pytest.raises(LilmError, match="1 visitors"):
        measure_crowd(chat_gguf, reporter, clients=1, seconds=1)
    (tmp_path / "no.gguf").write_bytes(b"GGUF")
    with pytest.raises(LilmError, match="does not start"), chat_server(tmp_path / "no.gguf"):
        pass
