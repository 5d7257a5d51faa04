"""A way to teach the base, how fast it is here, how many steps that allows, and what came of it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from lilm.recipe import Recipe
from lilm.train.real.bed import Bed

POINTS = 4  # of a curve, besides the first
STAGE1_SHARE = 0.1  # of a run's seconds, for new rows alone, with what is done once before


@dataclass(frozen=True)
class Speed:
    """Measured here: seconds of a step, of one of the first stage where there is one, and of all that is done once
    before the first step. tokens_per_s: learnt ones, padding left out."""

    step_seconds: float
    tokens_per_s: float
    stage1_seconds: float = 0.0
    prepare_seconds: float = 0.0

    def steps_in(self, seconds: float) -> tuple[int, int]:
        """Steps of the first stage and of the second that fill `seconds`; of the second 2 at least."""
        first, left = 0, seconds - self.prepare_seconds
        if self.stage1_seconds:
            first = max(1, int((seconds * STAGE1_SHARE - self.prepare_seconds) / self.stage1_seconds))
            left -= first * self.stage1_seconds
        return first, max(2, round(left / self.step_seconds))

    def timed(self, outcome: "Outcome", steps: tuple[int, int]) -> "Outcome":
        """The outcome of so many steps, with the seconds they take at this speed: what ran beside a contender while it
        trained is not its fault."""
        first, second = steps
        ended = outcome.stage1.tokens if outcome.stage1 else 0
        later = max(1, outcome.last.tokens - ended)

        def at(point: Point) -> Point:
            if not point.tokens:
                return point
            taught = first * self.stage1_seconds * min(1.0, point.tokens / ended) if ended else 0.0
            learnt = second * self.step_seconds * max(0, point.tokens - ended) / later
            return replace(point, seconds=round(self.prepare_seconds + taught + learnt, 1))

        curve = [at(point) for point in outcome.curve]
        return replace(
            outcome,
            curve=curve,
            stage1=outcome.stage1 and at(outcome.stage1),
            seconds=curve[-1].seconds,
            tokens_per_s=round(outcome.tokens / curve[-1].seconds, 1),
            clock_seconds=outcome.seconds,
        )


@dataclass(frozen=True)
class Point:
    """Bits per byte of held-out text after so many seconds of training and tokens read."""

    seconds: float
    tokens: int
    ja: float
    en: float


@dataclass(frozen=True)
class Outcome:
    """curve: the first point is the base's. stage1: the point where the first stage ended. seconds: of training, with
    what it does once before and without measurements and checkpoints. clock_seconds: the same by the clock, beside
    whatever else ran, once `Speed.timed` has said what they are without. settings: all that was chosen."""

    curve: list[Point]
    stage1: Point | None
    seconds: float
    tokens: int
    tokens_per_s: float
    peak_memory_mb: float
    settings: dict[str, Any]
    clock_seconds: float | None = None

    @property
    def last(self) -> Point:
        return self.curve[-1]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "Outcome":
        stage1 = data["stage1"] and Point(**data["stage1"])
        return cls(**{**data, "curve": [Point(**one) for one in data["curve"]], "stage1": stage1})


@dataclass(frozen=True)
class Trial:
    """One contender at one rate: its recipe, and its run folder with everything before `pretrain`. choosing: it is a
    pilot, measured once, at its end and on the text for choices."""

    bed: Bed
    label: str
    recipe: Recipe
    folder: Path
    choosing: bool = False

    @property
    def points(self) -> int:
        """The number of points of its curve, besides the first."""
        return 1 if self.choosing else POINTS

    @property
    def texts(self) -> Mapping[str, list[str]]:
        """That it is measured on."""
        return self.bed.choosing if self.choosing else self.bed.reported

    @property
    def window(self) -> int:
        return self.recipe.pretrain.sequence_length

    @property
    def batch_size(self) -> int:
        return self.recipe.pretrain.stage2.batch_size

    @property
    def tokens_per_step(self) -> int:
        return self.window * self.batch_size


class Way(Protocol):
    """How a contender learns."""

    def speed(self, trial: Trial, seconds: float) -> Speed:
        """Measured by training for about `seconds`; nothing is kept."""
        ...

    def train(self, trial: Trial, steps: tuple[int, int]) -> Outcome:
        """Trains for `steps` of the first stage and of the second. Killed and called again, it gives the same."""
        ...
