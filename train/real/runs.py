"""Speeds first, in turn, then each contender for equal seconds; what is done is kept."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from lilm.kept import keep, kept, read_kept
from lilm.memory import trim_memory
from lilm.pipeline.hashing import sha256_json
from lilm.pipeline.made_by import code_of
from lilm.progress import clock
from lilm.train.real.bed import Bed, overlaid
from lilm.train.real.contender import Outcome, Speed, Trial
from lilm.train.real.table import Contender, Derived

ROUNDS = 2  # speeds are measured in turn, the best round counts: a busy neighbour is no contender's fault
PILOT = 0.2  # share of a run's seconds that a rate is tried for
OURS = "ours"
Tried = dict[str, dict[str, dict[str, float]]]


class Runs:
    """seconds: of training, for each. speed_seconds: for each round of each speed. rates: by contender, the table's
    until `choose_rates` has found others."""

    def __init__(self, bed: Bed, contenders: Mapping[str, Contender], seconds: float, speed_seconds: float) -> None:
        self.bed, self.contenders, self.seconds, self.speed_seconds = bed, contenders, seconds, speed_seconds
        self.rates = {name: one.rate for name, one in contenders.items()}

    def trial(self, name: str, rate: float, folder: str, choosing: bool = False) -> Trial:
        """Returns a trial with the run folder `folder` below the bed's root."""
        recipe = self.bed.recipe(overlaid(self.contenders[name].changes, {"pretrain": {"stage2": {"lr": rate}}}))
        return Trial(self.bed, name, recipe, self.bed.run_folder(folder, recipe), choosing)

    def final_trial(self, name: str) -> Trial:
        return self.trial(name, self.rates[name], f"contenders/{name}")

    def speeds(self) -> dict[str, Speed]:
        """Returns the best of ROUNDS of each contender; all in turn."""
        found: dict[str, Speed] = {}
        wanted: dict[str, Trial] = {}
        for name in self.contenders:
            trial = self.final_trial(name)
            known = read_kept(self._speed_file(name), self._without_rate(trial))
            if known is None:
                wanted[name] = trial
            else:
                found[name] = Speed(**known)
        for number in range(ROUNDS if wanted else 0):
            self.bed.reporter.say(f"speeds, round {number + 1} of {ROUNDS}")
            for name, trial in wanted.items():
                speed = self.contenders[name].way().speed(trial, self.speed_seconds)
                if name not in found or speed.step_seconds < found[name].step_seconds:
                    found[name] = speed
        for name, trial in wanted.items():
            keep(self._speed_file(name), self._without_rate(trial), asdict(found[name]))
        return found

    def choose_rates(self, speeds: Mapping[str, Speed], names: Iterable[str]) -> Tried:
        """Try the rates of these contenders for a part of the seconds, besides what they do once before, and take the
        one that ends lowest in Japanese on the text for choices. Returns the bits per byte by contender, rate and
        language."""
        tried: Tried = {}
        for name in names:
            tried[name] = {}
            for rate in self.contenders[name].rates:
                trial = self.trial(name, rate, f"pilots/{name}-{rate:g}", choosing=True)
                outcome = self._outcome(trial, speeds[name], speeds[name].prepare_seconds + self.seconds * PILOT)
                tried[name][f"{rate:g}"] = {"ja": outcome.last.ja, "en": outcome.last.en}
            self.rates[name] = float(min(tried[name], key=lambda rate, name=name: tried[name][rate]["ja"]))  # type: ignore[misc]
        return tried

    def train(
        self, speeds: Mapping[str, Speed], derived: Mapping[str, Derived], done: Callable[[str, Outcome], None]
    ) -> None:
        """Train all, one after the other, then derive; `done` is called with each."""
        for number, name in enumerate(self.contenders):
            left = (len(self.contenders) - number) * self.seconds
            told = f"contender {number + 1} of {len(self.contenders)}, {name}: {clock(left)} of training left in all"
            self.bed.reporter.say(told)
            outcome = self._outcome(self.final_trial(name), speeds[name], self.seconds)
            done(name, outcome)
            if name == OURS:
                ours = outcome
        for name, one in derived.items():
            trial = self.final_trial(OURS)
            path = self.bed.root / "contenders" / f"{name}.json"
            of = {"ours": ours.as_json(), **_decides(trial), "code": _code(one.derive)}
            done(name, Outcome.of(kept(path, of, lambda one=one, trial=trial: one.derive(trial, ours).as_json())))  # type: ignore[misc]

    def _outcome(self, trial: Trial, speed: Speed, seconds: float) -> Outcome:
        steps = speed.steps_in(seconds)
        of = {**self._decides(trial), "steps": list(steps), "choosing": trial.choosing}
        way = self.contenders[trial.label].way()
        found = kept(trial.folder / "outcome.json", of, lambda: way.train(trial, steps).as_json())
        trim_memory()
        return speed.timed(Outcome.of(found), steps)

    def _decides(self, trial: Trial) -> dict[str, Any]:
        """Another LiLM's contender is another one."""
        return {**_decides(trial), "code": _code(type(self.contenders[trial.label].way()))}

    def _without_rate(self, trial: Trial) -> dict[str, Any]:
        return overlaid(self._decides(trial), {"pretrain": {"stage2": {"lr": 0}}})

    def _speed_file(self, name: str) -> Any:
        return self.bed.root / "speeds" / f"{name}.json"


def _decides(trial: Trial) -> dict[str, Any]:
    """All that decides what comes of a trial, its steps and the code apart."""
    recipe = trial.recipe.model_dump(mode="json", include={"seed", "threads", "tokenizer", "pretrain"})
    return {"contender": trial.label, **trial.bed.digests(), **recipe}


def _code(made_by: Any) -> str:
    """Hash of all code that a class or function needs."""
    return sha256_json(code_of(made_by.__module__))
