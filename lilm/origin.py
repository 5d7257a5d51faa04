"""Where a base comes from and what licence it says it has: written beside the base, read for the GGUF and the card."""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lilm.gguf_file import GGUFFile
from lilm.pipeline.hashing import sha256_file, write_json
from lilm.recipe.base import BaseConfig

NAME = "origin.json"
CARD = "README.md"
_LONGEST = 200  # characters of what a file says
_REPO_URL = re.compile(r"^https://huggingface\.co/([\w.-]+/[\w.-]+)/?$", re.ASCII)


@dataclass(frozen=True)
class Origin:
    """kind: as in the recipe. name: for people. repo: on the hub, OWNER/NAME. revision, sha256: which one it was.
    license: as the base itself says, "" where it says nothing; license_from: where it says so."""

    kind: str
    name: str = ""
    repo: str = ""
    revision: str = ""
    sha256: str = ""
    license: str = ""
    license_from: str = ""

    @property
    def repo_url(self) -> str:
        return f"https://huggingface.co/{self.repo}" if self.repo else ""

    def write(self, folder: Path) -> None:
        write_json(folder / NAME, asdict(self))


def read_origin(folder: Path) -> Origin | None:
    """What a base stage wrote; None where there is nothing, as of a base made from scratch."""
    path = folder / NAME
    return Origin(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def of_recipe(base: BaseConfig) -> Origin | None:
    """Returns the origin as far as a recipe tells it; None for a base made from scratch."""
    if base.kind == "scratch":
        return None
    name = base.repo.rpartition("/")[2] or Path(base.path or base.url).stem
    return Origin(base.kind, name, base.repo, sha256=base.sha256)


def of_folder(kind: str, folder: Path, repo: str = "") -> Origin:
    """Returns the origin of a model's folder; on the hub its name is the revision."""
    found = card_license(folder / CARD)
    name = repo.rpartition("/")[2] or folder.name
    revision = folder.name if repo else ""
    return Origin(kind, name, repo, revision, license=found, license_from=f"its {CARD}" if found else "")


def of_gguf(file: GGUFFile) -> Origin:
    """Returns the origin of a GGUF file, by its keys."""

    def said(*keys: str) -> str:
        return next((text for key in keys if (text := _short(file.keys.get(f"general.{key}")))), "")

    license_key = next((key for key in ("license.name", "license") if said(key)), "")
    urls = said("repo_url", "source.repo_url", "source.huggingface.repository", "source.url")
    repo = _REPO_URL.match(urls)
    return Origin(
        "gguf",
        said("name", "basename") or file.path.stem,
        repo[1] if repo else "",
        sha256=sha256_file(file.path),
        license=said(license_key) if license_key else "",
        license_from=f"general.{license_key} in the file" if license_key else "",
    )


def card_license(card: Path) -> str:
    """What a model card's front matter says, "" where it does not, or cannot be read."""
    if not card.is_file():
        return ""
    import yaml  # type: ignore[import-untyped]
    from huggingface_hub import metadata_load

    try:
        found: Any = metadata_load(card)
    except (yaml.YAMLError, ValueError, RecursionError):  # no YAML, no UTF-8, or no table
        return ""
    if not isinstance(found, dict):
        return ""
    said = _short(found.get("license"))
    return _short(found.get("license_name")) or said if said == "other" else said


def _short(found: Any) -> str:
    """One line of text, "" for anything else."""
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if not isinstance(found, str):
        return ""
    text = " ".join(found.encode(errors="replace").decode().split())
    return text if len(text) <= _LONGEST else ""
