"""One model for many callers: first come, first served; who leaves gives the model back."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from http import HTTPStatus
from typing import Any, TypeVar

from starlette.types import Receive

from lilm.chat import Message
from lilm.demo.api.errors import ApiError
from lilm.llamacpp.answers import Order, Outcome
from lilm.llamacpp.chat import ChatEngine

LONGEST_QUEUE = 100
LONGEST_STOP = 30.0  # seconds; a grammar can keep llama.cpp busy for ever within one token, where nothing stops it
AGAIN_SECONDS = 0.05  # the child forgets a stop that comes before its request does, so it is told until it has ended

T = TypeVar("T")


class ClientGone(Exception):
    """The caller closed the connection."""


class OneModel:
    """An engine that answers one after another, in the order in which they asked."""

    def __init__(self, engine: ChatEngine) -> None:
        self.engine = engine
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def answer(self, asked: str | list[Message], order: Order) -> AsyncGenerator[str | Outcome, None]:
        """Pieces of text and last the outcome. Closed or cancelled, it stops the model and ends once that is free; one
        that does not stop goes, and the next answer loads it anew.

        A caller who takes the pieces slowly keeps no one waiting. Raises ApiError when too many wait, and what
        ChatEngine.write raises.
        """
        if self._waiting >= LONGEST_QUEUE:
            raise ApiError(f"{self._waiting} requests wait already", status=HTTPStatus.TOO_MANY_REQUESTS)
        self._waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting -= 1
        loop = asyncio.get_running_loop()
        come: asyncio.Queue[str | Outcome | Exception] = asyncio.Queue()
        left = threading.Event()

        def tell(one: str | Outcome | Exception) -> None:
            loop.call_soon_threadsafe(come.put_nowait, one)

        written = loop.run_in_executor(None, _write, lambda: self.engine.write(asked, order), tell, left)
        written.add_done_callback(lambda _: self._turn.release())
        ended = False
        try:
            while not ended:
                one = await come.get()
                if ended := not isinstance(one, str):
                    await asyncio.wait({written})
                if isinstance(one, Exception):
                    raise one
                yield one
        finally:
            left.set()
            patient_until = loop.time() + LONGEST_STOP
            while not written.done():
                self.engine.stop()
                await asyncio.wait({written}, timeout=AGAIN_SECONDS)
                if loop.time() > patient_until and not written.done():
                    await loop.run_in_executor(None, self.engine.close)


def _write(begin: Callable[[], Any], tell: Callable[[str | Outcome | Exception], None], left: threading.Event) -> None:
    """In a thread: tells the pieces and then the outcome or the error, until the caller has `left`."""
    pieces = begin()
    try:
        if left.is_set():
            return
        for piece in pieces:
            if left.is_set():
                return
            tell(piece)
        if pieces.outcome is not None:
            tell(pieces.outcome)
    except Exception as error:
        tell(error)
    finally:
        pieces.close()


async def until_gone(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns. When the caller closes the connection first, it is cancelled, and ClientGone raised."""
    task, gone = asyncio.create_task(work), asyncio.create_task(_gone(receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientGone
        return task.result()
    finally:
        for one in (task, gone):
            one.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _gone(receive: Callable[[], Awaitable[Any]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
