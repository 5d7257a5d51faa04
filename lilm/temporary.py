"""Temporary folders that do not outlive their process, also when it is killed."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX, SUFFIX = "lilm-", ".tmp"


@contextmanager
def temporary_folder(name: str, parent: Path | None = None) -> Iterator[Path]:
    """Yields an empty folder, which is gone when the block ends.

    name: what it is for, part of its own name. parent: where, so that what is made in it can be moved to its place;
    None: the system's temporary folder.

    Its process holds a lock on it, which the system takes back however the process ends: what a killed one left is
    deleted by the next that makes a folder.
    """
    parent = parent or Path(tempfile.gettempdir())
    remove_orphans(parent)
    folder, lock = _locked(name, parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def remove_orphans(parent: Path | None = None) -> None:
    """Delete such folders that no process holds any more. parent: as for `temporary_folder`."""
    for folder in (parent or Path(tempfile.gettempdir())).glob(f"{PREFIX}*{SUFFIX}"):
        with suppress(OSError):  # another user's, or gone meanwhile
            lock = None if folder.is_symlink() else _lock(folder)
            if lock is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)


def _locked(name: str, parent: Path) -> tuple[Path, int | None]:
    """(a new folder, its lock; None where the system has none)."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{name}-", suffix=SUFFIX, dir=parent))
        with suppress(FileNotFoundError):
            lock = _lock(folder)
            if folder.is_dir():
                return folder, lock
            if lock is not None:
                os.close(lock)
        # another process took it for an orphan before it was locked


def _lock(folder: Path) -> int | None:
    """The open folder, locked; None where another process holds it, or the system has no such locks.

    Raises OSError when it cannot be opened.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(opened)
        return None
    return opened
