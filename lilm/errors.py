"""The one error that is meant for the user; everything else is a bug and keeps its traceback."""


class LilmError(Exception):
    """Something the user can mend. Shown as one line; the process exits with code 2.

    what: what is wrong, with the value found.
    where: the file, recipe key or command it was found in.
    remedy: what to do about it.
    """

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        self.what, self.where, self.remedy = what, where, remedy
        super().__init__(self.line())

    def line(self) -> str:
        parts = [f"{self.where}: {self.what}" if self.where else self.what]
        if self.remedy:
            parts.append(self.remedy)
        return " ".join(" — ".join(parts).split())
