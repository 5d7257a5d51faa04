"""Nothing of the evaluation files may be learnt: documents that hold an n-gram of one are refused.

Both sides are folded first (NFKC, case, letters and digits only), so that width, punctuation and line breaks hide
nothing. (GPT-3's decontamination, Brown et al. 2020, appendix C, on characters instead of words.)
"""

import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lilm.disk import writable
from lilm.errors import LilmError
from lilm.json_file import AGAIN, MAX_DEPTH, is_deep, is_text
from lilm.pipeline.hashing import write_json
from lilm.train.corpus.blocks import save_array
from lilm.train.corpus.ngrams import Hashes, code_points, ngram_hashes
from lilm.train.corpus.sources.base import Damaged
from lilm.train.corpus.sources.decoding import Undecodable, decode
from lilm.train.corpus.sources.files import globbed, read_bytes, unpacked_suffix

_BITS = 24  # of the filter that spares most look-ups
_MASK = np.uint64((1 << _BITS) - 1)
JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
_NOT_LETTERS = re.compile(r"[\W_]+")
_LINE_END = re.compile(r"\r\n|\n|\r")  # and no other: JSON may hold U+2028 or U+0085 in a string
_ADDRESS = re.compile(r"https?://[!-~]*")


def fold(text: str) -> str:
    return _NOT_LETTERS.sub("", unicodedata.normalize("NFKC", text).casefold())


@dataclass(frozen=True)
class EvaluationNgrams:
    """size: characters of an n-gram; hashes: sorted, [n]; files: which of `names` each comes from, [n]."""

    size: int
    hashes: Hashes
    files: Hashes
    names: tuple[str, ...]
    likely: "np.ndarray[tuple[int], np.dtype[np.bool_]]"

    @classmethod
    def load(cls, path: Path) -> "EvaluationNgrams":
        hashes, files = np.load(path)
        about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        likely = np.zeros(1 << _BITS, dtype=bool)
        likely[(hashes & _MASK).astype(np.int64)] = True
        return cls(about["size"], hashes, files, tuple(about["names"]), likely)

    def find(self, text: str) -> tuple[str, str] | None:
        """(the first n-gram that `text` holds, folded; name of its file), or None."""
        folded = fold(text)
        if len(folded) < self.size or not len(self.hashes):
            return None
        found = ngram_hashes(code_points(folded), self.size)
        places = np.flatnonzero(self.likely[(found & _MASK).astype(np.int64)])
        at = np.minimum(np.searchsorted(self.hashes, found[places]), len(self.hashes) - 1)
        hits = np.flatnonzero(self.hashes[at] == found[places])
        if not len(hits):
            return None
        place, entry = int(places[hits[0]]), int(at[hits[0]])
        return folded[place : place + self.size], self.names[int(self.files[entry])]


def evaluation_files(patterns: Sequence[str]) -> list[Path]:
    """Raises LilmError when a pattern matches nothing."""
    files: list[Path] = []
    for pattern in patterns:
        found = globbed(pattern)
        if not found:
            raise LilmError("no file matches", where=f"corpus.decontaminate.path {pattern}", remedy="correct the path")
        files += found
    return files


def write_evaluation(patterns: Sequence[str], size: int, path: Path) -> None:
    """Write the n-grams of the files to `path` (uint64 [2, n]: hash, number of the file) and beside it their names."""
    files = evaluation_files(patterns)
    parts = [np.empty((2, 0), dtype=np.uint64)]
    for number, file in enumerate(files):
        folded = [code_points(fold(entry)) for entry in evaluation_entries(file)]
        grams = [ngram_hashes(codes, size) for codes in folded if len(codes) >= size]
        if grams:
            hashes = np.unique(np.concatenate(grams))
            parts.append(np.stack([hashes, np.full_like(hashes, number)]))
    whole = np.concatenate(parts, axis=1)
    whole = whole[:, np.lexsort((whole[1], whole[0]))]
    write_json(path.with_suffix(".json"), {"size": size, "names": [writable(file.name) for file in files]})
    save_array(path, whole)


def evaluation_entries(file: Path) -> Iterator[str]:
    """Every string of a JSON or JSONL file, packed or not, but keys and a URL at a string's beginning; every line of
    another.

    A file is JSON that is named so, or that is otherwise named and can be read as such.
    """
    try:
        text = decode(read_bytes(file), "ja")
    except Undecodable as error:
        raise LilmError(f"{error.what} at byte {error.position}", where=str(file), remedy=error.remedy) from error
    except Damaged as error:
        raise error.bad.error() from error
    named = unpacked_suffix(file) in JSON_SUFFIXES
    if not named and text.lstrip()[:1] not in ("{", "["):
        yield from _LINE_END.split(text)
        return
    try:
        found = _parsed(text)
    except ValueError as error:
        if not named:
            yield from _LINE_END.split(text)
            return
        raise LilmError(f"not JSON ({error})", where=str(file), remedy=AGAIN) from error
    except RecursionError as error:
        raise LilmError("it is nested too deep", where=str(file), remedy=AGAIN) from error
    if is_deep(found):
        raise LilmError(f"it is nested more than {MAX_DEPTH} deep", where=str(file), remedy=AGAIN)
    if not is_text(found):
        raise LilmError("a text in it has half a surrogate pair, which is no text", where=str(file), remedy=AGAIN)
    yield from _strings(found)


def _parsed(text: str) -> Any:
    try:
        return [json.loads(text)]
    except ValueError:  # many a .json has an object in each line
        return [json.loads(line) for line in _LINE_END.split(text) if line.strip()]


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        address = _ADDRESS.match(value)
        yield value[address.end() :] if address else value  # a question may begin with the page that it is about
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
