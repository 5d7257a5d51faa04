"""The proof that what is measured on was read by nothing that made the files, by hashes of whole documents."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lilm.documents import read_texts
from lilm.errors import LilmError
from lilm.export.calibration import digest
from lilm.export.quality.opened import OpenedRun
from lilm.pipeline.descent import how_to_prove, why_unproved

TRAINING = "training"


def prove_apart(run: OpenedRun, measured: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """{"measured", "read", "overlap": 0, "unknown"}: number of documents and hash of their sorted hashes, by kind and
    by reader; the readers of which nobody knows what they read, as of an importance matrix of the user's own.

    measured: by kind of text, hashes of whole documents. The readers are training and the learning of blocks (the
    corpus's training split, all of it), and importance and sensitivity of a budget.
    Raises LilmError when a document is in both, when the corpus is no longer the one that the files were made with, and
    when the run's manifests do not tell that it is.
    """
    _check_corpus(run.folder)
    languages = [lang for lang in run.languages if lang in measured]
    ours = {one for lang in languages for one in measured[lang]}
    calibration = run.report.get("calibration", {})
    unknown = [name for name, entry in calibration.items() if "documents_sha256" not in entry]
    used = {name: list(entry["documents_sha256"]) for name, entry in calibration.items() if name not in unknown}
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
        "unknown": unknown,
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


def _check_corpus(folder: Path) -> None:
    """All that the files were made from is of this very corpus."""
    if why := why_unproved(folder):
        what = f"it cannot be proved that nothing learnt the held-out text: {why}"
        raise LilmError(what, where=str(folder), remedy=how_to_prove(folder))


def _stale(run: OpenedRun, why: str) -> LilmError:
    what = f"the corpus is not the one that the files were made with: {why}"
    return LilmError(what, where=str(run.corpus), remedy=how_to_prove(run.folder))


def _overlap(run: OpenedRun, reader: str, text: str) -> LilmError:
    what = f"a held-out document was read by {reader} too: {text[:40]!r}"
    remedy = "run the corpus stage again with --force, and what comes after it"
    return LilmError(what, where=str(run.corpus), remedy=remedy)
