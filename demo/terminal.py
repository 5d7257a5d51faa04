"""`lilm chat --terminal`: the chat of the Gradio page, in a terminal or through a pipe."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from rich.console import Console

from lilm.chat import Message
from lilm.chat.rendering import well_formed
from lilm.demo.answer_schema import read_schema
from lilm.demo.dialogue import Dialogue
from lilm.demo.meter import meter
from lilm.errors import LilmError
from lilm.llamacpp.answers import MAX_SEED, Order
from lilm.llamacpp.chat import ChatEngine
from lilm.progress import text_console

PROMPT = "> "
HELP = """\
/regenerate     another answer to the last question
/edit [TEXT]    ask the last question anew: with TEXT in its place, or in the line to be changed
/system [TEXT]  the system message from now on; without TEXT there is none
/schema [FILE]  answers follow the JSON schema in FILE from now on; without FILE none
/save FILE      write the chat to a file (JSON)
/load FILE      go on with the chat of a file
/quit           end, as Ctrl-D does
Ctrl-C stops an answer. A line that begins with a space is a message, whatever follows."""


@dataclass
class Terminal:
    """One chat. out: gets the answers alone; notes: all else. read: the next line that is typed, without its end, None
    when there is no more; what `read` is given stands in the line already, to be changed.

    interactive: somebody sits there: mistakes are told and the chat goes on. Else the first mistake ends it with its
    LilmError.
    """

    engine: ChatEngine
    order: Order
    dialogue: Dialogue
    out: TextIO
    notes: Console
    read: Callable[[str], str | None]
    interactive: bool = False

    def run(self) -> None:
        """Until the lines end, or /quit."""
        while (line := self.read("")) is not None:
            before, system = list(self.dialogue.turns), self.dialogue.system
            try:
                if not self._take(line):
                    return
            except LilmError as error:
                self.dialogue.turns, self.dialogue.system = before, system
                if not self.interactive:
                    raise
                self._note(error.line())

    def _take(self, line: str) -> bool:
        """Obey a command or answer a message. False at the end."""
        before = list(self.dialogue.turns)
        if not line.startswith("/"):
            if line.strip():
                self.dialogue.ask(line.strip())
                self._answer(before)
            return True
        name, _, rest = line[1:].partition(" ")
        rest = rest.strip()
        match name:
            case "quit":
                return False
            case "help":
                self._note(HELP)
            case "regenerate":
                self.dialogue.ask(self._last_question())
                self._answer(before)
            case "edit":
                self._edit(rest)
            case "system":
                self.dialogue.system = rest
                self._note("the system message is set" if rest else "no system message from now on")
            case "schema":
                schema = read_schema(Path(rest).expanduser()) if rest else None
                self.order = replace(self.order, schema=schema)
                self._note("answers follow the schema" if rest else "no schema from now on")
            case "save":
                self.dialogue.save(_path(rest, name))
                self._note(f"{len(self.dialogue.messages)} messages are in {rest}")
            case "load":
                self.dialogue.load(_path(rest, name))
                self._note(f"{len(self.dialogue.messages)} messages; the last: {self._last_words()}")
            case _:
                remedy = "/help lists them; a line that begins with a space is a message"
                raise LilmError("no such command", where=f"/{name}", remedy=remedy)
        return True

    def _edit(self, text: str) -> None:
        before = list(self.dialogue.turns)
        question = self._last_question()
        if not text and self.interactive:
            text = (self.read(question) or "").strip()
        if not text:
            raise LilmError("nothing to ask in its place", where="/edit", remedy="write /edit and the new question")
        self.dialogue.ask(text)
        self._answer(before)

    def _last_question(self) -> str:
        question = self.dialogue.take_back()
        if question is None:
            raise LilmError("nothing was asked yet", remedy="write a message")
        return question

    def _last_words(self) -> str:
        text = self.dialogue.turns[-1]["content"] if self.dialogue.turns else "none"
        return text if len(text) <= 100 else text[:100] + "…"

    def _answer(self, before: list[Message]) -> None:
        """Write the answer to the dialogue as it comes. before: the turns that it has again where no word comes."""
        pieces = self.engine.write(self.dialogue.messages, self.order)
        self.order = replace(self.order, seed=(self.order.seed + 1) % MAX_SEED)
        said = ""
        for piece in pieces:
            piece = piece if said else piece.lstrip()
            said += piece
            self._write(piece)
        self._write("\n")
        if pieces.outcome is None or (pieces.outcome.finish == "cancelled" and not said):
            self.dialogue.turns = before
            self._note("stopped before a word was said")
            return
        self.dialogue.answered(said.strip())
        self._note(f"[{meter(pieces.outcome, self.engine.n_ctx, self.engine.resident)}]")

    def _write(self, text: str) -> None:
        self.out.write(visible(text) if self.interactive else text)
        self.out.flush()

    def _note(self, text: str) -> None:
        self.notes.print(visible(text), style="dim", highlight=False, markup=False, soft_wrap=True)


def visible(text: str) -> str:
    """`text` with U+FFFD for control characters, with which a model's bytes could command the terminal, and for half a
    surrogate pair, as which typed bytes come that are no text: no terminal can be sent one."""
    shown = (letter if letter in "\n\t" or not _is_control(letter) else "\ufffd" for letter in text)
    return well_formed("".join(shown))


def _is_control(letter: str) -> bool:
    return ord(letter) < 32 or 127 <= ord(letter) < 160


@contextmanager
def interrupted_by(stop: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C does nothing else than to call `stop` while the block runs. In a thread: the signal may come while the
    main one writes to the child."""
    before = signal.signal(signal.SIGINT, lambda *_: threading.Thread(target=stop, daemon=True).start())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _path(text: str, command: str) -> Path:
    if not text:
        raise LilmError("no file", where=f"/{command}", remedy=f"write /{command} FILE")
    return Path(text).expanduser()


def typed_lines(notes: Console) -> Callable[[str], str | None]:
    """Lines from the terminal, which can be edited and called back. Ctrl-C empties a line."""
    import readline

    def read(begun: str) -> str | None:
        readline.set_startup_hook((lambda: readline.insert_text(begun)) if begun else None)
        while True:
            stopping = signal.signal(signal.SIGINT, signal.default_int_handler)
            try:
                return input(PROMPT)
            except EOFError:
                notes.print()
                return None
            except KeyboardInterrupt:
                notes.print("\nCtrl-D or /quit ends", style="dim")
            finally:
                signal.signal(signal.SIGINT, stopping)
                readline.set_startup_hook(None)

    return read


def piped_lines(source: TextIO) -> Callable[[str], str | None]:
    """Lines of a pipe or a file. Raises LilmError for other bytes than UTF-8, which would be other questions."""

    def read(begun: str) -> str | None:
        try:
            line = source.readline()
        except UnicodeDecodeError as error:
            remedy = "save it as UTF-8, or put `iconv -f CP932 -t UTF-8` before it"
            raise LilmError("not UTF-8", where="standard input", remedy=remedy) from error
        return line.rstrip("\r\n") if line else None

    return read


def talk(model: Path, order: Order, *, system: str = "", n_ctx: int = 4096, lora: Path | None = None) -> None:
    """Chat on stdin and stdout until they end. order: of the first answer; the seed grows with each.

    Raises LilmError when the model cannot be used, and where stdin is no terminal also for the first mistake.
    """
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    notes = text_console(stderr=True)
    with ChatEngine(model, n_ctx=n_ctx, lora=lora) as engine:
        if interactive:
            notes.print(f"{model.stem} · /help · Ctrl-D ends", style="dim", highlight=False, markup=False)
            read = typed_lines(notes)
        else:
            # a byte order mark before the first line would make a message of a command
            for stream, encoding, errors in ((sys.stdin, "utf-8-sig", "strict"), (sys.stdout, "utf-8", "replace")):
                if hasattr(stream, "reconfigure"):
                    stream.reconfigure(encoding=encoding, errors=errors)
            read = piped_lines(sys.stdin)
        with interrupted_by(engine.stop) if interactive else nullcontext():
            Terminal(engine, order, Dialogue(system), sys.stdout, notes, read, interactive).run()
