"""Multiple choice by lm-evaluation-harness (https://github.com/EleutherAI/lm-evaluation-harness), asked of a GGUF file.

Its own `gguf` model asks a server for the likelihoods of what the server itself would say, which scores the choices by
chance. Here llama.cpp in a child gives the likelihood of each choice as it stands.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lilm.errors import LilmError
from lilm.export.bench.measure import equal_tokens
from lilm.export.quality.choice_files import read_choices
from lilm.llamacpp.engine import Engine
from lilm.pipeline.hashing import sha256_file

if TYPE_CHECKING:
    from lm_eval.api.task import Task

# A question and its answer as people write them down. The choices stand as text, not as letters, which small models do
# not follow; and acc_norm divides by their length, since a short one is likelier for that alone.
PROMPTS = {"ja": ("質問：{{question}}\n答え：", ""), "": ("Question: {{question}}\nAnswer:", " ")}


@dataclass(frozen=True)
class ChoiceTask:
    """name: as the harness or the file calls it. task: of the harness, its documents read. questions: how many are
    asked. of: what decides the answers beside the model."""

    name: str
    task: "Task"
    questions: int
    of: str


def open_tasks(names: str, limit: int, language: str) -> list[ChoiceTask]:
    """Each task with its questions, the first `limit` of them.

    names: with commas; a file (see choice_files), or a task or group of lm-evaluation-harness, whose documents come
    from the hub. language: of the words around a file's questions.
    Raises LilmError without the harness, for an unknown name, a file that is not as it should be, documents that
    cannot be had, and a task that is no multiple choice.
    """
    if find_spec("lm_eval") is None:
        what, remedy = "lm-evaluation-harness is not installed", "type: pip install 'lilm[eval]'"
        raise LilmError(what, where="--tasks", remedy=remedy)
    from importlib.metadata import version

    with _quiet():
        from lm_eval.tasks import TaskManager

        manager: TaskManager | None = None
        found: list[ChoiceTask] = []
        for name in filter(None, (one.strip() for one in names.split(","))):
            path, files = Path(name), []
            if path.is_file():
                files = [path]
            elif path.is_dir():
                files = sorted(one for one in path.iterdir() if one.suffix.lower() in (".csv", ".json", ".jsonl"))
                if not files:
                    raise LilmError("no file of multiple choice in it", where=name, remedy="correct --tasks")
            for file in files:
                found.append(_opened(file.stem, _from_file(file, language), limit, sha256_file(file)))
            if files:
                continue
            manager = manager or TaskManager()
            loaded = _from_harness(manager, name)
            found += [_opened(own, task, limit, f"lm_eval {version('lm_eval')}") for own, task in loaded.items()]
    if not found:
        raise LilmError("no task", where="--tasks", remedy="name a file or a task of lm-evaluation-harness")
    names_found = [one.name for one in found]
    if twice := next((name for name in names_found if names_found.count(name) > 1), None):
        raise LilmError(f"{twice!r} is there twice", where="--tasks", remedy="name it once, or rename a file")
    return found


def _opened(name: str, task: "Task", limit: int, of: str) -> ChoiceTask:
    if task.OUTPUT_TYPE != "multiple_choice":
        remedy = "name a task of multiple choice"
        raise LilmError(f"{name!r} is no multiple choice but {task.OUTPUT_TYPE}", where="--tasks", remedy=remedy)
    if len(task.eval_docs) < 2:
        raise LilmError(f"{name!r} has one question", where="--tasks", remedy="an interval needs two or more")
    if task.config.num_fewshot is None:
        task.set_config(key="num_fewshot", value=0)
    task.set_fewshot_seed(seed=0)
    return ChoiceTask(name, task, min(limit, len(task.eval_docs)), of)


def _from_file(path: Path, language: str) -> "Task":
    from datasets import Dataset
    from lm_eval.api.task import ConfigurableTask

    rows = read_choices(path)
    question, delimiter = PROMPTS.get(language, PROMPTS[""])
    return ConfigurableTask(
        config={
            "task": path.stem,
            "custom_dataset": lambda **_: {"test": Dataset.from_list(rows)},
            "test_split": "test",
            "output_type": "multiple_choice",
            "doc_to_text": question,
            "doc_to_choice": "choices",
            "doc_to_target": "gold",
            "target_delimiter": delimiter,
            "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],
        }
    )


def _from_harness(manager: Any, name: str) -> dict[str, "Task"]:
    from huggingface_hub.errors import HfHubHTTPError

    if not manager.match_tasks([name]):
        remedy = "it is no file either; `lm-eval ls tasks` lists the harness's"
        raise LilmError(f"no task {name!r}", where="--tasks", remedy=remedy)
    try:
        tasks: dict[str, Task] = manager.load([name])["tasks"]
    except (HfHubHTTPError, OSError) as error:  # no connection, no such dataset, no right to it
        what = f"the task's documents cannot be had ({str(error).splitlines()[0]})"
        remedy = "check the connection, or give a file"
        raise LilmError(what, where=f"--tasks {name}", remedy=remedy) from error
    return tasks


def ask_choices(
    engine: Engine, tasks: Sequence[ChoiceTask], n_ctx: int, on_question: Callable[[], None]
) -> dict[str, dict[str, list[float]]]:
    """By task, of each question in the task's order: "acc", and "acc_norm" where the task has it, 1 or 0 by the
    harness; "margin": log-likelihood of the right choice less that of the best wrong one, nats, 0 where the task does
    not say which one is right.

    n_ctx: of what is longer, the last so many tokens count. on_question is called as each question begins.
    """
    from lm_eval.evaluator import evaluate

    model = _model(engine, n_ctx, on_question)
    found: dict[str, dict[str, list[float]]] = {}
    with _quiet():
        for one in tasks:
            loaded = {"tasks": {one.name: one.task}, "groups": {}}
            result = evaluate(lm=model, task_dict=loaded, limit=one.questions, bootstrap_iters=0, log_samples=True)
            samples = sorted(result["samples"][one.name], key=lambda sample: sample["doc_id"])
            columns = {
                key: [float(sample[key]) for sample in samples] for key in ("acc", "acc_norm") if key in samples[0]
            }
            found[one.name] = {**columns, "margin": [_margin(sample) for sample in samples]}
    return found


def _margin(sample: dict[str, Any]) -> float:
    likelihoods = [one[0] for one in sample["filtered_resps"]]
    gold = sample["target"]
    if not isinstance(gold, int) or not 0 <= gold < len(likelihoods):
        return 0.0
    return float(likelihoods[gold] - max(value for at, value in enumerate(likelihoods) if at != gold))


def _model(engine: Engine, n_ctx: int, on_question: Callable[[], None]) -> Any:
    """Returns lm-evaluation-harness's `LM` on an Engine, for multiple choice alone."""
    from lm_eval.api.model import LM

    class EngineLM(LM):  # type: ignore[misc, unused-ignore]
        def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
            found, question = [], -1
            for request in requests:
                if request.doc_id != question:
                    question = request.doc_id
                    on_question()
                found.append(likelihood(engine, n_ctx, *request.args))
            return found

        def loglikelihood_rolling(self, requests: Sequence[Any]) -> list[float]:
            raise TypeError("only multiple choice is asked")

        def generate_until(self, requests: Sequence[Any]) -> list[str]:
            raise TypeError("only multiple choice is asked")

    return EngineLM()


def likelihood(engine: Engine, n_ctx: int, context: str, continuation: str) -> tuple[float, bool]:
    """(log-likelihood of the continuation after the context, nats; whether no token in it had a likelier one).

    Its tokens are those of both together less those of the context, whose spaces at the end belong to it, as in the
    harness's model for transformers; but where a token holds the end of one and the beginning of the other, from that
    token on. BOS stands before, also where the vocabulary asks for none."""
    kept = context.rstrip()
    before = engine.tokenize(kept, add_bos=False) if kept else []
    whole = engine.tokenize(context + continuation, add_bos=False)
    room = n_ctx - 1
    count = min(len(whole) - equal_tokens(before, whole), room)
    if not count:  # nothing is said
        return 0.0, True
    found = engine.score([engine.bos_id, *whole[-room:]])
    return -float(found.nll[-count:].sum()), bool(found.best[-count:].all())


@contextmanager
def _quiet() -> Iterator[None]:
    """The harness tells each step in its log, and shows a bar of its own for each task beside ours."""
    from lm_eval.api import task

    logger = logging.getLogger("lm_eval")
    level, bar = logger.level, task.tqdm
    logger.setLevel(logging.ERROR)
    task.tqdm = lambda documents, **_: documents
    try:
        yield
    finally:
        logger.setLevel(level)
        task.tqdm = bar
