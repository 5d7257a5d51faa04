"""A stage's folder and its manifest: what was made, from what, and the hashes that prove it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lilm.commands import command
from lilm.errors import LilmError
from lilm.json_file import read_json_object
from lilm.pipeline.hashing import sha256_file, sha256_json, write_json

MANIFEST = "manifest.json"
ALL = ("**/*",)


@dataclass(frozen=True)
class Artifact:
    """What a stage answers.

    measurements: figures about the work (JSON values); times may stand here, since they are not hashed.
    volatile: outputs whose bytes may differ from run to run (timings, logs), as paths relative to the
        folder; they are listed in the manifest without a hash and no stage may read them.
    """

    measurements: dict[str, Any] = field(default_factory=dict)
    volatile: tuple[str, ...] = ()


@dataclass(frozen=True)
class Manifest:
    """`manifest.json`: there and matching means the stage is done.

    key: of config and inputs. code: hashes of the modules and data files that the stage's code is, by name. made_by:
    versions of LiLM, Python and the libraries.
    """

    stage: str
    key: str
    config: dict[str, Any]
    inputs: dict[str, Any]
    outputs: dict[str, dict[str, Any]]
    volatile: tuple[str, ...]
    measurements: dict[str, Any]
    code: dict[str, str] = field(default_factory=dict)
    made_by: dict[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Hash of the outputs' hashes: what the stages after this one depend on."""
        return sha256_json({name: entry["sha256"] for name, entry in self.outputs.items()})

    def is_from(self, other: "Manifest | None") -> bool:
        """Whether it was made from the very folder that `other` describes."""
        return other is not None and self.inputs.get(other.stage) == other.digest

    def write(self, folder: Path) -> None:
        write_json(folder / MANIFEST, {**self.__dict__, "volatile": list(self.volatile)})


def files_below(folder: Path, patterns: Sequence[str] = ALL) -> list[Path]:
    """All files of these patterns but the manifest, and but hidden ones: no stage writes any, file managers do."""
    found = {path for pattern in patterns for path in folder.glob(pattern)}
    return sorted(path for path in found if path.is_file() and path.name != MANIFEST and not path.name.startswith("."))


def own_files(folder: Path) -> list[Path]:
    """What a stage wrote into its folder, as its manifest tells: what somebody else put there is not among it. All
    files where there is no manifest that can be read, as while the stage works."""
    manifest = read_manifest(folder)
    if manifest is None:
        return files_below(folder)
    return [folder / name for name in sorted({*manifest.outputs, *manifest.volatile})]


def describe_outputs(folder: Path, volatile: Sequence[str], patterns: Sequence[str] = ALL) -> dict[str, dict[str, Any]]:
    """Size, mtime and SHA-256 of each reproducible file of these patterns in `folder`, by relative path."""
    outputs = {}
    for path in files_below(folder, patterns):
        name = path.relative_to(folder).as_posix()
        if name not in volatile:
            stat = path.stat()
            outputs[name] = {"bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": sha256_file(path)}
    return outputs


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a finished stage, or None when there is none that this version can read: a stage without one is
    not done, and runs again."""
    path = folder / MANIFEST
    if not path.is_file():
        return None
    try:
        data = read_json_object(path)
        manifest = Manifest(**{**data, "volatile": tuple(data["volatile"])})
        shapes = [(entry["bytes"], entry["mtime_ns"], entry["sha256"]) for entry in manifest.outputs.values()]
    except (LilmError, KeyError, TypeError, AttributeError):
        return None
    tables = (manifest.config, manifest.inputs, manifest.measurements, manifest.code, manifest.made_by)
    sound = isinstance(manifest.key, str) and all(isinstance(table, dict) for table in tables)
    named = all(_is_below(folder, name) for name in (*manifest.outputs, *manifest.volatile))
    typed = all(isinstance(size, int) and isinstance(at, int) and isinstance(sha, str) for size, at, sha in shapes)
    return manifest if sound and named and typed else None


def how_to_replace(path: Path) -> str:
    """What to do about a damaged file. Only what a stage made can be made again by that stage."""
    manifest = read_manifest(path.parent)
    if manifest is None or path.name not in manifest.outputs:
        return "fetch or convert the file again"
    run_dir = path.absolute().parent.parent
    return f"make it again: `{command('run', '--run', run_dir, '--from', manifest.stage)}`"


def _is_below(folder: Path, name: Any) -> bool:
    return isinstance(name, str) and (folder / name).resolve().is_relative_to(folder.resolve())


def changed_output(folder: Path, manifest: Manifest) -> str | None:
    """Name of the first output that is missing or differs from the manifest, or None.

    A file whose size and mtime are those of the manifest is not read again.
    """
    for name, entry in manifest.outputs.items():
        path = folder / name
        if not path.is_file():
            return name
        stat = path.stat()
        if stat.st_size != entry["bytes"]:
            return name
        if stat.st_mtime_ns != entry["mtime_ns"] and sha256_file(path) != entry["sha256"]:
            return name
    return None
