"""Tokens per second, and the share of the hardware's arithmetic that they use."""

import time


class Speedometer:
    """Counts tokens over the time between `start` and `stop`: measurements and checkpoints do not count.

    flops_per_token: see `flops_per_token`. peak: FLOP/s of all processes' devices together, None when not known.
    """

    def __init__(self, flops_per_token: float, peak: float | None) -> None:
        self._flops, self._peak = flops_per_token, peak
        self._tokens, self._seconds, self._started = 0, 0.0, 0.0

    def start(self) -> None:
        self._started = time.monotonic()

    def stop(self, tokens: int) -> None:
        self._tokens += tokens
        self._seconds += time.monotonic() - self._started

    @property
    def seconds(self) -> float:
        """The seconds spent in steps."""
        return self._seconds

    @property
    def tokens_per_s(self) -> float:
        return self._tokens / max(1e-9, self._seconds)

    @property
    def mfu(self) -> float | None:
        """Model FLOPs utilisation, 0 to 1 (PaLM, appendix B); None on hardware whose peak is not known."""
        return None if self._peak is None else self.tokens_per_s * self._flops / self._peak

    def spoken(self) -> str:
        return f"{self.tokens_per_s:,.0f} tokens/s" + ("" if self.mfu is None else f" · MFU {self.mfu:.1%}")
