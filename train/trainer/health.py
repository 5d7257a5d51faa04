"""Says stop when a run is lost: the loss is not a number, or it has left the ground it had gained."""

import math
from collections.abc import Sequence
from typing import Any

from lilm.errors import LilmError

WINDOW = 50  # steps whose mean loss is looked at: single batches jump


def check_finite(loss: float, norm: float, step: int, label: str) -> None:
    """Raises LilmError unless both are numbers."""
    if not math.isfinite(loss) or not math.isfinite(norm):
        raise LilmError(
            f"the loss is {loss} and the gradient norm {norm} at step {step}",
            where=label,
            remedy="lower lr or raise warmup in the recipe",
        )


class DivergenceGuard:
    """Watches the mean loss of the last WINDOW steps; `limit` nats above the lowest such mean is the end.

    A spike passes: it must lift the mean of the window. `history`: the losses before a restart, so that a resumed run
    stops where an undisturbed one would. limit 0: never.
    """

    def __init__(self, limit: float, label: str, history: Sequence[float]) -> None:
        self._limit, self._label = limit, label
        self._losses: list[float] = []
        self._lowest = math.inf
        for loss in history:
            self._mean(loss)

    def _mean(self, loss: float) -> float | None:
        """Returns the mean of the window that ends with `loss`; None while it is not full."""
        self._losses = [*self._losses[-(WINDOW - 1) :], loss]
        if len(self._losses) < WINDOW:
            return None
        mean = math.fsum(self._losses) / WINDOW
        self._lowest = min(self._lowest, mean)
        return mean

    def see(self, loss: float, step: int) -> None:
        """Raises LilmError when the run has diverged."""
        mean = self._mean(loss)
        if self._limit and mean is not None and mean > self._lowest + self._limit:
            raise LilmError(
                f"diverged: the mean loss of the last {WINDOW} steps is {mean:.2f} at step {step}, "
                f"and it was {self._lowest:.2f} before",
                where=self._label,
                remedy="lower lr or raise warmup in the recipe (`diverged` says how much is too much)",
            )


def losses(metrics: Sequence[dict[str, Any]]) -> list[float]:
    return [entry["loss"] for entry in metrics if "loss" in entry]
