"""What every kind of base tokenizer can do that pieces can be added to."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lilm.recipe import TokenizerConfig
from lilm.train.tokenizer.verify import Candidate, Report


@dataclass(frozen=True)
class Written:
    """What a merged vocabulary has. vocab_size: of all pieces. pieces_added: new ones; characters_added: those that are
    one character. pieces_known: learnt ones that the base had. pieces_unused: padding. characters_left_to_bytes and
    share_left_to_bytes: of the learnable text. unreachable: pieces that no text can give, left out. left_out: those
    that would have changed too much English."""

    vocab_size: int
    base_vocab_size: int
    pieces_added: int
    characters_added: int
    pieces_known: int
    pieces_unused: int
    characters_left_to_bytes: int
    share_left_to_bytes: float
    unreachable: tuple[str, ...]
    left_out: int = 0


class Kind(Protocol):
    """A base's tokenizer, read. size: pieces, special and unused ones too."""

    size: int

    def write_merged(
        self,
        texts: Sequence[str],
        config: TokenizerConfig,
        language: str,
        out_dir: Path,
        model_max_length: int,
        english: Sequence[str] | None = None,
    ) -> Written:
        """Learn pieces from `texts`, merge them into the base's and write the files that runtimes read.

        english: where the language is in Latin letters, English that the pieces may hardly change; else None. Raises
        LilmError when there is nothing to learn, or for keys of `config` that this kind has not."""
        ...

    def verify(self, made: Candidate) -> Report:
        """All comparisons of the merged tokenizer's forms, and of it with its base."""
        ...
