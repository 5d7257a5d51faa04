"""What most people run: `transformers.Trainer` on text in a row, the base's own vocabulary, no English replayed."""

import tempfile
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from lilm.devices import prepare_torch
from lilm.memory import PeakMemory
from lilm.train.base.model_folder import load_llama
from lilm.train.corpus.token_store import TokenStore
from lilm.train.plan.calibrate import WARM_UP
from lilm.train.pretrain.bench.trainer_defaults import train_by_defaults
from lilm.train.pretrain.inputs import Tokenizers, open_tokenizers
from lilm.train.real.contender import Outcome, Speed, Trial
from lilm.train.real.measured import Watch, base_bits, bits_of
from lilm.train.trainer.memory_store import MemoryStore

MANY = 1_000_000  # steps, for a run that is stopped by the clock


class ByTrainer:
    def speed(self, trial: Trial, seconds: float) -> Speed:
        model, _ = _opened(trial)
        watch = Watch(MANY, trial.tokens_per_step, None, None)
        _run(trial, model, MANY, [_Watched(watch), _Stopped(watch, seconds)])
        times = watch.step_seconds[WARM_UP:]
        step = sum(times) / len(times)
        learnt = trial.batch_size * (trial.window - 1)  # a row's first token is not asked for
        return Speed(step, learnt / step)

    def train(self, trial: Trial, steps: tuple[int, int]) -> Outcome:
        model, tokenizers = _opened(trial)
        texts = trial.bed.reported

        def measure() -> dict[str, float]:
            model.eval()
            found = bits_of(model, tokenizers, texts, trial)
            model.train()
            return found

        watch = Watch(steps[1], trial.tokens_per_step, base_bits(trial), measure)
        with PeakMemory() as peak:
            settings = _run(trial, model, steps[1], [_Watched(watch)])
        return Outcome(
            curve=watch.curve,
            stage1=None,
            seconds=round(watch.seconds, 1),
            tokens=watch.curve[-1].tokens,
            tokens_per_s=round(watch.curve[-1].tokens / watch.seconds, 1),
            peak_memory_mb=peak.mb,
            settings={"steps": steps[1], "sequence_length": trial.window, **settings},
            choosing=bits_of(model.eval(), tokenizers, trial.bed.choosing, trial) if trial.choosing else {},
        )


class _Watched(TrainerCallback):
    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def on_train_begin(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        self._watch.start()

    def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        self._watch.step()


class _Stopped(TrainerCallback):
    """Ends the run when steps after the first ones have taken `seconds`."""

    def __init__(self, watch: Watch, seconds: float) -> None:
        self._watch, self._seconds = watch, seconds

    def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        times = self._watch.step_seconds[WARM_UP:]
        control.should_training_stop = bool(times) and sum(times) >= self._seconds


def _opened(trial: Trial) -> tuple[Any, Tokenizers]:
    device = prepare_torch(trial.recipe.seed, trial.recipe.threads)
    model: Any = load_llama(trial.folder / "base", device)
    tokenizers = open_tokenizers(trial.folder / "base", trial.folder / "tokenizer", model)
    if tokenizers.vocab_size > model.config.vocab_size:  # bytes that the base lacks
        model.resize_token_embeddings(tokenizers.vocab_size)
    return model, tokenizers


def _run(trial: Trial, model: Any, steps: int, watchers: list[TrainerCallback]) -> dict[str, Any]:
    packed = TokenStore.open(trial.folder / "pack", trial.recipe.language, "train")
    store = MemoryStore([packed.document(index).tolist() for index in range(packed.n_documents)])
    rate, size = trial.recipe.pretrain.stage2.lr, trial.batch_size
    with tempfile.TemporaryDirectory(prefix="lilm-trainer-") as work:
        chosen = {"learning_rate": rate, "per_device_train_batch_size": size}
        reporter = trial.bed.reporter
        return train_by_defaults(model, store, trial.window, steps, Path(work), reporter, watchers, **chosen)
