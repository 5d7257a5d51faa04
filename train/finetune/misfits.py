"""Records that do not fit: they are counted and left out, the first of them named, and too many end the run."""

from collections import Counter
from dataclasses import dataclass, field

from lilm.errors import LilmError

BROKEN = "records that do not fit"
NAMED = 5  # of them


@dataclass
class Misfits:
    """most: greatest share of the records that may not fit; 0: the first one ends the run. key: of the recipe, which
    says so. records: how many were read. bad: the first of those that do not fit. left_out: what is not learnt, by what
    it lacks, these among it."""

    most: float
    key: str
    records: int = 0
    bad: list[LilmError] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    def refuse(self, error: LilmError) -> None:
        """Count one. Raises it when none may be there."""
        self.left_out[BROKEN] += 1
        self.bad += [error] if len(self.bad) < NAMED else []
        if not self.most:
            self.judge()

    def judge(self) -> None:
        """Raises LilmError, the first misfit, when there are too many of them in what was read."""
        count = self.left_out[BROKEN]
        if count > self.most * self.records:
            first = self.bad[0]
            raise LilmError(
                first.what + (f"; of {self.records} records {count} do not fit" if count > 1 else ""),
                where=first.where,
                remedy=f"{first.remedy}, or raise {self.key} ({self.most:g})",
            )

    def nothing(self, wanted: str, where: str, remedy: str) -> LilmError:
        """What to raise when nothing is left to learn from. wanted: what there is none of."""
        if self.bad and self.left_out.total() == self.left_out[BROKEN]:
            first = self.bad[0]
            return LilmError(f"{first.what}; no record fits", where=first.where, remedy=first.remedy)
        why = ", ".join(f"{count} {what}" for what, count in self.left_out.items())
        return LilmError(f"no {wanted} in it" + (f" to learn from ({why})" if why else ""), where=where, remedy=remedy)
