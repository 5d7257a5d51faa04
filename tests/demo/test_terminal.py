"""`lilm chat --terminal`: what is said, commands, a pipe, and Ctrl-C and Ctrl-D in a real terminal."""

import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from lilm.demo.dialogue import Dialogue
from lilm.demo.terminal import Terminal, visible
from lilm.errors import LilmError
from lilm.llamacpp.answers import Order
from lilm.llamacpp.chat import ChatEngine
from lilm.recipe import SamplingConfig

GREEDY = SamplingConfig(temperature=0)
N_PREDICT = 24


class Talk:
    """A chat whose lines are known before. said: the answers; told: the notes; messages: of the chat at its end."""

    def __init__(
        self,
        engine: ChatEngine,
        lines: list[str],
        interactive: bool = True,
        sampling: object = GREEDY,
    ) -> None:
        waiting = iter(lines)
        out, notes = io.StringIO(), io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
        order = Order(sampling.model_dump(), N_PREDICT, seed=3)  # type: ignore[attr-defined]
        self.dialogue = Dialogue()
        console = Console(file=notes, width=200)

        def read(begun: str) -> str | None:
            return begun + next(waiting) if begun else next(waiting, None)

        Terminal(engine, order, self.dialogue, out, console, read, interactive).run()
        notes.seek(0)
        self.said, self.told = out.getvalue(), notes.read()


@pytest.fixture(scope="module")
def engine(chat_gguf: Path) -> ChatEngine:
    with ChatEngine(chat_gguf, threads=1) as opened:
        yield opened  # type: ignore[misc]


def expected(engine: ChatEngine, messages: list[dict[str, str]]) -> str:
    return "".join(engine.chat(messages, GREEDY, n_predict=N_PREDICT)).lstrip()


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def test_each_line_is_answered_with_what_was_said_before(engine: ChatEngine) -> None:
    talk = Talk(engine, ["むかしむかし", "", " /quit is said", "/quit", "never"])
    first = expected(engine, [user("むかしむかし")])
    chat = [user("むかしむかし"), {"role": "assistant", "content": first.rstrip()}, user("/quit is said")]
    assert talk.dialogue.turns[:-1] == chat
    assert talk.said == visible(f"{first}\n{expected(engine, chat)}\n")
    assert f"/{engine.n_ctx} · {N_PREDICT} tokens · " in talk.told
    assert " MB of memory · cut at the longest answer]" in talk.told


def test_the_system_message_is_read_first_and_can_be_taken_away(engine: ChatEngine) -> None:
    talk = Talk(engine, ["/system The cat.", "むかし", "/system", "/regenerate"])
    head = {"role": "system", "content": "The cat."}
    kind, plain = (expected(engine, [*first, user("むかし")]) for first in ([head], []))
    assert talk.said == visible(f"{kind}\n{plain}\n") and kind != plain
    assert talk.dialogue.messages == [user("むかし"), {"role": "assistant", "content": plain.rstrip()}]


def test_regenerate_says_something_else_and_the_seed_decides_what(engine: ChatEngine) -> None:
    first, both, same = (
        Talk(engine, ["むかし", *more], sampling=SamplingConfig()) for more in ([], ["/regenerate"], ["/regenerate"])
    )
    assert both.said.startswith(first.said) and both.said != first.said * 2
    assert both.said == same.said
    assert len(both.dialogue.turns) == 2


def test_edit_asks_the_last_question_anew(engine: ChatEngine) -> None:
    talk = Talk(engine, ["The cat", "/edit むかし", "/edit", "むかし"])
    assert talk.dialogue.turns[0] == user("むかしむかし"), "the question stood in the line to be changed"
    assert len(talk.dialogue.turns) == 2


class Stopping:
    """An engine whose second answer is stopped before its first word."""

    def __init__(self, engine: ChatEngine) -> None:
        self.engine, self.n_ctx, self.asked = engine, engine.n_ctx, 0
        self.resident = engine.resident

    def write(self, asked: list[dict[str, str]], order: Order) -> object:
        self.asked += 1
        return self.engine.write(asked, order) if self.asked == 1 else self

    def __iter__(self) -> Iterator[str]:
        return iter(())

    outcome = None


@pytest.mark.parametrize("line", ["/regenerate", "/edit むかし", "むかし"])
def test_ctrl_c_before_the_first_word_leaves_the_chat_as_it_was(engine: ChatEngine, line: str) -> None:
    talk = Talk(Stopping(engine), ["The cat", line])  # type: ignore[arg-type]
    answer = {"role": "assistant", "content": expected(engine, [user("The cat")]).rstrip()}
    assert talk.dialogue.turns == [user("The cat"), answer]
    assert "stopped before a word was said" in talk.told


def test_a_saved_chat_goes_on_where_it_was(engine: ChatEngine, tmp_path: Path) -> None:
    file = tmp_path / "chat.json"
    talk = Talk(engine, ["/system The cat.", "むかし", f"/save {file}"])
    assert json.loads(file.read_text(encoding="utf-8"))["messages"] == talk.dialogue.messages
    again = Talk(engine, [f"/load {file}"])
    assert again.dialogue.messages == talk.dialogue.messages
    assert "3 messages" in again.told


def test_a_chat_is_saved_over_a_chat_and_over_nothing_else(engine: ChatEngine, tmp_path: Path) -> None:
    chat, empty, other = (tmp_path / name for name in ("chat.json", "empty.json", "thesis.txt"))
    empty.touch()
    other.write_text("years of work")
    talk = Talk(engine, ["むかし", f"/save {chat}", "The cat", f"/save {chat}", f"/save {empty}", f"/save {other}"])
    assert json.loads(chat.read_text(encoding="utf-8"))["messages"] == talk.dialogue.messages
    assert empty.read_bytes() == chat.read_bytes() and other.read_text() == "years of work"
    assert "thesis.txt: it is there already, and no chat" in talk.told
    for special in (tmp_path, Path(os.devnull)):
        with pytest.raises(LilmError):
            talk.dialogue.save(special)
    assert Path(os.devnull).is_char_device()


def test_bytes_that_are_no_text_end_no_chat(engine: ChatEngine, tmp_path: Path) -> None:
    typed = b"/caf\xe9".decode(errors="surrogateescape")  # as a terminal of another encoding sends it
    talk = Talk(engine, [typed, typed[1:], f"/save {tmp_path}/{typed[1:]}"])
    assert "no such command" in talk.told and "/caf\ufffd\n" in talk.told, "told, and where it was saved"
    assert len(talk.dialogue.turns) == 2


@pytest.mark.parametrize("text", ["", "[]", '{"messages": 1}', '{"messages": [{"role": "x", "content": ""}]}'])
def test_what_is_no_chat_is_told_and_the_chat_stays(engine: ChatEngine, tmp_path: Path, text: str) -> None:
    file = tmp_path / "chat.json"
    file.write_text(text)
    talk = Talk(engine, ["むかし", f"/load {file}"])
    assert f"{file}: " in talk.told
    assert len(talk.dialogue.turns) == 2


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("/nonsense", "/nonsense: no such command"),
        ("/regenerate", "nothing was asked yet"),
        ("/save", "/save: no file"),
        ("/load no/such.json", "no such file"),
        ("/save no/such/folder/chat.json", "cannot be written"),
        ("cat " * 400, "the model's context has room for"),
        ("x" * 100_000, "too long"),
    ],
)
def test_a_mistake_is_one_line_and_changes_nothing(engine: ChatEngine, line: str, told: str) -> None:
    talk = Talk(engine, [line, "/help"])
    assert told in talk.told and "/regenerate " in talk.told
    assert talk.dialogue.turns == [] and talk.said == ""
    with pytest.raises(LilmError, match=told):
        Talk(engine, [line], interactive=False)


def test_answers_follow_a_schema_until_it_is_taken_away(engine: ChatEngine, tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    file.write_text('{"type": "boolean"}', encoding="utf-8")
    talk = Talk(engine, [f"/schema {file}", "The cat", "/schema", "The cat"])
    first, second = (line.strip() for line in talk.said.splitlines()[:2])
    assert first in ("true", "false") and second not in ("true", "false")
    assert "answers follow the schema" in talk.told and "no schema from now on" in talk.told
    file.write_text('{"not": {}}', encoding="utf-8")
    for line, why in ((f"/schema {file}", "not is not supported"), (f"/schema {tmp_path / 'no'}", "no such file")):
        assert why in Talk(engine, [line]).told


def test_a_full_context_slides_and_says_so(engine: ChatEngine) -> None:
    talk = Talk(engine, ["/system The cat.", *("The cat sat on the mat by the door. " * 4,) * 5])
    assert "the context is full: the oldest 2 messages were left out" in talk.told
    assert len(talk.dialogue.turns) == 10, "what the model no longer reads is kept"


def test_a_model_s_bytes_do_not_command_the_terminal() -> None:
    assert visible("a\x1b[2J\x9b\r\n\tは") == "a\ufffd[2J\ufffd\ufffd\n\tは"


def command(model: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "lilm", "chat", str(model), "--terminal", "--seed", "1", *options]


def test_through_a_pipe_there_are_answers_alone(chat_gguf: Path) -> None:
    asked = command(chat_gguf, "--temp", "0", "--n-predict", "8")
    inputs = "むかし\n".encode(), b"/nonsense\n", b"\xef\xbb\xbf/quit\n"
    runs = [subprocess.run(asked, input=text, capture_output=True) for text in inputs]
    assert runs[0].returncode == 0
    answer = runs[0].stdout.decode()
    assert answer.endswith("\n") and answer.strip() and not answer.startswith("> ") and "\x1b" not in answer
    assert b"context " in runs[0].stderr and b"\x1b" not in runs[0].stderr
    assert runs[1].returncode == 2 and b"no such command" in runs[1].stderr.splitlines()[-1]
    assert (runs[2].returncode, runs[2].stdout) == (0, b""), "a byte order mark makes no message of a command"


def test_the_command_takes_a_schema(chat_gguf: Path, tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    for text, code in (('{"type": "boolean"}', 0), ('{"type": ', 2)):
        file.write_text(text, encoding="utf-8")
        asked = command(chat_gguf, "--n-predict", "16", "--schema", str(file))
        done = subprocess.run(asked, input="むかし\n".encode(), capture_output=True)
        assert done.returncode == code, done.stderr
        assert done.stdout.strip() in ((b"true", b"false") if not code else (b"",))
    assert done.stderr.decode().splitlines()[-1].startswith(f"lilm: {file}: not JSON")


def test_a_pipe_in_another_encoding_is_no_question(chat_gguf: Path) -> None:
    done = subprocess.run(command(chat_gguf), input="こんにちは\n".encode("cp932"), capture_output=True)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.splitlines()[-1].startswith(b"lilm: standard input: not UTF-8")


def test_ctrl_c_stops_the_answer_and_ctrl_d_the_program(slow_gguf: Path) -> None:
    ours, theirs = pty.openpty()
    asked = command(slow_gguf, "--n-predict", "1500")
    with subprocess.Popen(asked, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = b""

        def wait_for(what: str, least: int = 0) -> None:
            nonlocal shown
            end = time.monotonic() + 60
            while what.encode() not in shown or len(shown) < least:
                assert time.monotonic() < end, shown.decode(errors="replace")
                if select.select([ours], [], [], 0.2)[0]:
                    shown += os.read(ours, 4096)

        try:
            wait_for("> ")
            shown = b""
            os.write(ours, b"Once\r")
            wait_for("\n")  # the line's echo ends there
            wait_for("\n", least=len(shown) + 20)  # and the answer has begun
            process.send_signal(signal.SIGINT)
            wait_for("stopped]")
            shown = shown[shown.index(b"stopped]") :]
            wait_for("> ")
            os.write(ours, b"\x04")
            assert process.wait(30) == 0
        finally:
            process.kill()
    os.close(ours)
