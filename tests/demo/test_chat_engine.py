"""Chatting with a GGUF file: text in whole characters, stop, a context that runs full, broken files."""

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lilm.errors import LilmError
from lilm.export.gguf_writer import write_gguf
from lilm.llamacpp.answers import Order
from lilm.llamacpp.chat import ChatEngine
from lilm.recipe import SamplingConfig

GREEDY = SamplingConfig(temperature=0)
HELLO = [{"role": "user", "content": "むかしむかし"}]


@pytest.fixture
def engine(chat_gguf: Path) -> ChatEngine:
    with ChatEngine(chat_gguf, threads=1) as opened:
        yield opened  # type: ignore[misc]


def test_the_context_is_what_the_model_was_trained_for(engine: ChatEngine) -> None:
    assert engine.n_ctx == 256


def test_greedy_text_comes_in_pieces_and_is_the_same_each_time(engine: ChatEngine) -> None:
    pieces = list(engine.chat(HELLO, GREEDY, n_predict=40))
    assert len(pieces) > 10
    assert "".join(engine.chat(HELLO, GREEDY, n_predict=40)) == "".join(pieces)


def test_what_the_context_kept_does_not_change_the_answer(engine: ChatEngine, chat_gguf: Path) -> None:
    answer = "".join(engine.chat(HELLO, GREEDY, n_predict=30))
    longer = [*HELLO, {"role": "assistant", "content": answer}, {"role": "user", "content": "The cat sat"}]
    warm = "".join(engine.chat(longer, GREEDY, n_predict=30))
    with ChatEngine(chat_gguf, threads=1) as fresh:
        assert "".join(fresh.chat(longer, GREEDY, n_predict=30)) == warm


def test_the_seed_decides_sampled_text(engine: ChatEngine) -> None:
    texts = ["".join(engine.chat(HELLO, SamplingConfig(), n_predict=40, seed=seed)) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_an_answer_that_was_cut_goes_on_where_it_was(engine: ChatEngine) -> None:
    """No mark of the template comes between; the letters decide where it is cut, not the tokens that wrote them."""
    begun = [*HELLO, {"role": "assistant", "content": "The cat sat"}]
    answer = engine.chat(begun, GREEDY, n_predict=8)
    rest = "".join(answer)
    longer = engine.chat([*HELLO, {"role": "assistant", "content": "The cat sat on the mat"}], GREEDY, n_predict=8)
    assert rest and "".join(longer)
    question = engine.chat(HELLO, GREEDY, n_predict=1)
    list(question)
    assert answer.outcome and longer.outcome and question.outcome
    assert question.outcome.prompt_tokens < answer.outcome.prompt_tokens < longer.outcome.prompt_tokens


def test_stop_ends_the_answer(engine: ChatEngine) -> None:
    pieces = []
    for piece in engine.chat(HELLO, GREEDY, n_predict=200):
        pieces.append(piece)
        if len(pieces) == 3:
            engine.stop()
    whole = "".join(engine.chat(HELLO, GREEDY, n_predict=200))
    assert whole.startswith("".join(pieces))
    assert len("".join(pieces)) < len(whole)


def test_the_outcome_tells_how_an_answer_ended(engine: ChatEngine) -> None:
    whole = engine.chat(HELLO, GREEDY, n_predict=20)
    assert whole.outcome is None
    text = "".join(whole)
    stop = text[len(text) // 2 :][:2]
    stopped = engine.write(HELLO, Order(GREEDY.model_dump(), 20, stop=(stop,)))
    assert "".join(stopped) == text[: text.index(stop)]
    assert whole.outcome and stopped.outcome
    assert (whole.outcome.finish, whole.outcome.tokens, whole.outcome.left_out) == ("length", 20, 0)
    assert stopped.outcome.finish == "stop" and 0 < stopped.outcome.tokens < 20
    assert whole.outcome.tokens_per_second > 0


def test_a_long_prompt_can_be_stopped_while_it_is_read(slow_gguf: Path) -> None:
    long = [{"role": "user", "content": "The cat sat on the mat. " * 120}]
    with ChatEngine(slow_gguf, threads=1) as engine:
        began = time.monotonic()
        whole = list(engine.chat(long, GREEDY, n_predict=2))
        alone = time.monotonic() - began
        list(engine.chat(HELLO, GREEDY, n_predict=1))
        threading.Timer(alone / 4, engine.stop).start()
        began = time.monotonic()
        stopped = engine.chat(long, GREEDY, n_predict=1000)
        assert list(stopped) == [] and stopped.outcome and stopped.outcome.finish == "cancelled"
        assert time.monotonic() - began < alone * 3 / 4
        assert list(engine.chat(long, GREEDY, n_predict=2)) == whole


def test_leaving_an_answer_early_leaves_the_engine_usable(engine: ChatEngine) -> None:
    answer = engine.chat(HELLO, GREEDY, n_predict=200)
    next(answer)
    answer.close()  # type: ignore[attr-defined]
    assert "".join(engine.chat(HELLO, GREEDY, n_predict=10))


def test_the_oldest_exchanges_go_when_the_context_is_full(engine: ChatEngine) -> None:
    old = [
        {"role": "user", "content": "The cat sat on the mat. " * 60},
        {"role": "assistant", "content": "The dog. " * 60},
    ]
    both = [list(engine.chat(chat, GREEDY, n_predict=20)) for chat in ([*old, *HELLO], HELLO)]
    assert both[0] == both[1]


@pytest.mark.parametrize(
    ("left_out", "kept"),
    [
        (["user", "assistant"], ["user", "assistant"]),
        (["user"], ["user", "assistant"]),  # an error came instead of the answer
        (["user", "assistant", "assistant"], []),
    ],
)
@pytest.mark.parametrize("system", [1, 2])
def test_the_system_messages_stay_and_whole_exchanges_go(
    engine: ChatEngine, system: int, left_out: list[str], kept: list[str]
) -> None:
    head = [{"role": "system", "content": f"The cat {number}."} for number in range(system)]
    old = [{"role": role, "content": "The dog. " * 60} for role in left_out]
    rest = [*({"role": role, "content": "むかし"} for role in kept), *HELLO]
    both = [list(engine.chat([*head, *before, *rest], GREEDY, n_predict=20)) for before in (old, [])]
    assert both[0] == both[1] != list(engine.chat(rest, GREEDY, n_predict=20))


def test_a_message_beyond_the_context_is_an_error_and_the_next_one_works(engine: ChatEngine) -> None:
    with pytest.raises(LilmError, match="the model's context has room for"):
        list(engine.chat([{"role": "user", "content": "cat " * 400}], GREEDY))
    assert "".join(engine.chat(HELLO, GREEDY, n_predict=10))


def test_a_child_that_dies_tells_why_and_the_next_answer_has_a_new_one(engine: ChatEngine) -> None:
    before = list(engine.chat(HELLO, GREEDY, n_predict=10))
    os.kill(engine._client.pid or 0, signal.SIGKILL)
    with pytest.raises(LilmError, match=r"llama\.cpp process ended with signal 9 .*: .*compute buffer") as caught:
        list(engine.chat(HELLO, GREEDY))
    assert "lilm run" not in caught.value.line(), "the file is not of a run"
    assert list(engine.chat(HELLO, GREEDY, n_predict=10)) == before


def test_half_a_surrogate_pair_is_an_unknown_character(engine: ChatEngine) -> None:
    half, unknown = (
        list(engine.chat([{"role": "user", "content": f"The {text}cat"}], GREEDY, n_predict=10))
        for text in ("\ud800", "\ufffd")
    )
    assert half == unknown != []


def test_what_nobody_foresaw_is_the_error_of_one_answer(engine: ChatEngine) -> None:
    child = engine._client.pid
    with pytest.raises(LilmError, match="it cannot answer: AttributeError"):
        list(engine.chat([{"role": "user", "content": 7}], GREEDY))  # type: ignore[dict-item]
    assert list(engine.chat(HELLO, GREEDY, n_predict=10))
    assert engine._client.pid == child


@pytest.fixture
def with_template(chat_gguf: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Writes the model with another chat template."""
    folder = shutil.copytree(chat_gguf.parent, tmp_path / "other")

    def write(template: str) -> Path:
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
        write_gguf(folder, folder / chat_gguf.name, ("ja",))
        return folder / chat_gguf.name

    return write


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("raise_exception('not this one')", "not this one"),
        ("'a' * 10 ** 7", "more than 1000000 characters"),
        ("'\\ud800'", ""),
    ],
)
def test_a_template_that_fails_for_one_message_answers_others(
    with_template: Callable[[str], Path], wrong: str, why: str
) -> None:
    each = "{{ m.content }}</s>{% if m.role == 'tool' %}{{ " + wrong + " }}{% endif %}"
    with ChatEngine(with_template("{% for m in messages %}" + each + "{% endfor %}"), threads=1) as engine:
        answer = list(engine.chat(HELLO, GREEDY, n_predict=10))
        asked = engine.chat([{"role": "tool", "content": "むかし"}], GREEDY, n_predict=10)
        if why:
            with pytest.raises(LilmError, match=why):
                list(asked)
        else:
            assert list(asked)
        assert list(engine.chat(HELLO, GREEDY, n_predict=10)) == answer


def test_a_template_that_is_not_utf8_is_one_line(with_template: Callable[[str], Path]) -> None:
    file = with_template("{{ messages[0].content }}éé")
    file.write_bytes(file.read_bytes().replace("éé".encode(), b"\xff\xfe\xfd\xfc"))
    with pytest.raises(LilmError, match=r"its chat template is not UTF-8 \(byte 25\)") as caught:
        ChatEngine(file)
    assert "lilm run" not in caught.value.line(), "the file is not of a run"


def test_broken_files_are_refused(chat_gguf: Path, tmp_path: Path) -> None:
    cut, other = tmp_path / "cut.gguf", tmp_path / "other.gguf"
    cut.write_bytes(chat_gguf.read_bytes()[:5000])
    other.write_bytes(b"PK\x03\x04 not a model")
    with pytest.raises(LilmError, match="not a GGUF file"):
        ChatEngine(other)
    with pytest.raises(LilmError, match="cannot load"):
        ChatEngine(cut)
    with pytest.raises(LilmError, match="no such file"):
        ChatEngine(tmp_path / "absent.gguf")
