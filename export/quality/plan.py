"""What is asked of the measurement, and what keeps its results apart from those of another one."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lilm.errors import LilmError

FORMAT = 2  # of what is kept; another one is measured again
SKIPPABLE = ("generations", "speed", "browser")


@dataclass(frozen=True)
class Plan:
    """eval_tokens: of each language, in short windows. n_ctx: of the long ones, tokens. generations: free texts of each
    file. n_predict: their longest, 0: as the page has it. controls: whether files are made to compare with. skip: of
    SKIPPABLE. questions: a file of them, answered by each file. tasks: multiple choice (see harness.open_tasks), each
    with its first `limit` questions."""

    eval_tokens: int = 100_000
    n_ctx: int = 1024
    generations: int = 200
    n_predict: int = 0
    controls: bool = False
    skip: frozenset[str] = field(default_factory=frozenset)
    questions: Path | None = None
    tasks: str = ""
    limit: int = 1_000

    def __post_init__(self) -> None:
        for value, least, option in (
            (self.eval_tokens, 100, "--eval-tokens"),
            (self.n_ctx, 16, "--n-ctx"),
            (self.generations, 1, "--generations"),
            (self.n_predict, 0, "--n-predict"),
            (self.limit, 2, "--limit"),
        ):
            if value < least:
                raise LilmError(f"{value} is too few", where=option, remedy=f"give {least} or more")
        unknown = sorted(self.skip - set(SKIPPABLE))
        if unknown:
            raise LilmError(f"cannot skip {unknown[0]!r}", where="--skip", remedy="use some of " + ", ".join(SKIPPABLE))

    def as_json(self) -> dict[str, Any]:
        kept = asdict(self)
        return {**kept, "skip": sorted(self.skip), "questions": self.questions.name if self.questions else None}
