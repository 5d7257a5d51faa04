"""Visitors of `lilm chat` who break the rules: the protocol of Gradio's page without Gradio's manners."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

GREEDY = (0, 0.95, 40, 0.05, 1.1)  # as the page's sliders send it
WILD = (2, 1, 0, 0, 1)  # nearly by chance: hardly any answer ends by itself
N_PREDICT = 24
PATIENCE = 120  # seconds for one answer of a busy machine


def asks(text: str) -> list[dict[str, Any]]:
    """A chat with one question, as the page has it."""
    return [{"role": "user", "content": [{"type": "text", "text": text}]}]


class Raw:
    """url: of the page, with a slash at its end. sessions: how many it has had."""

    def __init__(self, url: str) -> None:
        import httpx

        fresh = httpx.Limits(max_keepalive_connections=0)  # the server closes an idle connection just as it is used
        self.http = httpx.Client(base_url=url + "gradio_api/", timeout=PATIENCE, limits=fresh)
        functions = httpx.get(url + "config", timeout=PATIENCE).json()["dependencies"]
        self.answer = next(one["id"] for one in functions if one["api_name"] == "answer")
        self.sessions = 0

    def session(self) -> str:
        """A new one: for the server, a visitor who was never there."""
        self.sessions += 1
        return uuid.uuid4().hex

    def join(
        self, history: Any, session: str, n_predict: Any = N_PREDICT, sampling: tuple[float, ...] = GREEDY, **body: Any
    ) -> Any:
        """The response to a question that is put into the queue."""
        asked = {
            "data": [history, *sampling, n_predict, "", ""],
            "fn_index": self.answer,
            "session_hash": session,
            **body,
        }
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
        session = self.session()
        response = self.join(asks(text), session, n_predict)
        if response.status_code != 200:
            raise AssertionError(f"a question is answered by status {response.status_code}")
        return self.result(session)

    def leave_in_an_answer(self, n_predict: int, sampling: tuple[float, ...] = GREEDY) -> bool:
        """Whether the answer was still being written: else nobody left in it."""
        session = self.session()
        self.join(asks("The cat"), session, n_predict, sampling)
        events = self.events(session)
        first = next(event for event in events if event["msg"] in ("process_generating", "process_completed"))
        events.close()  # type: ignore[attr-defined]
        return bool(first["msg"] == "process_generating")


def _half_letters(raw: Raw) -> bool:
    return bool(raw.ask("\ud800 The cat \udc00")["success"])


def _a_huge_message(raw: Raw) -> bool:
    return not raw.ask("x" * 1_000_000)["success"]


def _an_unknown_function(raw: Raw) -> bool:
    return bool(raw.join(asks("The cat"), raw.session(), fn_index=999).status_code >= 400)


def _who_leaves(raw: Raw) -> bool:
    raw.leave_in_an_answer(200)
    return True


def _who_never_listens(raw: Raw) -> bool:
    return bool(raw.join(asks("The cat"), raw.session()).status_code == 200)


def _malformed_bodies(raw: Raw) -> bool:
    def status(body: bytes) -> int:
        headers = {"Content-Type": "application/json"}
        return int(raw.http.post("queue/join", content=body, headers=headers).status_code)

    return all(status(body) == 422 for body in (b'{"data": [', b"\xff\xfe", b"[]", b"null"))


def _wrong_values(raw: Raw) -> bool:
    for history, n_predict in (("text", 16), (asks("a"), "many"), (asks("a"), None), ([{"role": "x"}], 16), (None, 16)):
        session = raw.session()
        if raw.join(history, session, n_predict).status_code == 200:
            raw.result(session)
    return True


def _another_site(raw: Raw) -> bool:
    response = raw.http.post("queue/join", json={}, headers={"Origin": "https://evil.example"})
    return bool(response.status_code == 421)


FAULTS: tuple[Callable[[Raw], bool], ...] = (
    _half_letters,
    _a_huge_message,
    _an_unknown_function,
    _who_leaves,
    _who_never_listens,
    _malformed_bodies,
    _wrong_values,
    _another_site,
)
"""Each answers whether the server took it as it should; one that is neither answered nor refused raises."""
