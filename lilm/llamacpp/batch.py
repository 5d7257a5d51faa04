"""Several texts written at once in one context, each in a sequence of its own. Imported in the child only, as `native`
is.

A step of one token reads all weights, as a step of many does: together they cost little more than one alone.
"""

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from lilm.llamacpp.answers import Order, Outcome
from lilm.llamacpp.draft import Draft
from lilm.llamacpp.native import Model, NativeError

Ended = tuple[int, str, Outcome | str]
"""The text's number, the text, and how it ended, or why there is none."""


@dataclass
class _Asked:
    number: int
    tokens: list[int]
    order: Order

    def cells(self, n_ctx: int) -> int:
        """Tokens of the context that it may come to fill."""
        return min(len(self.tokens) + self.order.n_predict, n_ctx)


@dataclass
class _Place:
    """A text that is written. ahead: tokens that the model has to read next. read: those that it has read."""

    asked: _Asked
    draft: Draft
    sequence: int
    ahead: list[int]
    began: float
    read: int = 0
    first: float = 0.0
    text: str = ""


@dataclass
class BatchWriter:
    """model: opened for as many sequences as there may be texts at once, which share its cells. A text waits until
    there are cells for the longest that it may become, so none has to give way. What one does, or fails in, changes
    nothing of another but how its logits are rounded: by the shape of the products, and by the order in which its keys
    and values lie in the cells."""

    model: Model
    _waiting: deque[_Asked] = field(default_factory=deque)
    _places: list[_Place] = field(default_factory=list)

    @property
    def is_idle(self) -> bool:
        return not self._waiting and not self._places

    def add(self, number: int, tokens: Sequence[int], order: Order) -> None:
        """tokens: the prompt, shorter than the model's context."""
        self._waiting.append(_Asked(number, list(tokens), order))

    def step(self, stop: threading.Event) -> list[Ended]:
        """Lets each text go on by a token, or one of them read its prompt, and returns those that ended. Nothing ends
        once `stop` is set, also while the model reads. Raises NativeError where llama.cpp fails."""
        ended = self._admit()
        items: list[tuple[int, int, int, bool]] = []
        drawn: list[tuple[int, _Place]] = []
        # A prompt is read by itself: attention to more than a few tokens rounds otherwise, by far more than last bits.
        unread = next((place for place in self._places if not place.draft.count), None)
        for place in self._places if unread is None else [unread]:
            part = place.ahead[: self.model.n_step]
            del place.ahead[: len(part)]
            for token in part:
                items.append((token, place.read, place.sequence, False))
                place.read += 1
            if part and not place.ahead:
                items[-1] = (*items[-1][:3], True)
                drawn.append((len(items) - 1, place))
        if not items:
            return ended
        try:
            with self.model.aborted_by(stop.is_set):
                self.model.decode(items)
        except NativeError:
            if stop.is_set():
                return ended
            raise
        return ended + [found for at, place in drawn if (found := self._go_on(place, at)) is not None]

    def _admit(self) -> list[Ended]:
        """Gives places to those that wait, in their order; returns those that cannot be written."""
        refused: list[Ended] = []
        n_ctx, n_cells = self.model.n_ctx, self.model.n_cells
        while self._waiting:
            free = set(range(self.model.parallel)) - {place.sequence for place in self._places}
            taken = sum(place.asked.cells(n_ctx) for place in self._places)
            if not free or taken + self._waiting[0].cells(n_ctx) > n_cells:
                break
            asked = self._waiting.popleft()
            try:
                draft = Draft(self.model, asked.tokens, asked.order)
            except NativeError as error:
                refused.append((asked.number, "", str(error)))
                continue
            self._places.append(_Place(asked, draft, min(free), list(asked.tokens), time.perf_counter()))
        return refused

    def _go_on(self, place: _Place, at: int) -> Ended | None:
        """Draws the text's next token from the logits of the token `at` of this step."""
        draft, number = place.draft, place.asked.number
        place.first = place.first or time.perf_counter()
        try:
            text, token = draft.next(at)
        except NativeError as error:
            self._leave(place)
            return number, "", str(error)
        place.text += text
        if token is not None and draft.count < draft.limit:
            place.ahead = [token]
            return None
        place.text += draft.rest()
        self._leave(place)
        took = place.first - place.began, time.perf_counter() - place.first
        return number, place.text, Outcome(len(place.asked.tokens), draft.count, draft.finish, 0, *took)

    def _leave(self, place: _Place) -> None:
        place.draft.close()
        self._places.remove(place)
        self.model.forget_sequence(place.sequence)
