"""The one error that is meant for the user. What else comes to the command line is a bug, or what the system refused
where nobody foresaw it (cli/unforeseen.py)."""

LONGEST = 1_000  # characters of each part; what was found may be a whole file


class LilmError(Exception):
    """Something the user can mend. Shown as one line; the process exits with code 2. What is too long is cut, and what
    cannot be written (half a surrogate pair) is escaped.

    what: what is wrong, with the value found.
    where: the file, recipe key or command it was found in.
    remedy: what to do about it.
    """

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        self.what, self.where, self.remedy = (_writable(part) for part in (what, where, remedy))
        super().__init__(self.line())

    def line(self) -> str:
        parts = [f"{self.where}: {self.what}" if self.where else self.what]
        if self.remedy:
            parts.append(self.remedy)
        return " ".join(" — ".join(parts).split())


def _writable(text: str) -> str:
    text = text if len(text) <= LONGEST else text[:LONGEST] + "…"
    return text.encode("utf-8", errors="backslashreplace").decode()
