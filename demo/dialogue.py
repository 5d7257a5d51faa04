"""A chat as it is kept, changed, saved and loaded, whoever shows it."""

from pathlib import Path

from lilm.chat import Message
from lilm.disk import write_atomic
from lilm.errors import LilmError
from lilm.json_file import read_json_object
from lilm.llamacpp.messages import chat_json, system_and_turns

MAX_BYTES = 64 * 2**20


def _can_go(path: Path) -> bool:
    """Whether it is an empty file or a chat."""
    if path.is_file() and not path.stat().st_size:
        return True
    try:
        Dialogue().load(path)
    except LilmError:
        return False
    return path.is_file()


class Dialogue:
    """system: what stands before the turns, "" for nothing. turns: {role, content} of user and assistant."""

    def __init__(self, system: str = "") -> None:
        self.system = system
        self.turns: list[Message] = []

    @property
    def messages(self) -> list[Message]:
        """As a model is asked."""
        head = [{"role": "system", "content": self.system}] if self.system else []
        return [*head, *self.turns]

    def ask(self, text: str) -> None:
        self.turns.append({"role": "user", "content": text})

    def answered(self, text: str) -> None:
        self.turns.append({"role": "assistant", "content": text})

    def take_back(self) -> str | None:
        """Removes the last question with its answers and returns it; None where there is none."""
        for at in range(len(self.turns) - 1, -1, -1):
            if self.turns[at]["role"] == "user":
                question = self.turns[at]["content"]
                del self.turns[at:]
                return question
        return None

    def save(self, path: Path) -> None:
        """As {"messages": [...]}, which `lilm generate` and chat tools read. Raises LilmError where it cannot, and for
        a file that is there and no chat: nothing else is written over."""
        if path.exists() and not _can_go(path):
            raise LilmError("it is there already, and no chat", where=str(path), remedy="give another file")
        try:
            write_atomic(path, chat_json(self.messages) + "\n")
        except OSError as error:
            raise LilmError(f"cannot be written ({error.strerror})", where=str(path), remedy="give another") from error

    def load(self, path: Path) -> None:
        """Take what `save` wrote in place of this chat. Raises LilmError for a file that is no chat; then this one
        stays."""
        found = read_json_object(path, remedy="give a file of /save", max_bytes=MAX_BYTES)
        self.system, self.turns = system_and_turns(found.get("messages"), str(path))
