"""What most people run: `transformers.Trainer` on text in a row, the base's own vocabulary, no English replayed."""

from typing import Any

from transformers import TrainerCallback

from lilm.devices import prepare_torch
from lilm.memory import PeakMemory
from lilm.progress import Bar, Reporter
from lilm.temporary import temporary_folder
from lilm.train.base.model_folder import load_llama
from lilm.train.pack.memory_store import MemoryStore
from lilm.train.pack.token_store import TokenStore
from lilm.train.plan.calibrate import WARM_UP
from lilm.train.pretrain.bench.trainer_defaults import train_by_defaults
from lilm.train.pretrain.inputs import Tokenizers, open_tokenizers
from lilm.train.real.contender import Outcome, Speed, Trial
from lilm.train.real.measured import Watch, base_bits, measuring

BATCH = 8  # sequences a step: TrainingArguments' default
MANY = 1_000_000  # steps, for a run that is stopped by the clock


class ByTrainer:
    def speed(self, trial: Trial, seconds: float) -> Speed:
        model, _ = _opened(trial)
        watch = Watch(MANY, trial.window * BATCH, None, None)
        with trial.bed.reporter.bar(f"speed of {trial.label}", max(1, int(seconds))) as bar:
            _run(trial, model, MANY, [_Watched(watch), _Stopped(watch, seconds, bar)], Reporter(quiet=True))
        times = watch.step_seconds[WARM_UP:]
        step = sum(times) / len(times)
        learnt = BATCH * (trial.window - 1)  # a row's first token is not asked for
        return Speed(step, learnt / step)

    def train(self, trial: Trial, steps: tuple[int, int]) -> Outcome:
        model, tokenizers = _opened(trial)
        watch = Watch(
            steps[1], trial.window * BATCH, base_bits(trial), measuring(model, tokenizers, trial), trial.points
        )
        with PeakMemory() as peak:
            ran_with = _run(trial, model, steps[1], [_Watched(watch)], trial.bed.reporter)
        settings = {"steps": steps[1], "sequence_length": trial.window, **ran_with}
        return watch.outcome(peak.mb, settings)


class _Watched(TrainerCallback):
    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def on_train_begin(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        self._watch.start()

    def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        self._watch.step()


class _Stopped(TrainerCallback):
    """Ends the run when steps after the first ones have taken `seconds`, which `bar` counts."""

    def __init__(self, watch: Watch, seconds: float, bar: Bar) -> None:
        self._watch, self._seconds, self._bar, self._told = watch, seconds, bar, 0

    def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        spent = sum(self._watch.step_seconds[WARM_UP:])
        whole = min(int(spent), int(self._seconds))
        self._bar.advance(whole - self._told)
        self._told = whole
        control.should_training_stop = spent >= self._seconds


def _opened(trial: Trial) -> tuple[Any, Tokenizers]:
    device = prepare_torch(trial.recipe.seed, trial.recipe.threads)
    model: Any = load_llama(trial.folder / "base", device)
    tokenizers = open_tokenizers(trial.folder / "base", trial.folder / "tokenizer", model)
    if tokenizers.vocab_size > model.config.vocab_size:  # bytes that the base lacks
        model.resize_token_embeddings(tokenizers.vocab_size)
    return model, tokenizers


def _run(trial: Trial, model: Any, steps: int, watchers: list[TrainerCallback], reporter: Reporter) -> dict[str, Any]:
    packed = TokenStore.open(trial.folder / "pack", trial.recipe.language, "train")
    store = MemoryStore([packed.document(index).tolist() for index in range(packed.n_documents)])
    rate = trial.recipe.pretrain.stage2.lr  # a batch stays what the Trainer makes it
    with temporary_folder("trainer") as work:
        return train_by_defaults(model, store, trial.window, steps, work, reporter, watchers, learning_rate=rate)
