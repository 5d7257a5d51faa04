"""All boilerplate of a corpus: files that tell of each block what to take out of its documents."""

from dataclasses import dataclass
from pathlib import Path

from lilm.recipe import DedupConfig
from lilm.train.corpus.blocks import Block, Run
from lilm.train.corpus.boilerplate.lines import find_boilerplate
from lilm.train.corpus.boilerplate.passages import find_passages
from lilm.train.corpus.duplicates.find import Copies


@dataclass(frozen=True)
class Boilerplate:
    """lines: file of frequent lines, [2, lines], with a file for each block beside it. passages: folder of what keeps
    to no line. None: not looked for."""

    lines: Path | None = None
    passages: Path | None = None


def find_all(
    blocks: list[Block], copies: Copies, config: DedupConfig, memory: int, folder: Path, run: Run
) -> Boilerplate:
    """memory: bytes that one task may take. folder: for the files."""
    lines = find_boilerplate(blocks, copies, config, memory, folder / "lines", run)
    passages = None
    if config.substring_chars:
        passages = find_passages(blocks, copies, config, memory, folder / "passages", run)
    return Boilerplate(lines, passages)
