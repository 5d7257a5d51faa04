"""What a translator answered, on the disk from the moment it came: nothing is asked twice, whenever a run stops."""

import sqlite3
from pathlib import Path
from typing import Any

from lilm.closing import Closing
from lilm.errors import LilmError
from lilm.pipeline.hashing import sha256_json
from lilm.train.finetune.translate.translators import Reply


class KeptAnswers(Closing):
    """A SQLite file of replies by what was asked. Use it in a `with`.

    Raises LilmError when the file is none of its own, another process writes to it, or the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._base = sqlite3.connect(path, timeout=1.0, isolation_level=None)
        except sqlite3.Error as error:
            raise self._explained(error) from error
        try:
            self._do("PRAGMA locking_mode = EXCLUSIVE")
            self._do("PRAGMA journal_mode = WAL")
            self._do("PRAGMA synchronous = NORMAL")
            self._do("CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, text TEXT, finish TEXT) WITHOUT ROWID")
            self._do("DELETE FROM answers WHERE finish = 'refused'")  # a mended server may take it
        except BaseException:
            self.close()
            raise

    @property
    def empty(self) -> bool:
        return self._do("SELECT 1 FROM answers LIMIT 1").fetchone() is None

    def get(self, asked: dict[str, Any]) -> Reply | None:
        found = self._do("SELECT text, finish FROM answers WHERE key = ?", sha256_json(asked)).fetchone()
        return Reply(*found) if found else None

    def put(self, asked: dict[str, Any], reply: Reply) -> Reply:
        """Keeps the reply, and returns it; where the same was asked twice at once, the one that came first."""
        self._do("INSERT OR IGNORE INTO answers VALUES (?, ?, ?)", sha256_json(asked), reply.text, reply.finish)
        return self.get(asked) or reply

    def close(self) -> None:
        self._base.close()

    def _do(self, statement: str, *values: str) -> sqlite3.Cursor:
        try:
            return self._base.execute(statement, values)
        except sqlite3.Error as error:
            raise self._explained(error) from error

    def _explained(self, error: sqlite3.Error) -> LilmError:
        said = str(error)
        remedy = "delete it, or give another --out"
        if "locked" in said:
            said, remedy = "another process works on it", "wait for that one, or give another --out"
        elif "full" in said:
            remedy = "make room, then run again: it goes on where it stopped"
        return LilmError(f"answers cannot be kept ({said})", where=str(self._path), remedy=remedy)
