"""Says when a run is lost: the loss is not a number, or it has left the ground it had gained; and from where it can
try again."""

import math
from collections.abc import Sequence
from typing import Any

from lilm.errors import LilmError

WINDOW = 50  # steps whose mean loss is looked at: single batches jump
SOUND = 4  # a checkpoint is good to go back to while the mean has risen by at most one part in so many of the limit


class Lost(LilmError):
    """The run goes nowhere from here."""


def check_finite(loss: float, norm: float, step: int, label: str) -> None:
    """Raises Lost unless both are numbers."""
    if not math.isfinite(loss) or not math.isfinite(norm):
        raise Lost(
            f"the loss is {loss} and the gradient norm {norm} at step {step}",
            where=label,
            remedy="lower lr or raise warmup in the recipe",
        )


class DivergenceGuard:
    """Watches the mean loss of the last WINDOW steps; `limit` nats above the lowest such mean is the end.

    A spike passes: it must lift the mean of the window. `history`: the losses before a restart, so that a resumed run
    stops where an undisturbed one would. every: steps between checkpoints. limit 0: never.
    """

    def __init__(self, limit: float, label: str, history: Sequence[float], every: int = 0) -> None:
        self._limit, self._label, self._every = limit, label, every
        self._losses: list[float] = []
        self._lowest = math.inf
        self._seen = 0
        self.sound_step = 0
        """The last step with a checkpoint at which the mean had not risen; 0: there is none."""
        for loss in history:
            self._take(loss)

    def _take(self, loss: float) -> float | None:
        """Returns the mean of the window that ends with `loss`; None while it is not full."""
        self._losses = [*self._losses[-(WINDOW - 1) :], loss]
        self._seen += 1
        mean = math.fsum(self._losses) / WINDOW if len(self._losses) == WINDOW else None
        self._lowest = min(self._lowest, math.inf if mean is None else mean)
        if self._every and self._seen % self._every == 0 and not self._is_above(mean, self._limit / SOUND):
            self.sound_step = self._seen
        return mean

    def _is_above(self, mean: float | None, limit: float) -> bool:
        return bool(self._limit) and mean is not None and mean > self._lowest + limit

    def see(self, loss: float, step: int) -> None:
        """Raises Lost when the run has diverged."""
        mean = self._take(loss)
        if self._is_above(mean, self._limit):
            raise Lost(
                f"diverged: the mean loss of the last {WINDOW} steps is {mean:.2f} at step {step}, "
                f"and it was {self._lowest:.2f} before",
                where=self._label,
                remedy="lower lr or raise warmup in the recipe (`diverged` says how much is too much)",
            )


def losses(metrics: Sequence[dict[str, Any]]) -> list[float]:
    return [entry["loss"] for entry in metrics if "loss" in entry]
