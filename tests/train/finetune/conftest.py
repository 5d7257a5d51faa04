"""A small taught model, chats to tune it on, and the stage run on them."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lilm.pipeline.artifact import Artifact
from lilm.pipeline.stage import Context
from lilm.progress import Bar, Reporter
from lilm.recipe import FinetuneConfig, NewRowsOptimConfig, OptimConfig, PretrainConfig
from lilm.train.finetune import stage
from lilm.train.pretrain import stage as pretrain_stage
from lilm.train.stories import chats

Tune = Callable[..., Artifact]


class KillingReporter(Reporter):
    """Ends the work of a bar while it goes on: after so many steps."""

    def __init__(self, steps: int, label: str = "finetune") -> None:
        super().__init__(Console(quiet=True))
        self._left, self._label = steps, label

    @contextmanager
    def bar(self, label: str, total: int, done: int = 0) -> Iterator[Bar]:
        with super().bar(label, total, done) as bar:
            if label == self._label:
                whole = bar.advance

                def advance(steps: int = 1, note: str = "") -> None:
                    whole(steps, note)
                    self._left -= steps
                    if not self._left:
                        raise KeyboardInterrupt

                bar.advance = advance  # type: ignore[method-assign]
            yield bar


@pytest.fixture(scope="session")
def tune_inputs(pretrain_inputs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of the stages base, pretrain and pack."""
    out = tmp_path_factory.mktemp("pretrained")
    config = PretrainConfig(
        sequence_length=128,
        dtype="float32",
        stage1=NewRowsOptimConfig(steps=2, lr=1e-2, batch_size=4),
        stage2=OptimConfig(steps=20, lr=1e-2, batch_size=4),
        eval_every=20,
        eval_bytes=500,
        samples=0,
    )
    pretrain_stage.run(config, pretrain_inputs, out, Context(0, 1, "ja", "en", Reporter(Console(quiet=True))))
    return {"base": pretrain_inputs["base"], "pretrain": out, "pack": pretrain_inputs["pack"]}


@pytest.fixture(scope="session")
def chat_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 made chats of at most two answers as JSON Lines."""
    path = tmp_path_factory.mktemp("chats") / "chats.jsonl"
    made = [one[:4] for one in chats("ja", 300, 0) if sum(len(message["content"]) for message in one[:4]) < 100]
    path.write_text("".join(json.dumps({"messages": one}) + "\n" for one in made[:120]), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def whole_and_broken_off(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of pairs: whole answers, and the same broken off, which the model often finds likelier: there is less to
    say."""
    said = {one[0]["content"]: one[1]["content"] for one in chats("ja", 900, 5)}
    short = [(asked, answer) for asked, answer in said.items() if 12 < len(answer) < 40][:110]
    entries = [{"prompt": asked, "chosen": answer, "rejected": answer[:-5]} for asked, answer in short]
    path = tmp_path_factory.mktemp("pairs") / "pairs.jsonl"
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")
    return path


@pytest.fixture
def tune(tune_inputs: dict[str, Path], chat_file: Path) -> Tune:
    """tune(folder, **keys of [finetune]) runs the stage in `folder`, by one thread."""

    def run(folder: Path, *, reporter: Reporter | None = None, **keys: Any) -> Artifact:
        plain = {
            "sources": [{"name": "x", "format": "messages", "path": str(chat_file)}],
            "sequence_length": 256,
            "dtype": "float32",
            "heldout": 0.2,
            "optim": {"steps": 12, "lr": 1e-2, "batch_size": 4},
            "eval_every": 4,
            "checkpoint_every": 4,
            "sample_tokens": 8,
        }
        config = FinetuneConfig.model_validate({**plain, **keys})
        folder.mkdir(exist_ok=True)
        context = Context(0, 1, "ja", "en", reporter or Reporter(Console(quiet=True)))
        stage.check(config, context)
        return stage.run(config, tune_inputs, folder, context)

    return run
