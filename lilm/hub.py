"""Files from the Hugging Face hub: resumed after a broken connection, hashes checked by the client."""

from collections.abc import Sequence
from pathlib import Path

from lilm.errors import LilmError


def download_model(repo: str, revision: str, patterns: Sequence[str]) -> Path:
    """The folder in the hub's cache that holds the files of `repo` matching `patterns`, but none of its folders: what
    lies in these are other weights, as those of checkpoints.

    Raises LilmError when the hub says no or cannot be reached, when the connection breaks, and for what is no name.
    """
    from huggingface_hub import errors, snapshot_download

    # what the client raises when a connection breaks: of httpx or, later, httpx2; not each version has both
    broken = tuple(getattr(errors, name) for name in ("HTTPError", "XetDownloadError") if hasattr(errors, name))
    try:
        return Path(snapshot_download(repo, revision=revision, allow_patterns=list(patterns), ignore_patterns="*/*"))
    except errors.HFValidationError as error:
        raise LilmError(
            f"no name of a model ({_first_line(error)})",
            where=f"base.repo {repo}",
            remedy="give OWNER/NAME, as the hub's page has it above",
        ) from error
    except (OSError, *broken) as error:  # the hub's own are OSErrors
        raise LilmError(
            f"cannot download ({_first_line(error)})",
            where=f"{repo}@{revision}",
            remedy="check the name and the connection, then run again (it goes on where it stopped); "
            'without a hub, set base.kind = "path"',
        ) from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
