"""A GGUF file that writes several answers at once: each is the one it would be alone, and fails alone."""

import json
import os
import signal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lilm.errors import LilmError
from lilm.llamacpp.answers import Order
from lilm.llamacpp.chat import ChatEngine, Unanswerable
from lilm.llamacpp.engine import quantize
from lilm.llamacpp.pool import ChatPool
from lilm.progress import Reporter
from lilm.recipe import SamplingConfig
from lilm.train.finetune.translate import run as command
from lilm.train.finetune.translate.chat import ChatTranslator
from lilm.train.finetune.translate.suspect import Judge
from tests.demo.conftest import write_chat_gguf

GREEDY = SamplingConfig(temperature=0.0, repeat_penalty=1.0).model_dump()
DRAWN = SamplingConfig(temperature=1.0).model_dump()
Q8_0 = 7
N_CTX = 1024


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model that never ends, in Q8_0, whose products are the same however many are made at once."""
    folder = tmp_path_factory.mktemp("tiny")
    file = folder / "model-q8_0.gguf"
    quantize(write_chat_gguf(folder, hidden=64, layers=2, n_ctx=N_CTX, ends=False), file, Q8_0, threads=1)
    return file


def kill_child(pool: ChatPool) -> None:
    assert pool._client.pid
    os.kill(pool._client.pid, signal.SIGKILL)


def asked(number: int) -> list[dict[str, str]]:
    return [{"role": "user", "content": "The cat sat on the mat by the door. " * (1 + number % 3) + str(number)}]


def order(number: int, n_predict: int = 20) -> Order:
    """Every fourth is drawn by a seed."""
    return Order(GREEDY if number % 4 else DRAWN, n_predict, seed=number, slide=False, fresh=True)


def test_each_answer_is_the_one_that_it_is_alone(tiny: Path) -> None:
    alone = []
    with ChatEngine(tiny, n_ctx=N_CTX, threads=1) as engine:
        for number in range(4):
            answer = engine.write(asked(number), order(number))
            alone.append(("".join(answer), answer.outcome))
    for parallel in (1, 4):
        with ChatPool(tiny, n_ctx=N_CTX, threads=1, parallel=parallel) as pool:
            assert pool.n_ctx == engine.n_ctx
            futures = [pool.write(asked(number), order(number)) for number in range(4)]
            for future, (text, outcome) in zip(futures, alone, strict=True):
                found, how = future.result(timeout=120)
                assert outcome is not None and found == text
                assert (how.tokens, how.prompt_tokens) == (outcome.tokens, outcome.prompt_tokens) and how.tokens == 20


def test_more_than_there_are_places_are_all_answered_to_their_own_end(tiny: Path) -> None:
    with ChatPool(tiny, n_ctx=N_CTX, threads=1, parallel=3) as pool:
        futures = [pool.write(asked(number), order(number, 3 + 5 * (number % 4))) for number in range(11)]
        found = [future.result(timeout=120)[1] for future in futures]
        assert [how.tokens for how in found] == [3 + 5 * (number % 4) for number in range(11)]
        whole = pool.write(asked(1), order(1)).result(timeout=120)[0]
        stop = whole[len(whole) // 2]
        cut, how = pool.write(asked(1), Order(GREEDY, 20, stop=(stop,), slide=False)).result(timeout=120)
        assert cut == whole.partition(stop)[0] and how.finish == "stop"


def test_what_cannot_be_answered_is_told_and_no_other_is_touched(tiny: Path) -> None:
    with ChatPool(tiny, n_ctx=N_CTX, threads=1, parallel=3) as pool:
        before = pool.write(asked(1), order(1)).result(timeout=120)[0]
        bad: list[tuple[Any, Order]] = [
            ([{"role": "user", "content": "a cat " * 5_000}], order(1)),
            ([{"role": "user", "content": "a cat " * 400}], order(1)),
            (asked(1), Order(GREEDY, 8, schema={"type": "nothing"}, slide=False)),
        ]
        futures = [pool.write(*one) for one in (*bad, (asked(1), order(1)))]
        for future, why in zip(futures, ("too long", "context has room for", "schema"), strict=False):
            with pytest.raises(Unanswerable, match=why):
                future.result(timeout=120)
        assert futures[-1].result(timeout=120)[0] == before


def test_a_dead_child_is_told_to_all_that_wait(tiny: Path) -> None:
    with ChatPool(tiny, n_ctx=N_CTX, threads=1, parallel=2) as pool:
        futures = [pool.write(asked(number), Order(GREEDY, 150, slide=False)) for number in range(6)]
        kill_child(pool)
        for future in (*futures, pool.write(asked(0), order(0))):
            with pytest.raises(LilmError, match=r"SIGKILL|writes no more"):
                future.result(timeout=120)


def test_it_ends_at_once_in_the_middle_of_answers(tiny: Path) -> None:
    pool = ChatPool(tiny, n_ctx=N_CTX, threads=1, parallel=2)
    future = pool.write(asked(0), Order(GREEDY, 150, slide=False))
    pool.close()
    pool.close()
    with pytest.raises(LilmError, match="closed before its answer"):
        future.result(timeout=1)


def test_texts_wait_for_room_in_the_context_that_they_share(tiny: Path) -> None:
    """In this process: a child cannot be told to have less memory."""
    import threading

    from lilm.llamacpp import native
    from lilm.llamacpp.batch import BatchWriter

    log = native.Log()
    model = native.Model(tiny, N_CTX, 1, log, parallel=4)
    model.n_cells = 192
    writer, texts, most = BatchWriter(model), {}, 0
    for number in range(5):
        writer.add(number, model.tokenize(f"The cat {number}", True, False), Order(GREEDY, 60 + 30 * (number % 2)))
    while not writer.is_idle:
        for number, text, how in writer.step(threading.Event()):
            texts[number] = text, how
        most = max(most, len(writer._places))
    assert sorted(texts) == [0, 1, 2, 3, 4] and all(text and not isinstance(how, str) for text, how in texts.values())
    assert most == 2, "more of them would not fit"


@pytest.fixture
def lenient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a random model writes is a translation."""
    monkeypatch.setattr(Judge, "problem", lambda *_: None)
    monkeypatch.setattr(Judge, "is_foreign", lambda *_: "")


@pytest.mark.usefixtures("lenient")
def test_a_stopped_translation_goes_on_and_is_the_same(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chats = tmp_path / "chats.jsonl"
    talks = [
        [{"role": "user", "content": f"Cat {at}?"}, {"role": "assistant", "content": f"Mat {at}."}] for at in range(8)
    ]
    chats.write_text("".join(json.dumps({"messages": talk}) + "\n" for talk in talks), encoding="utf-8")
    monkeypatch.setattr("lilm.train.finetune.translate.chat.ROOM", (12, 0))
    monkeypatch.setattr(ChatTranslator, "_judged", lambda _, __, ___, said: (said, None))
    answers: dict[str, list[str]] = {}
    calls, last, write = count(), 6, ChatPool.write

    def watched(pool: ChatPool, messages: Any, order: Order) -> Any:
        if next(calls) == last:
            kill_child(pool)
        future = write(pool, messages, order)
        prompt = messages[0]["content"]
        future.add_done_callback(
            lambda done: done.exception() or answers.setdefault(prompt, []).append(done.result()[0].strip())
        )
        return future

    monkeypatch.setattr(ChatPool, "write", watched)
    out = tmp_path / "out.jsonl"
    given = command.Order(str(chats), out, model=str(tiny), back=False, n_ctx=N_CTX, parallel=3)
    with pytest.raises(LilmError, match=r"SIGKILL|writes no more"):
        command.translate(given, None, Reporter(Console(quiet=True)))
    before = {prompt: list(texts) for prompt, texts in answers.items()}
    assert before and not out.exists()
    last = -1
    command.translate(given, None, Reporter(Console(quiet=True)))
    assert all(answers[prompt] == texts for prompt, texts in before.items()), "nothing is asked twice"
    found = [json.loads(line)["messages"] for line in out.read_text(encoding="utf-8").splitlines()]
    assert len(found) == len(talks)
    for at, messages in enumerate(found):
        (said,) = next(texts for prompt, texts in answers.items() if prompt.endswith(f"Cat {at}?"))
        assert messages[0]["content"] == said, "in the order of the chats"
