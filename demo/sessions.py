"""Which visitors' messages Gradio's queue keeps: of those who wait for an answer, and of the last ones beside them.

Gradio keeps what the last 2,000 visitors have not read, the whole chat with each piece of an answer, also of who left
long ago: some hundred megabytes. For one visitor more it drops the one who came first, who may wait for an answer just
then, whose event never ends, and nobody is answered any more.
"""

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import gradio as gr

MOST = 50  # visitors who wait for nothing, and whose messages are kept


class Sessions(OrderedDict[str, Any]):
    """Messages by session, the one used last at the end. A new session takes the place of the oldest that nobody
    works for, where there are MOST; whoever waits is kept, however many they are. queue: Gradio's."""

    def __init__(self, queue: Any) -> None:
        super().__init__()
        self._queue = queue

    def __getitem__(self, session: str) -> Any:
        messages = super().__getitem__(session)
        self.move_to_end(session)
        return messages

    def __setitem__(self, session: str, messages: Any) -> None:
        if session not in self and len(self) >= MOST:
            self._make_room()
        super().__setitem__(session, messages)

    def _make_room(self) -> None:
        waiting = self._waiting()
        for session in [one for one in self if one not in waiting][: len(self) - MOST + 1]:
            del self[session]
            self._queue.pending_event_ids_session.pop(session, None)

    def _waiting(self) -> set[str]:
        at_work = [event for events in self._queue.active_jobs if events for event in events]
        in_line = [event for one in self._queue.event_queue_per_concurrency_id.values() for event in one.queue]
        return {event.session_hash for event in (*at_work, *in_line)}


def keep_few_sessions(page: "gr.Blocks") -> None:
    """Let the queue of `page` keep its messages so."""
    page._queue.pending_messages_per_session = Sessions(page._queue)  # type: ignore[assignment]
