"""Text after a prompt, piece by piece. Imported in the child only, as `native` is."""

import threading
import time
from collections.abc import Generator, Sequence
from itertools import takewhile

from llama_cpp import llama_cpp as llama

from lilm.llamacpp.answers import Order, Outcome
from lilm.llamacpp.draft import Draft
from lilm.llamacpp.native import Model, NativeError


class Writer:
    """A model and the tokens that its context holds, so that a longer prompt reads only what is new."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.held: list[int] = []

    def write(
        self, tokens: Sequence[int], order: Order, stop: threading.Event, left_out: int = 0
    ) -> Generator[str, None, Outcome]:
        """Pieces of text, each of whole characters; it ends early once `stop` is set, also while it reads.

        tokens: the prompt, shorter than the context. Raises NativeError for a schema that cannot be followed.
        """
        with Draft(self.model, tokens, order) as draft:
            began = written_from = time.perf_counter()
            try:
                if self._read(list(tokens), order.fresh, stop):
                    written_from = time.perf_counter()
                    while draft.count < draft.limit:
                        if stop.is_set():
                            draft.finish = "cancelled"
                            break
                        text, token = draft.next()
                        if text:
                            yield text
                        if token is None:
                            break
                        self.model.extend([token], len(self.held), every=False)
                        self.held.append(token)
                else:
                    draft.finish = "cancelled"
            except Exception:
                self.held = []  # nobody knows what the context holds now
                raise
            ended = time.perf_counter()
        if text := draft.rest():
            yield text
        return Outcome(len(tokens), draft.count, draft.finish, left_out, written_from - began, ended - written_from)

    def _read(self, tokens: list[int], fresh: bool, stop: threading.Event) -> bool:
        """Bring the context to `tokens`, keeping the part that it already has. False when it was stopped."""
        held = [] if fresh else self.held
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(held, tokens[:-1], strict=False)))
        llama.llama_memory_seq_rm(llama.llama_get_memory(self.model.context), 0, same, -1)
        self.held = tokens[:same]
        try:
            with self.model.aborted_by(stop.is_set):
                self.model.extend(tokens[same:], same, every=False)
        except NativeError:
            if not stop.is_set():
                raise
            self.held = []
            return False
        self.held = tokens
        return True
