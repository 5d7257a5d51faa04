"""The gate between native and browser: a build that computes something else is not delivered."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from lilm.documents import read_texts
from lilm.errors import LilmError
from lilm.fit.model import Model
from lilm.llamacpp.engine import Engine
from lilm.pipeline.hashing import sha256_file, sha256_json, write_json
from lilm.progress import Reporter
from lilm.wasm.verify.divergence import Divergence, divergence
from lilm.wasm.verify.first_difference import first_difference
from lilm.wasm.verify.in_node import REMEDY

TOKENS = 96  # of each language; a build that is wrong differs by 100 times the bound
CHARS = 16 * TOKENS  # no piece is longer
LOOKED_AT = 32  # of them, to find where a build begins to differ


class Gate:
    """Measures builds in out_dir/<variant> on the corpus's held-out text, and remembers which do not pass.

    What is measured is kept in out_dir/checkpoints: a run that was stopped does not measure it again.
    """

    def __init__(self, out_dir: Path, corpus: Path, languages: Sequence[str], kv_type: str, reporter: Reporter) -> None:
        self.out_dir, self.corpus, self.languages = out_dir, corpus, tuple(dict.fromkeys(languages))
        self.kv_type, self.reporter = kv_type, reporter
        self.failures: list[LilmError] = []

    def measure(self, gguf: Path, variant: str, threads: int, model: Model, lora: Path | None = None) -> Divergence:
        """How far the build is from native on this file, with the adapter `lora` over it; said in a line.

        Raises LilmError when either cannot load it, or there is no held-out text.
        """
        core = {path.name: sha256_file(path) for path in sorted((self.out_dir / variant).iterdir())}
        over = [sha256_file(lora)] if lora else []
        key = sha256_json([gguf.name, model.file_bytes, variant, threads, self.kv_type, core, *over])[:16]
        kept = self.out_dir / "checkpoints" / "gate" / f"{key}.json"
        windows = self.windows(gguf, min(TOKENS, model.shape.context - 2))
        if kept.is_file():
            found = Divergence(**json.loads(kept.read_text(encoding="utf-8")))
        else:
            found = divergence(
                gguf, self.out_dir, windows, variant=variant, threads=threads, kv_type=self.kv_type, lora=lora
            )
        name = f"{gguf.name} with {lora.name}" if lora else gguf.name
        self.reporter.say(
            f"  {name} in node ({variant}): {found.wasm:.2g} nats from native llama.cpp,"
            f" which differs from itself by {found.native:.2g} ({found.tokens} tokens)"
        )
        if found.agrees:
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_json(kept, asdict(found))
        else:
            self.failures.append(self._failure(found, gguf, lora, variant, threads, windows))
        return found

    def windows(self, gguf: Path, n_tokens: int) -> list[list[int]]:
        """The beginning of each language's held-out text: BOS and `n_tokens` tokens at most."""
        windows = []
        with Engine(gguf, n_ctx=256, threads=1) as engine:
            for lang in self.languages:
                ids = [engine.bos_id] if engine.bos_id >= 0 else []
                for text in read_texts(self.corpus, lang, "heldout"):
                    ids += engine.tokenize(text[:CHARS], add_bos=False)
                    if len(ids) > n_tokens:
                        break
                windows.append(ids[: n_tokens + 1])
        return windows

    def _failure(
        self,
        found: Divergence,
        gguf: Path,
        lora: Path | None,
        variant: str,
        threads: int,
        windows: list[list[int]],
    ) -> LilmError:
        where = (
            first_difference(
                gguf,
                self.out_dir,
                window[:LOOKED_AT],
                step=found.step,
                variant=variant,
                threads=threads,
                kv_type=self.kv_type,
                lora=lora,
            )
            for window in windows
            if len(window) >= found.step
        )
        first = next((one for one in where if one is not None), "no single step is far off")
        return LilmError(
            f"the {variant} build is {found.wasm:.2g} nats from native llama.cpp, which differs from itself by"
            f" {found.native:.2g} ({found.bound:.2g} are allowed), {found.step} tokens at a time; {first}",
            where=f"{gguf} with {lora}" if lora else str(gguf),
            remedy=REMEDY,
        )

    def pass_or_raise(self) -> None:
        """Raises the first failure as LilmError, with the number of others, when there is any."""
        if self.failures:
            first, *others = self.failures
            more = f" (and {len(others)} more)" if others else ""
            raise LilmError(first.what + more, where=first.where, remedy=first.remedy)
