"""A translator behind an address that speaks OpenAI's API."""

import asyncio
import json
import random
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import httpx

from lilm.errors import LilmError
from lilm.train.finetune.translate.patience import GAVE_UP, LONGEST_WAIT, asked_wait, backoff
from lilm.train.finetune.translate.translators import Reply, Request

REQUESTS = 4  # at once
TRIES = 8  # of one request, minutes in all
TIMEOUT = httpx.Timeout(600.0, connect=10.0)  # a long text by a slow model, in seconds
LARGEST = 8 * 2**20  # bytes of an answer
AGAIN = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
REFUSED = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY)
NO_KEY = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
SHOWN = 200  # characters of what a server says
GO_ON = "run again later: it goes on where it stopped"


class AddressTranslator:
    """url: up to `/v1`. model: its name there; "" for the only one that the server has. key: sent as a bearer token;
    it is written nowhere. pause: seconds after a first failure.

    Raises LilmError for an address that is none.
    """

    def __init__(self, url: str, model: str = "", key: str = "", parallel: int = REQUESTS, pause: float = 1.0) -> None:
        self.name = url = url.rstrip("/")
        self.parallel, self._model, self._pause = parallel, model, pause
        try:
            split = urlsplit(url)
            bad = split.scheme not in ("http", "https") or not split.hostname
            secret = split.username is not None or split.password is not None
        except ValueError:
            bad, secret = True, False
        if bad or secret:
            what = "a password in an address would stand in files" if secret else "no address"
            remedy = "use --api-key-env NAME" if secret else "write it as http://HOST:PORT/v1"
            self.name = "--url" if secret else url
            raise LilmError(what, where=self.name, remedy=remedy)
        try:
            headers = {"Authorization": f"Bearer {key}".encode("ascii").decode()} if key else {}
        except UnicodeEncodeError as error:
            raise LilmError(
                "it holds characters that no key has", where="--api-key-env", remedy="copy the key again"
            ) from error
        self._http = httpx.AsyncClient(headers=headers, timeout=TIMEOUT, limits=httpx.Limits(max_connections=parallel))
        self._answered = False
        self._until = 0.0

    @property
    def identity(self) -> dict[str, Any]:
        return {"url": self.name, "model": self._model}

    async def open(self) -> None:
        """Learns the model's name where none was given. Raises LilmError when there is not exactly one."""
        if self._model:
            return
        found = await self._asked("GET", "/models", None)
        listed = found.get("data")
        ids = [one.get("id") for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
        names = [name for name in ids if isinstance(name, str)]
        if len(names) != 1:
            known = ", ".join(names[:10]) + (" …" if len(names) > 10 else "")
            what = f"{len(names)} models" + (f" ({known})" if known else "")
            raise LilmError(what, where=self.name, remedy="name one by --model")
        self._model = names[0]

    async def write(self, request: Request) -> Reply:
        body = {
            "model": self._model,
            "messages": [{"role": "user", "content": request.prompt}],
            "temperature": request.temperature,
            "max_tokens": request.n_predict,
            "seed": request.attempt,
        }
        try:
            found = await self._asked("POST", "/chat/completions", body)
        except _Refused as error:
            return Reply(str(error), "refused")
        try:
            choice = found["choices"][0]
            text = choice["message"].get("content") or ""
            if not isinstance(text, str):
                raise TypeError
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise self._error(
                f"no answer as OpenAI's API gives it: {_words(found)}", "give an address up to /v1"
            ) from error
        return Reply(text, "length" if choice.get("finish_reason") == "length" else "stop")

    async def close(self) -> None:
        await self._http.aclose()

    async def _asked(self, method: str, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        """What the server answers, asked again while it is busy. Raises _Refused for a text that it does not take."""
        said = ""
        for attempt in range(TRIES):
            while (left := self._until - asyncio.get_running_loop().time()) > 0:
                await asyncio.sleep(left)
            try:
                status, headers, data = await self._sent(method, path, body)
            except httpx.RequestError as error:
                said = f"{type(error).__name__}: {error}"
                if not self._answered and isinstance(error, httpx.ConnectError):
                    raise self._error(
                        f"nothing answers there ({error})", "start the server, or correct --url"
                    ) from error
                self._wait(backoff(self._pause, attempt))
                continue
            self._answered = True
            if status == HTTPStatus.OK:
                return self._parsed(data)
            said = f"{status}: {_words(data)}"
            if status in REFUSED and method == "POST":
                raise _Refused(said)
            if not self._is_busy(status, data):
                raise self._refusal(status, said)
            asked = asked_wait(headers.get("Retry-After"))
            if asked is not None and asked > LONGEST_WAIT:
                raise self._error(f"it answers {said}, and asks to wait for {asked:.0f} seconds", GO_ON)
            self._wait(backoff(self._pause, attempt) if asked is None else asked)
        raise self._error(f"{GAVE_UP} ({said})", GO_ON)

    async def _sent(self, method: str, path: str, body: Mapping[str, Any] | None) -> tuple[int, httpx.Headers, bytes]:
        data = b""
        async with self._http.stream(method, self.name + path, json=body) as response:
            async for part in response.aiter_bytes():
                data += part
                if len(data) > LARGEST:
                    raise self._error(f"an answer of more than {LARGEST:,} bytes", "give an address up to /v1")
            return response.status_code, response.headers, data

    def _parsed(self, data: bytes) -> dict[str, Any]:
        try:
            found = json.loads(data)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise self._error(f"no answer as OpenAI's API gives it: {_words(data)}", "give an address up to /v1")
        return found

    def _is_busy(self, status: int, data: bytes) -> bool:
        spent = b"insufficient_quota" in data  # OpenAI's word for no money left, which no waiting mends
        return (status in AGAIN or status >= HTTPStatus.INTERNAL_SERVER_ERROR) and not spent

    def _refusal(self, status: int, said: str) -> LilmError:
        if status in NO_KEY:
            return self._error(f"it takes no such key ({said})", "name the variable that holds a key by --api-key-env")
        if status == HTTPStatus.NOT_FOUND:
            return self._error(f"there is no such address or model ({said})", "correct --url (up to /v1) or --model")
        return self._error(f"it answers {said}", "correct --url, or ask who runs it")

    def _wait(self, seconds: float) -> None:
        """For all requests: a busy server is not asked by the others meanwhile."""
        self._until = max(self._until, asyncio.get_running_loop().time() + seconds * random.uniform(1.0, 1.2))

    def _error(self, what: str, remedy: str) -> LilmError:
        return LilmError(what, where=self.name, remedy=remedy)


class _Refused(Exception):
    """The server does not take this text, but perhaps others."""


def _words(data: bytes | Mapping[str, Any]) -> str:
    """What a server says is wrong, in a line."""
    found: Any = data
    if isinstance(data, bytes):
        try:
            found = json.loads(data)
        except (ValueError, RecursionError):
            found = data.decode(errors="replace")
    if isinstance(found, dict):
        error = found.get("error", found)
        found = error.get("message", error) if isinstance(error, dict) else error
    text = "".join(one if one.isprintable() else "·" for one in " ".join(str(found).split()))
    return text[:SHOWN] + "…" if len(text) > SHOWN else text or "nothing"
