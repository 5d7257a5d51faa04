"""Whether the links of a checkout are links: git for Windows writes text files in their place when it is not told."""

from pathlib import Path

from lilm.errors import LilmError

LINKS = ("train", "export", "wasm", "demo")  # of the package, to the folders beside it


def require_links(package: Path) -> None:
    """package: LiLM's own folder. Raises LilmError where a file stands for one of LINKS; what is installed has none."""
    wrong = next((name for name in LINKS if (package / name).is_file()), None)
    if wrong is not None:
        raise LilmError(
            f"a text file stands where the checkout has a link to ../{wrong}",
            where=str(package / wrong),
            remedy="`git config core.symlinks true`, then `git checkout -- lilm` (on Windows with its developer mode "
            "on), or install the wheel",
        )
