"""What no part of LiLM turned into a line of its own: one line too, with the traceback in a file."""

import errno
import traceback
from pathlib import Path

from lilm.cache import state_dir
from lilm.disk import write_atomic
from lilm.errors import LilmError

LOG = "last-error.log"  # in the folder of `state_dir`; the one before is replaced


def unforeseen(error: OSError | RecursionError | MemoryError) -> LilmError:
    """The line for it; where it happened is written to LOG. Raises OSError where that cannot be written."""
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        name = str(error.filename or "")
        return LilmError("a name too long for any file", where=f"{name[:60]}…", remedy="correct the path")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return LilmError("no space left on the disk", where=str(error.filename or ""), remedy="free some and go on")
    if isinstance(error, FileExistsError | NotADirectoryError) and (file := _file_on(str(error.filename or ""))):
        return LilmError(
            "a file, where a folder is needed", where=str(file), remedy="give another path, or move it away"
        )
    log = state_dir() / LOG
    log.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(log, "".join(traceback.format_exception(error)))
    ours = f"it is a fault of LiLM's: {log} has where it happened"
    if isinstance(error, OSError):
        what, where = error.strerror or str(error) or type(error).__name__, str(error.filename or "")
        return LilmError(what, where=where, remedy=f"mend the path, its rights or the connection; else {ours}")
    what = "not enough memory" if isinstance(error, MemoryError) else "nested too deep"
    return LilmError(what, where=type(error).__name__, remedy=f"give it less; else {ours}")


def _file_on(path: str) -> Path | None:
    """The first of the path and the folders above it that is there and is no folder."""
    upwards = [Path(path), *Path(path).parents] if path else []
    return next((place for place in reversed(upwards) if place.exists() and not place.is_dir()), None)
