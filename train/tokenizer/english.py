"""What pieces that stand beside the base's change in English, and how much they may."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lilm.errors import LilmError

MARGIN = 0.75  # of the bound is used up on the text that pieces are learnt from: held-out text has other words
FEW = 10  # tokens that may change however little is held out: a name that stands thrice is no measure


def room(bound: float, tokens: int) -> int:
    """How many of so many English tokens may change while pieces are learnt."""
    return int(MARGIN * bound * tokens)


@dataclass(frozen=True)
class Changed:
    """Lines of English, and the tokens that they have in the base and in the merged vocabulary. tokens_changed: those
    of the base that do not stand where they stood."""

    lines: int
    lines_changed: int
    tokens_before: int
    tokens_after: int
    tokens_changed: int

    @property
    def share(self) -> float:
        return self.tokens_changed / max(1, self.tokens_before)

    def refuse_beyond(self, bound: float) -> None:
        """Raises LilmError when more than `bound` of the tokens change, and more than a few."""
        if self.tokens_changed > max(FEW, bound * self.tokens_before):
            raise LilmError(
                f"new pieces change {self.tokens_changed:,} of {self.tokens_before:,} held-out English tokens "
                f"({self.share:.4f}), more than {bound:g}",
                where="tokenizer.max_english_changed",
                remedy="give more English text, so that more of its words are known, or a greater bound",
            )

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "share_changed": round(self.share, 6)}


def english_changed(old: Any, new: Any, lines: Sequence[str]) -> Changed:
    """Compare two tokenizers of `tokenizers`, the base's and the merged one, on lines of English."""
    one, other = (tokenizer.encode_batch(list(lines), add_special_tokens=False) for tokenizer in (old, new))
    changed = [_moved(before, after) for before, after in zip(one, other, strict=True)]
    return Changed(
        len(lines),
        sum(map(bool, changed)),
        sum(len(encoding.ids) for encoding in one),
        sum(len(encoding.ids) for encoding in other),
        sum(changed),
    )


def _moved(before: Any, after: Any) -> int:
    """How many tokens of `before` are not in `after` at their place."""
    if before.ids == after.ids:
        return 0
    places = [Counter(zip(found.ids, found.offsets, strict=True)) for found in (before, after)]
    return (places[0] - places[1]).total()
