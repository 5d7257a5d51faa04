"""The proof that what is measured on was read by nothing that made the files, by hashes of whole documents."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lilm.commands import command
from lilm.documents import read_texts
from lilm.errors import LilmError
from lilm.export.calibration import digest
from lilm.export.quality.opened import OpenedRun
from lilm.pipeline.artifact import read_manifest

TRAINING = "training"


def prove_apart(run: OpenedRun, measured: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """{"measured", "read", "overlap": 0}: number of documents and hash of their sorted hashes, by kind and by reader.

    measured: by kind of text, hashes of whole documents. The readers are training and the learning of blocks (the
    corpus's training split, all of it), and importance and sensitivity of a budget.
    Raises LilmError when a document is in both, and when the corpus is no longer the one that the files were made with.
    """
    _check_corpus(run)
    languages = [lang for lang in run.languages if lang in measured]
    ours = {one for lang in languages for one in measured[lang]}
    used = {name: list(entry["documents_sha256"]) for name, entry in run.report.get("calibration", {}).items()}
    calibrated = {one for found in used.values() for one in found}
    training = hashlib.sha256()
    documents, known = 0, set()
    for lang in run.languages:
        for text in read_texts(run.corpus, lang, "train"):
            one = digest(text)
            if one in ours:
                raise _overlap(run, TRAINING, text)
            documents += 1
            training.update(bytes.fromhex(one))
            if one in calibrated:
                known.add(one)
    for name, found in used.items():
        if ours & set(found):
            raise _overlap(run, name, min(ours & set(found)))
    if calibrated - known:
        raise _stale(run, f"{len(calibrated - known)} documents that a budget was measured on are not in it")
    return {
        "measured": {kind: describe(found) for kind, found in measured.items()},
        "read": {
            TRAINING: {"documents": documents, "sha256": training.hexdigest()},
            **{name: describe(found) for name, found in used.items()},
        },
        "overlap": 0,
    }


def add_reader(run: OpenedRun, proof: dict[str, Any], measured: Sequence[str], name: str, read: Sequence[str]) -> None:
    """The same for one more reader, into the `proof`. Raises as `prove_apart`."""
    if common := set(measured) & set(read):
        raise _overlap(run, name, min(common))
    proof["read"][name] = describe(read)


def describe(documents: Iterable[str]) -> dict[str, int | str]:
    """Their number, and the hash of their sorted hashes one after another."""
    found = sorted(set(documents))
    return {"documents": len(found), "sha256": hashlib.sha256(b"".join(map(bytes.fromhex, found))).hexdigest()}


def _check_corpus(run: OpenedRun) -> None:
    """Packed text, from which blocks are learnt, is of this very corpus."""
    corpus, pack = read_manifest(run.corpus), read_manifest(run.folder / "pack")
    if corpus is not None and pack is not None and pack.inputs.get("corpus") != corpus.digest:
        raise _stale(run, "the packed text is of another one")


def _stale(run: OpenedRun, why: str) -> LilmError:
    what = f"the corpus is not the one that the files were made with: {why}"
    return LilmError(what, where=str(run.corpus), remedy=command("run", "--run", run.folder, "--to", "export"))


def _overlap(run: OpenedRun, reader: str, text: str) -> LilmError:
    what = f"a held-out document was read by {reader} too: {text[:40]!r}"
    remedy = "run the corpus stage again with --force, and what comes after it"
    return LilmError(what, where=str(run.corpus), remedy=remedy)
