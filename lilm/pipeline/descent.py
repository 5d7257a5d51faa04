"""Whether what a run holds was made from the very corpus that lies in it, by its manifests."""

from pathlib import Path

from lilm.commands import command
from lilm.errors import LilmError
from lilm.pipeline.artifact import Manifest, read_manifest
from lilm.pipeline.stage import STAGES

CHAIN = {"export": "finetune", "finetune": "pretrain", "pretrain": "pack", "pack": "corpus"}
"""What each stage reads in any run, by which the export comes from the corpus."""


def why_unproved(run_dir: Path) -> str:
    """Why the manifests do not tell that the run's export, and all that it was made from, read the corpus that is there
    now and no other; "" where they do.

    Raises LilmError for the first stage that was made from something else than what is there now.
    """
    names = [stage.name for stage in STAGES]
    names = names[: names.index("export") + 1]
    reached, unproved = {"export"}, ""
    for name in reversed(names):  # a stage reads only such as stand before it
        if name not in reached:
            continue
        manifest = read_manifest(run_dir / name)
        if manifest is None:
            unproved = unproved or f"stage {name} is gone, or not done"
            continue
        read = [one for one in names if one in manifest.inputs]
        if name in CHAIN and CHAIN[name] not in read:
            unproved = unproved or f"stage {name} does not tell from which {CHAIN[name]} it was made"
        for one in read:
            _check_same(run_dir, manifest, one)
        reached |= set(read)
    return unproved


def _check_same(run_dir: Path, manifest: Manifest, name: str) -> None:
    found = read_manifest(run_dir / name)
    if found is not None and not manifest.is_from(found):
        what = f"stage {manifest.stage} was made from another {name} than the one that is there now"
        raise LilmError(what, where=str(run_dir), remedy=how_to_prove(run_dir))


def how_to_prove(run_dir: Path) -> str:
    """The command that makes all of them from one corpus."""
    return command("run", "--run", run_dir, "--to", "export")
