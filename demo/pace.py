"""An answer's pieces with beats between them: Gradio hears only at a piece that its visitor has left, and a model that
reads a long question says nothing for a minute."""

import queue
import threading
import time
from collections.abc import Generator

from lilm.llamacpp.answers import Answer
from lilm.llamacpp.chat import ChatEngine

BEAT_SECONDS = 0.25
AGAIN_SECONDS = 0.05  # the child forgets a stop that comes before its request does, so it is told until it has ended
LONGEST_STOP = 30.0  # seconds; a grammar can keep llama.cpp busy for ever within one token, where nothing stops it


def paced(answer: Answer, engine: ChatEngine) -> Generator[str | None, None, None]:
    """The pieces as they come, and None whenever none has come for BEAT_SECONDS.

    Closed, it has the answer stopped, and does not wait for that: it is Gradio's event loop that closes it. A model
    that does not stop goes, and the next answer loads it anew. Raises what the answer raises.
    """
    come: queue.SimpleQueue[str | BaseException | None] = queue.SimpleQueue()
    left = threading.Event()
    reader = threading.Thread(target=_read, args=(answer, come, left), daemon=True)
    reader.start()
    try:
        while True:
            try:
                one = come.get(timeout=BEAT_SECONDS)
            except queue.Empty:
                yield None
                continue
            if one is None:
                return
            if isinstance(one, BaseException):
                raise one
            yield one
    finally:
        left.set()
        if reader.is_alive():
            threading.Thread(target=_stop, args=(answer, engine, reader), daemon=True).start()


def _read(answer: Answer, come: "queue.SimpleQueue[str | BaseException | None]", left: threading.Event) -> None:
    """Tells the pieces, and then None or the error, until who asked has `left`."""
    try:
        for piece in answer:
            if left.is_set():
                break
            come.put(piece)
        come.put(None)
    except BaseException as error:
        come.put(error)
    finally:
        answer.close()


def _stop(answer: Answer, engine: ChatEngine, reader: threading.Thread) -> None:
    patient_until = time.monotonic() + LONGEST_STOP
    while reader.is_alive():
        answer.stop()
        reader.join(AGAIN_SECONDS)
        if time.monotonic() > patient_until and reader.is_alive():
            engine.close()
            reader.join()
