"""The gate: SentencePiece, Hugging Face and llama.cpp must give the same ids, and the text must come back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lilm.errors import LilmError
from lilm.llamacpp.engine import tokenize_lines
from lilm.llamacpp.vocab import write_vocab_gguf
from lilm.train.tokenizer.adversarial import LINES
from lilm.train.tokenizer.english import Changed, english_changed
from lilm.train.tokenizer.hf import build_tokenizer
from lilm.train.tokenizer.merge import unreachable_pieces
from lilm.train.tokenizer.scripts import is_shared
from lilm.vocabulary.sentencepiece import NORMAL, processor, read_proto

Ids = list[list[int]]
SHOWN = 24  # characters and ids of a mismatch in its error


@dataclass
class Check:
    """One comparison. first: the first line that differs, with both sides from where they part."""

    lines: int = 0
    mismatches: int = 0
    first: str = ""

    def compare(self, lines: Sequence[str], one: Sequence[Any], other: Sequence[Any]) -> None:
        for line, left, right in zip(lines, one, other, strict=True):
            self.lines += 1
            if left != right:
                self.mismatches += 1
                at = next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), 0)
                shown = f"{line[:SHOWN]!r} gives {left[at : at + SHOWN]!r} and {right[at : at + SHOWN]!r} at {at}"
                self.first = self.first or shown


@dataclass
class Report:
    """checks: by name. figures: characters and bytes per token, by language and tokenizer. changed: what becomes of
    English, where that may change."""

    checks: dict[str, Check] = field(default_factory=dict)
    figures: dict[str, dict[str, float]] = field(default_factory=dict)
    changed: Changed | None = None

    def check(self, name: str) -> Check:
        return self.checks.setdefault(name, Check())

    def raise_on_mismatch(self, where: str) -> None:
        """Raises LilmError for the first check that failed."""
        for name, check in self.checks.items():
            if check.mismatches:
                raise LilmError(
                    f"{check.mismatches} of {check.lines} lines fail {name}; the first: {check.first}",
                    where=where,
                    remedy="this base's tokenizer cannot be merged safely; use another base",
                )

    def as_json(self) -> dict[str, Any]:
        counts = {name: {"lines": c.lines, "mismatches": c.mismatches} for name, c in self.checks.items()}
        english = {} if self.changed is None else {"english": self.changed.as_json()}
        return {"checks": counts, **self.figures, **english}


def density(lines: Sequence[str], ids: Ids) -> dict[str, float]:
    tokens = max(1, sum(map(len, ids)))
    return {
        "tokens": tokens,
        "chars_per_token": round(sum(map(len, lines)) / tokens, 4),
        "bytes_per_token": round(sum(len(line.encode()) for line in lines) / tokens, 4),
    }


@dataclass(frozen=True)
class Candidate:
    """A merged tokenizer to verify.

    folder: of its files. lines: by language. unchanged: the language whose ids must be the base's, on all lines but
    those with characters that new pieces may hold (Japanese in an English text) and do. gguf: where the vocabulary is
    written for llama.cpp. multiple: what the vocabulary's size must be one of. on_done: called with each finished
    language. may_change: `unchanged` is compared by places instead, as new pieces may hold its letters.
    """

    folder: Path
    lines: Mapping[str, Sequence[str]]
    unchanged: str
    gguf: Path
    multiple: int = 1
    on_done: Callable[[str], None] = lambda name: None
    may_change: bool = False


def verify(made: Candidate, base: Path) -> Report:
    """Compare the tokenizer's three forms, and it with its base, whose tokenizer.model `base` is. Returns all counts;
    `raise_on_mismatch` is the gate."""
    from transformers import AutoTokenizer

    report = Report()
    proto = read_proto(made.folder / "tokenizer.model")
    base_proto = read_proto(base)
    merged, old = processor(proto), processor(base_proto)
    hf = AutoTokenizer.from_pretrained(made.folder, local_files_only=True)
    write_vocab_gguf(made.folder, made.gguf)

    added = [piece.piece for piece in list(proto.pieces)[len(base_proto.pieces) :] if piece.type == NORMAL]
    new_characters = {char for char in set("".join(added)) - {"▁"} if not is_shared(char)}
    dead = unreachable_pieces(proto, added)
    report.check("reachable pieces").compare(added, added, ["nothing" if p in dead else p for p in added])
    size = len(proto.pieces)
    report.check(f"size is a multiple of {made.multiple}").compare([f"{size} pieces"], [[size % made.multiple]], [[0]])

    for name, group in {**made.lines, "adversarial": LINES}.items():
        group = list(group)
        ids: Ids = merged.encode(group, add_bos=True)
        hf_ids: Ids = hf(group, split_special_tokens=True, verbose=False)["input_ids"]
        report.check("SentencePiece = Hugging Face").compare(group, ids, hf_ids)
        report.check("SentencePiece = llama.cpp").compare(group, ids, tokenize_lines(made.gguf, group))

        plain = [line.replace("▁", " ") for line in group]  # ▁ is how these tokenizers write a space
        report.check("round trip SentencePiece").compare(group, plain, merged.decode([row[1:] for row in ids]))
        back = [hf.decode(row[1:]) for row in hf_ids]
        report.check("round trip Hugging Face").compare(group, plain, back)

        old_ids: Ids = old.encode(group)
        if name == made.unchanged and made.may_change:
            report.changed = english_changed(build_tokenizer(base_proto), build_tokenizer(proto), group)
        elif name == made.unchanged:
            same = [i for i, line in enumerate(group) if not new_characters & set(line)]
            report.check(f"{name} ids = base ids").compare(
                [group[i] for i in same], [ids[i][1:] for i in same], [old_ids[i] for i in same]
            )
        if name in made.lines:
            report.figures[name] = {
                **{f"base_{key}": value for key, value in density(group, old_ids).items()},
                **{f"merged_{key}": value for key, value in density(group, [row[1:] for row in ids]).items()},
            }
        made.on_done(name)
    return report
