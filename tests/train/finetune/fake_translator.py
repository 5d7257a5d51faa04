"""A server that speaks OpenAI's API and translates letter by letter between English and kana, so that every word of it
can be foretold, or does what a test wants instead."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KANA = dict(zip("abcdefghijklmnopqrstuvwxyz", "あいうえおかきくけこさしすせそたちつてとなにのはひふ", strict=True))
LETTERS = {kana: letter for letter, kana in KANA.items()}
_MARK = re.compile(r"(<[a-z]\d+/>)")


def to_kana(text: str) -> str:
    return _each(text, lambda part: "".join(KANA.get(one.lower(), one) for one in part))


def to_english(text: str) -> str:
    return _each(text, lambda part: "".join(LETTERS.get(one, one) for one in part))


def _each(text: str, change: Callable[[str], str]) -> str:
    return "".join(part if _MARK.fullmatch(part) else change(part) for part in _MARK.split(text))


def is_back(prompt: str) -> bool:
    return prompt.startswith("Translate the text below from Japanese")


def text_of(prompt: str) -> str:
    return prompt.split("\n\n", 1)[1]


def rightly(prompt: str) -> str:
    return to_english(text_of(prompt)) if is_back(prompt) else to_kana(text_of(prompt))


@dataclass
class Fake:
    """answer: of a prompt: a text, or (status, headers, body). asked: the prompts. bodies: whole requests. keys: their
    Authorization. before: called by each request, many at once."""

    url: str = ""
    answer: Callable[[str], Any] = rightly
    finish: str = "stop"
    asked: list[str] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    models: tuple[str, ...] = ("kana",)
    before: Callable[[], Any] = lambda: None

    @property
    def forward(self) -> list[str]:
        return [text_of(prompt) for prompt in self.asked if not is_back(prompt)]


@contextmanager
def serving() -> Iterator[Fake]:
    fake, lock = Fake(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            self._send(200, {}, {"object": "list", "data": [{"id": name} for name in fake.models]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            prompt = body["messages"][0]["content"]
            fake.before()
            with lock:
                fake.asked.append(prompt)
                fake.bodies.append(body)
                fake.keys.append(self.headers.get("Authorization"))
                said = fake.answer(prompt)
            if isinstance(said, tuple):
                self._send(*said)
                return
            message = {"role": "assistant", "content": said}
            self._send(200, {}, {"choices": [{"index": 0, "message": message, "finish_reason": fake.finish}]})

        def _send(self, status: int, headers: dict[str, str], found: Any) -> None:
            data = found if isinstance(found, bytes) else json.dumps(found).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self._headers_buffer.append(b"\r\n" + data)  # one packet: the second would wait for the first one's receipt
            with suppress(ConnectionError):  # some answers are not read to their end
                self.flush_headers()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        fake.url = f"http://127.0.0.1:{server.server_port}/v1"
        try:
            yield fake
        finally:
            server.shutdown()
            thread.join()
