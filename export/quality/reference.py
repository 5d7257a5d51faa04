"""The F16 file, decoded once for all files: its hidden states are kept, from which its logits are one product away."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lilm.export.quality.opened import Measured
from lilm.export.quality.passages import Passages
from lilm.export.quality.scored import Scoring
from lilm.gguf_file import open_gguf
from lilm.llamacpp.engine import Engine, Score
from lilm.llamacpp.head import head_of
from lilm.pipeline.hashing import sha256_json
from lilm.wasm.source import llama_cpp_python_version

LARGEST = 16e9  # bytes of states; where they would take more, the F16 file is decoded again for each file
SPARE = 1e9  # bytes that are left free on the disk
EXACT = 1e-5  # nats: greatest divergence of the F16 file from itself by kept states


@dataclass(frozen=True)
class Reference:
    """full: the F16 file. folder: of what is kept. passages: in the order in which they are measured. keeps: states are
    kept; else the file is decoded beside each other one."""

    full: Measured
    folder: Path
    passages: Sequence[Passages]
    threads: int
    keeps: bool = False

    @property
    def path(self) -> Path:
        """Of the states, whole or not there."""
        of = [self.full.sha256, [one.sha256 for one in self.passages], self.threads, llama_cpp_python_version()]
        return self.folder / f"states-{sha256_json(of)[:16]}.f16"

    @property
    def tokens(self) -> int:
        return sum(len(window.ids) for one in self.passages for window in one.windows)

    @property
    def n_ctx(self) -> int:
        return max(len(window.ids) for one in self.passages for window in one.windows)

    def why_not(self) -> str:
        """Why the states are not kept; "" where they can be."""
        head = head_of(open_gguf(self.full.path))
        if head is None:
            return "its last matrix is not in F16"
        needed, free = 2 * self.tokens * head.shape[1], shutil.disk_usage(self.folder).free
        if needed > min(LARGEST, free - SPARE):
            return f"its hidden states have {needed / 1e9:.1f} GB, of {free / 1e9:.1f} GB free"
        return ""

    def make(self, tell: Callable[[int], None]) -> None:
        """Decode the F16 file for its states alone. tell(tokens) is called after each window."""
        with self.recording() as scoring:
            for one in self.passages:
                for window in one.windows:
                    scoring.score(window.ids)
                    tell(len(window.ids))

    @contextmanager
    def recording(self) -> Iterator[Scoring]:
        """Scores the F16 file, all windows in order, and keeps its states when the block ends. Where the disk is full,
        or this processor's sums are others than ours, there are none then."""
        if not self.keeps:
            with Engine(self.full.path, n_ctx=self.n_ctx, threads=self.threads) as engine:
                yield engine
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self.path.with_name(self.path.name + ".part")
        try:
            opened = Engine(self.full.path, n_ctx=self.n_ctx, threads=self.threads, keep_states=True)
            with opened as engine, part.open("wb", buffering=0) as file:
                scoring = _Recording(engine, file)
                yield scoring
            if not scoring.broken and self._is_exact(part):
                part.replace(self.path)
        finally:
            part.unlink(missing_ok=True)

    @contextmanager
    def against(self, file: Path) -> Iterator[Scoring]:
        """Scores a file, all windows in order, against the kept states; against the decoded F16 file without them."""
        states = self.path if self.keeps and self.path.is_file() else None
        with Engine(file, n_ctx=self.n_ctx, threads=self.threads, reference=self.full.path, states=states) as engine:
            yield _Replaying(engine) if states else engine

    def remove(self) -> None:
        """Take away the states, also those that a killed measurement of other text left."""
        for path in self.folder.glob("states-*.f16*"):
            with suppress(OSError):
                path.unlink()

    def _is_exact(self, states: Path) -> bool:
        with Engine(
            self.full.path, n_ctx=self.n_ctx, threads=self.threads, reference=self.full.path, states=states
        ) as engine:
            kld = engine.score(self.passages[0].windows[0].ids).kld
        return kld is not None and float(abs(kld).max()) < EXACT


class _Recording:
    def __init__(self, engine: Engine, file: IO[bytes]) -> None:
        self._engine, self._file, self.broken = engine, file, False

    @property
    def model(self) -> Path:
        return self._engine.model

    def score(self, tokens: Sequence[int]) -> Score:
        found = self._engine.score(tokens)
        if not self.broken and found.states is not None:
            try:
                found.states.tofile(self._file)
            except OSError:
                self.broken = True
        return found


class _Replaying:
    def __init__(self, engine: Engine) -> None:
        self._engine, self._row = engine, 0

    @property
    def model(self) -> Path:
        return self._engine.model

    def score(self, tokens: Sequence[int]) -> Score:
        row, self._row = self._row, self._row + len(tokens)
        return self._engine.score(tokens, row)
