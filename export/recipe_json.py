"""recipe.json, beside the GGUF files: all that decides their bytes. `lilm export remake` reads it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from lilm.errors import LilmError
from lilm.export.delivery import Delivered, described
from lilm.json_file import read_json_object
from lilm.pipeline.artifact import files_below, read_manifest
from lilm.pipeline.hashing import sha256_file, sha256_json
from lilm.pipeline.made_by import libraries_of
from lilm.pipeline.stage import Context
from lilm.recipe.export import LearnedConfig, QuantType
from lilm.recipe.section import Section

NAME = "recipe.json"
READ = ("config.json", "*.safetensors", "*.safetensors.index.json", "tokenizer*", "added_tokens.json", "*.jinja")
"""What the F16 file is made from, of the model's folder."""


class FileEntry(Section):
    """A file, or one part of it."""

    name: str = Field(pattern=r"^[A-Za-z0-9._-]{1,200}\.gguf$")
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class ImatrixEntry(Section):
    """path: from the recipe.json's folder."""

    path: str
    sha256: str


class FullEntry(FileEntry):
    parts: tuple[FileEntry, ...] = ()
    made_from: dict[str, str]
    """Hash of each file that it was made from: those of the Hugging Face model."""


class QuantEntry(FileEntry):
    """A file that is made from the F16 one."""

    parts: tuple[FileEntry, ...] = ()
    how: Literal["llama.cpp", "mix", "learned"]
    quant: QuantType | None = None
    """llama.cpp: its recipe of types."""
    types: dict[str, str]
    """Of each tensor."""
    imatrix: ImatrixEntry | None = None
    """mix: what its matrices are rounded with."""
    plain: tuple[str, ...] = ()
    """mix: those that are rounded without it."""
    begins_with: str = ""
    """learned: the file whose blocks were learnt."""
    settings: LearnedConfig | None = None
    learnt_from: dict[str, str] = Field(default={})
    """learned: hash of the model's folder and of the packed text."""


class RecipeFile(Section):
    format: Literal[1] = 1
    made_by: dict[str, str]
    """Versions; others may make other bytes."""
    seed: int
    threads: int = Field(ge=1)
    languages: tuple[str, str]
    shard_mb: float = Field(ge=0)
    full: FullEntry
    files: tuple[QuantEntry, ...]


def made_by() -> dict[str, str]:
    return libraries_of("lilm.export.stage")


def full_entry(delivered: Delivered, source: Path, more: Mapping[str, Path] | None = None) -> FullEntry:
    """source: the folder of the model that it was made from. more: other folders that something of it is from."""
    made_from = hashes(source)
    for name, folder in (more or {}).items():
        made_from |= {f"{name}/{file}": digest for file, digest in hashes(folder).items()}
    return FullEntry.model_validate({**delivered.as_json(), "made_from": made_from})


def hashes(folder: Path) -> dict[str, str]:
    """Of each file that a GGUF file is made from, of a model's folder."""
    paths = sorted({path for pattern in READ for path in folder.glob(pattern)})
    return {path.name: sha256_file(path) for path in paths}


def imatrix_entry(path: Path, folder: Path) -> ImatrixEntry:
    return ImatrixEntry(path=path.relative_to(folder).as_posix(), sha256=described(path)["sha256"])


def folder_digest(folder: Path) -> str:
    """Returns the hash of a stage's outputs."""
    manifest = read_manifest(folder)
    if manifest is not None:
        return manifest.digest
    return sha256_json({path.relative_to(folder).as_posix(): sha256_file(path) for path in files_below(folder)})


def recipe_json(
    full: FullEntry, files: Sequence[Mapping[str, Any]], shard_mb: float, context: Context
) -> dict[str, Any]:
    """The file's content; what an entry does not need is left out."""
    recipe = RecipeFile(
        made_by=made_by(),
        seed=context.seed,
        threads=context.threads,
        languages=(context.language, context.base_language),
        shard_mb=shard_mb,
        full=full,
        files=tuple(QuantEntry.model_validate(one) for one in files),
    )
    found = recipe.model_dump(mode="json")
    for entry in (found["full"], *found["files"]):
        for name in [name for name, value in entry.items() if value in (None, "", [], {})]:
            del entry[name]
    return found


def read_recipe(path: Path) -> RecipeFile:
    """Raises LilmError when it is no recipe.json of this version."""
    found = read_json_object(path, remedy="give a recipe.json of `lilm export`")
    try:
        return RecipeFile.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(str(one) for one in first["loc"])
        raise LilmError(
            f"{at}: {first['msg']}", where=str(path), remedy="give a recipe.json of `lilm export`, as it was written"
        ) from error
