"""English that the base wrote itself: what it is to keep, taken down before it learns anything.

What it was trained on is not at hand; its own text stands for that (self-synthesized rehearsal, Huang et al. 2024).
"""

import json
from collections.abc import Sequence
from pathlib import Path

from lilm.disk import write_atomic
from lilm.llamacpp.chat import ChatEngine
from lilm.progress import Reporter
from lilm.recipe import SamplingConfig
from lilm.train.real.prompts import QUESTIONS, TOPICS

TEXTS, CHATS = "texts.jsonl", "chats.jsonl"
N_PREDICT = 128
# SmolLM2's template begins with a system message of its own unless there is one. With that the 4-bit file answers the
# question for France's capital in a loop of French, with an empty one it says "The capital of France is Paris."
SYSTEM = {"role": "system", "content": ""}
GREEDY = SamplingConfig(temperature=0, repeat_penalty=1)
DRAWN = SamplingConfig(temperature=1, top_k=0, top_p=1, min_p=0, repeat_penalty=1)


def write_own(
    base: Path,
    folder: Path,
    threads: int,
    reporter: Reporter,
    questions: Sequence[str] = QUESTIONS,
    topics: Sequence[str] = TOPICS,
) -> None:
    """`chats.jsonl` in `folder`, greedy answers to `questions`, and `texts.jsonl`, texts about `topics` drawn at
    temperature 1; what is there already stays.

    base: a GGUF file with a chat template. Raises LilmError when it has none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    chats, texts = folder / CHATS, folder / TEXTS
    if chats.is_file() and texts.is_file():
        return
    asked = [f"Write a short text about {topic}." for topic in topics]
    with (
        ChatEngine(base, n_ctx=512, threads=threads) as engine,
        reporter.bar("the base writes", len(questions) + len(asked)) as bar,
    ):

        def answer(question: str, sampling: SamplingConfig, seed: int) -> str:
            asking = {"role": "user", "content": question}
            text = "".join(engine.chat([SYSTEM, asking], sampling, n_predict=N_PREDICT, seed=seed)).strip()
            bar.advance()
            return text

        said = [(question, answer(question, GREEDY, 0)) for question in questions]
        drawn = [answer(question, DRAWN, seed) for seed, question in enumerate(asked)]
    lines = [
        {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": text}]}
        for question, text in said
        if text
    ]
    _write(texts, [{"text": text} for text in [*drawn, *(text for _, text in said)] if text])
    _write(chats, lines)


def _write(path: Path, entries: Sequence[object]) -> None:
    write_atomic(path, "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries))
