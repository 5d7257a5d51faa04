"""Files from the Hugging Face hub: resumed after a broken connection, hashes checked by the client."""

from collections.abc import Sequence
from pathlib import Path

from lilm.errors import LilmError


def download_model(repo: str, revision: str, patterns: Sequence[str]) -> Path:
    """The folder in the hub's cache that holds the files of `repo` matching `patterns`.

    Raises LilmError when the hub says no or cannot be reached.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repo, revision=revision, allow_patterns=list(patterns)))
    except (HfHubHTTPError, LocalEntryNotFoundError, ConnectionError) as error:
        raise LilmError(
            f"cannot download ({str(error).splitlines()[0]})",
            where=f"{repo}@{revision}",
            remedy="check the name and the connection, then run again (it goes on where it stopped); "
            'without a hub, set base.kind = "path"',
        ) from error
