"""Whoever waits for an answer gets it, however many come meanwhile and never listen; and few are remembered."""

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from lilm.demo import sessions
from lilm.demo.chat import launch
from lilm.export.talk.visitors import Raw, asks

FEW = 8


@pytest.fixture
def page(slow_gguf: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Raw, sessions.Sessions]]:
    monkeypatch.setattr(sessions, "MOST", FEW)
    made = launch(slow_gguf, block=False, threads=1)
    yield Raw(made.local_url), made._queue.pending_messages_per_session  # type: ignore[misc]
    made.close(verbose=False)


def test_who_waits_is_answered_whoever_comes_meanwhile(page: tuple[Raw, sessions.Sessions]) -> None:
    raw, kept = page
    writes = uuid.uuid4().hex
    raw.join(asks("The cat"), writes, 300)  # the others are in line meanwhile
    waits = uuid.uuid4().hex
    raw.join(asks("The mat"), waits, 16)
    answered: list[bool] = []
    listener = threading.Thread(target=lambda: answered.append(raw.result(waits)["success"]), daemon=True)
    listener.start()
    for _ in range(5 * FEW):
        raw.join(asks("The door"), uuid.uuid4().hex, 16)
    listener.join(60)
    assert answered == [True]
    assert raw.ask("The mat", 16)["success"], "and the next one too"
    for _ in range(FEW):
        assert raw.ask("The mat", 16)["success"]
    assert len(kept) <= FEW + 1, "of those who never listened nothing is left"


def test_of_those_who_wait_for_nothing_the_oldest_goes() -> None:
    queue = SimpleNamespace(active_jobs=[None], event_queue_per_concurrency_id={}, pending_event_ids_session={"a": {1}})
    kept = sessions.Sessions(queue)
    for name in ["a", *(str(number) for number in range(sessions.MOST - 1))]:
        kept[name] = name
    assert kept["0"] == "0"
    kept["b"] = "b"
    kept["c"] = "c"
    assert "a" not in kept and "1" not in kept and {"0", "b", "c"} <= kept.keys()
    assert len(kept) == sessions.MOST and queue.pending_event_ids_session == {}
