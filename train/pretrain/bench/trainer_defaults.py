"""What most people run: `transformers.Trainer` on concatenated text, nothing set but the number of steps."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import LlamaForCausalLM, PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from lilm.progress import Bar, Reporter
from lilm.train.pack.memory_store import MemoryStore

SHOWN = (
    "learning_rate",
    "lr_scheduler_type",
    "warmup_steps",
    "weight_decay",
    "adam_beta1",
    "adam_beta2",
    "max_grad_norm",
    "per_device_train_batch_size",
)


class Blocks(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    """All documents in a row, cut every `length` tokens, the rest dropped: run_clm.py's `group_texts`."""

    def __init__(self, store: MemoryStore, length: int) -> None:
        tokens = np.concatenate([store.document(index) for index in range(store.n_documents)])
        self._blocks = torch.from_numpy(tokens[: len(tokens) // length * length].reshape(-1, length))

    def __len__(self) -> int:
        return len(self._blocks)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"input_ids": self._blocks[index], "labels": self._blocks[index]}


class Shown(TrainerCallback):
    """Advances a bar of ours with each step."""

    def __init__(self, bar: Bar) -> None:
        self._bar = bar

    def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        self._bar.advance()


def quiet_arguments(folder: Path, steps: int, on_cpu: bool) -> dict[str, Any]:
    """Returns TrainingArguments that leave all that decides what is learnt as it is, but for the number of steps:
    nothing is saved, reported or printed."""
    return {
        "output_dir": str(folder),
        "max_steps": steps,
        "save_strategy": "no",
        "logging_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": on_cpu,
    }


def train_by_defaults(
    model: LlamaForCausalLM,
    store: MemoryStore,
    window: int,
    steps: int,
    work: Path,
    reporter: Reporter,
    watchers: Sequence[TrainerCallback] = (),
    **chosen: Any,
) -> dict[str, Any]:
    """Train in place; returns what it ran with. Nothing is saved and nothing is printed.

    watchers: told of each step too. chosen: of TrainingArguments, instead of its defaults.
    """
    arguments = TrainingArguments(**quiet_arguments(work / "trainer", steps, model.device.type == "cpu"), **chosen)
    with reporter.bar("Trainer's defaults", steps) as bar:
        told = [Shown(bar), *watchers]
        trainer = Trainer(model=model, args=arguments, train_dataset=Blocks(store, window), callbacks=told)
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    values = {name: getattr(arguments, name) for name in SHOWN}
    return {name: getattr(value, "value", value) for name, value in values.items()}
