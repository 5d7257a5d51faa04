"""The disk: files and folders that are whole or not there, its room, and which version of a file lies on it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lilm.errors import LilmError
from lilm.report.units import size


@contextmanager
def replacing(path: Path, sync: bool = False) -> Iterator[Path]:
    """Yields a path beside `path` to write to; when the block ends, the file there replaces `path`, else it goes.

    A reader sees the old file or the whole new one, also when the process is killed. sync: also after a power cut.
    """
    part = path.with_name(path.name + ".part")
    try:
        yield part
        if sync:
            flush(part)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def flush(path: Path) -> None:
    """Wait until the file's bytes are on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def write_atomic(path: Path, text: str) -> None:
    """Write `text` as UTF-8 so that a reader sees the old file or the whole new one, also after a power cut."""
    with replacing(path, sync=True) as part:
        part.write_text(text, encoding="utf-8", newline="")


@contextmanager
def filling(folder: Path) -> Iterator[Path]:
    """Yields an empty folder beside `folder`, which takes its name when the block ends, or goes when it fails: nobody
    sees a folder half filled. What was left of a killed one is deleted first.

    Raises LilmError when `folder` is there and holds something, or cannot be replaced.
    """
    given, folder = folder, folder.resolve()  # a link to a folder stays a link
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise LilmError("it holds something already", where=str(given), remedy="delete it, or give another by --out")
    if folder == Path.cwd() or os.path.ismount(folder):
        what = "the folder that you are in" if folder == Path.cwd() else "a disk of its own"
        remedy = "give a folder by --out that is not there yet"
        raise LilmError(f"it is {what}, and would be replaced whole", where=str(given), remedy=remedy)
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        yield work
        if folder.exists():
            folder.rmdir()
        work.rename(folder)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise


def writable(text: str) -> str:
    r"""The text without halves of surrogate pairs, which no file can hold: JSON may have them, and the names of files
    that are no UTF-8, as archives of Windows unpack to.

    >>> writable("\ud800!")
    '\\ud800!'
    """
    return text.encode(errors="backslashreplace").decode()


def read_utf8(path: Path) -> str:
    """The text of a file that somebody wrote, without a byte order mark; line ends stay.

    Raises LilmError when it cannot be read, or is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise LilmError(f"cannot be read ({error.strerror})", where=str(path), remedy="give another file") from error
    except UnicodeDecodeError as error:
        raise LilmError(f"not UTF-8 (byte {error.start})", where=str(path), remedy="save it as UTF-8") from error


@contextmanager
def results_folder(folder: Path) -> Iterator[None]:
    """Make `folder` and those above it. Where the block ends by an exception, those made here that nothing came into go
    again."""
    made = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        with suppress(OSError):  # something lies in it
            for one in made:
                one.rmdir()
        raise


def link_or_copy(source: Path, target: Path) -> None:
    """A second name for the same bytes where the file system can, else a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def require_space(folder: Path, needed: float, what: str, remedy: str) -> None:
    """Raises LilmError when the disk of `folder` has less than `needed` bytes left. what: what needs them."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise LilmError(
            f"no space: {what} needs {size(needed)} on the disk, {size(free)} are free",
            where=str(folder),
            remedy=remedy,
        )


def file_version(path: Path) -> str:
    """ "size:mtime_ns": another one when the file was written to, without reading it. Raises LilmError where it is
    gone."""
    try:
        stat = path.stat()
    except FileNotFoundError as error:
        raise LilmError("no such file", where=str(path), remedy="put it there, or correct the path") from error
    return f"{stat.st_size}:{stat.st_mtime_ns}"
