"""A text while it is drawn, whoever reads its tokens. Imported in the child only, as `native` is."""

import codecs
from collections.abc import Sequence

from lilm.closing import Closing
from lilm.llamacpp.answers import Order
from lilm.llamacpp.native import Model
from lilm.llamacpp.sampler import Sampler
from lilm.llamacpp.stop_text import StopText


class Draft(Closing):
    """What comes after `tokens`, the prompt, which is shorter than the context.

    limit: tokens at most. count: those drawn. finish: as in Outcome. Raises NativeError for a schema that cannot be
    followed.
    """

    def __init__(self, model: Model, tokens: Sequence[int], order: Order) -> None:
        self._model, self._texts = model, StopText(order.stop)
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._sampler = Sampler(order.sampling, model, order.seed, order.schema)
        self._sampler.remember(tokens)
        self.limit = min(order.n_predict, model.n_ctx - len(tokens))
        self.count, self.finish = 0, "length"

    def next(self, at: int = -1) -> tuple[str, int | None]:
        """(text that may be shown now, the token to read next, None where the text has ended). at: of the tokens that
        the model read at once, the one whose logits count; -1 is the last. Raises NativeError as Sampler."""
        token = self._sampler.draw(at)
        if self._model.is_end(token):
            self.finish = "stop"
            return "", None
        self.count += 1
        text = self._texts.add(self._decoder.decode(self._model.piece(token)))
        if self._texts.found:
            self.finish = "stop"
            return text, None
        return text, token

    def rest(self) -> str:
        """What was kept back. A character that the model had no time to end is left out."""
        if self._texts.found:
            return ""
        text = self._texts.add(self._decoder.decode(b"", final=self.finish == "stop"))
        return text + self._texts.rest()

    def close(self) -> None:
        self._sampler.close()
