"""The parts of one file's measurement. Each is kept when it is done, so that a bench that is stopped goes on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lilm.devices import processor
from lilm.export.quality.harness import ChoiceTask, ask_choices
from lilm.export.quality.opened import REFERENCE, Measured, OpenedRun
from lilm.export.quality.plan import FORMAT, Plan
from lilm.export.quality.questions import Question, answer, write_lines
from lilm.export.quality.reference import Reference
from lilm.export.quality.scored import score
from lilm.export.quality.speed import N_CTX, native_memory, native_speed, page_speed
from lilm.export.quality.texts import Texts
from lilm.export.quality.written import as_json, beginnings, rates, write
from lilm.kept import keep, read_kept
from lilm.llamacpp.engine import Engine
from lilm.pipeline.hashing import sha256_file, sha256_json
from lilm.wasm.source import llama_cpp_python_version

Advance = Callable[[int, str], None]
GENERATED = 12  # generating a token takes about as long as reading so many, for the time left
SPEED, PAGE, QUESTION = 10_000, 20_000, 200  # the same of the speeds, and of a question with its choices


@dataclass(frozen=True)
class Part:
    """name: of the kept file. of: all that decides the result. cost: about, in tokens read. measure: with what to tell
    of progress, in such tokens."""

    name: str
    of: Any
    cost: int
    measure: Callable[[Callable[[int], None]], Any]


@dataclass(frozen=True)
class FileMeasures:
    """Measures one file after another. out: where results are kept. no_page: why Chromium is not asked. reference: what
    is kept of the F16 file meanwhile."""

    run: OpenedRun
    texts: Texts
    plan: Plan
    questions: Sequence[Question]
    tasks: Sequence[ChoiceTask]
    out: Path
    no_page: str
    reference: Reference

    @property
    def n_predict(self) -> int:
        """Tokens of a free text or an answer, at most: half a context."""
        return min(self.plan.n_predict or self.run.recipe.site.n_predict, self.texts.n_ctx // 2)

    def parts(self, file: Measured) -> list[Part]:
        """What is to be measured of it."""
        parts = [self._scores(file)]
        if "generations" not in self.plan.skip:
            parts.append(self._written(file))
        if "speed" not in self.plan.skip:
            parts.append(self._part("speed", file, {}, SPEED, lambda: native_speed(file.path, self._threads)))
            if not file.control:
                memory = {"n_ctx": N_CTX}
                parts.append(self._part("memory", file, memory, N_CTX, lambda: native_memory(file.path, self._threads)))
        if not self.no_page and not file.control:  # nobody ships a control, or asks it
            parts.append(self._page(file))
        if self.questions and not file.control:
            parts.append(self._answers(file))
        if self.tasks and not file.control:
            parts.append(self._choices(file))
        return parts

    def is_scored(self, file: Measured) -> bool:
        part = self._scores(file)
        return read_kept(self._path(file, part), part.of) is not None

    def left(self, file: Measured) -> int:
        """Cost of what is not kept yet."""
        return sum(part.cost for part in self.parts(file) if read_kept(self._path(file, part), part.of) is None)

    def measure(self, file: Measured, advance: Advance) -> dict[str, Any]:
        """Returns what was measured, now or before, by the parts' names."""
        found: dict[str, Any] = {}
        for part in self.parts(file):
            path = self._path(file, part)
            result = read_kept(path, part.of)
            if result is None:
                done = 0

                def tell(tokens: int, name: str = part.name) -> None:
                    nonlocal done
                    done += tokens
                    advance(tokens, f"{file.quant}: {name}")

                result = part.measure(tell)
                if not result.get("why"):  # what failed is tried again
                    keep(path, part.of, result)
                advance(part.cost - done, file.quant)
            found[part.name] = result
        return found

    @property
    def _threads(self) -> int:
        return self.run.recipe.threads

    def _made_of(self, file: Measured) -> dict[str, Any]:
        """What decides every figure: another llama.cpp rounds, draws and cuts text otherwise."""
        return {"format": FORMAT, "llama_cpp_python": llama_cpp_python_version(), "file": file.sha256}

    def _path(self, file: Measured, part: Part) -> Path:
        return self.out / "kept" / f"{file.path.stem}.{part.name}.json"

    def _part(self, name: str, file: Measured, of: Mapping[str, Any], cost: int, make: Callable[[], Any]) -> Part:
        """A part that is of this machine."""
        machine = {"cpu": processor(), "threads": self._threads}
        return Part(name, {**self._made_of(file), **machine, **of}, cost, lambda _: make())

    @cached_property
    def _build(self) -> dict[str, str]:
        """The hashes of the page's builds."""
        wasm = self.run.folder / "wasm"
        return {path.relative_to(wasm).as_posix(): sha256_file(path) for path in sorted(wasm.rglob("*.wasm"))}

    def _scores(self, file: Measured) -> Part:
        passages = self.texts.passages
        reference = None if file.method == REFERENCE else self.run.full
        of = {
            **self._made_of(file),
            "reference": reference.sha256 if reference else None,
            "text": [[one.name, one.sha256] for one in passages],
            "threads": self._threads,
        }

        def measure(tell: Callable[[int], None]) -> dict[str, Any]:
            kept = self.reference
            with kept.recording() if file.method == REFERENCE else kept.against(file.path) as scoring:
                return {one.name: score(scoring, one, tell) for one in passages}

        return Part("scores", of, sum(len(window.ids) for one in passages for window in one.windows), measure)

    def _written(self, file: Measured) -> Part:
        sampling, seed = self.run.recipe.site.sampling, self.run.recipe.seed
        of = {
            **self._made_of(file),
            "text": [one.sha256 for one in self.texts.short()],
            "chats": sha256_json(self.texts.chats.chats[: self.plan.generations]),
            "sampling": sampling.model_dump(),
            "count": self.plan.generations,
            "n_predict": self.n_predict,
            "n_ctx": self.texts.n_ctx,
            "scripts": self.texts.scripts,
            "seed": seed,
            "threads": self._threads,
        }

        def measure(tell: Callable[[int], None]) -> dict[str, Any]:
            with Engine(file.path, n_ctx=self.texts.n_ctx, threads=self._threads) as engine:
                begun = beginnings(
                    engine,
                    self.texts.short(),
                    self.texts.chats.chats,
                    self.texts.scripts,
                    self.plan.generations,
                    self.texts.n_ctx - self.n_predict,
                )
                texts = write(engine, begun, sampling, self.n_predict, seed, lambda _: tell(GENERATED * self.n_predict))
            write_lines(self.out / "written" / f"{file.path.stem}.jsonl", as_json(texts))
            return rates(texts)

        return Part("written", of, GENERATED * self.plan.generations * self.n_predict, measure)

    def _page(self, file: Measured) -> Part:
        of = {"build": self._build, "wasm": self.run.recipe.wasm.model_dump(mode="json")}
        return self._part("page", file, of, PAGE, lambda: page_speed(self.run, file.path, self._threads))

    def _answers(self, file: Measured) -> Part:
        asked = [[question.name, list(question.turns)] for question in self.questions]
        n_ctx = self.texts.n_ctx
        of = {"questions": sha256_json(asked), "n_predict": self.n_predict, "n_ctx": n_ctx, "threads": self._threads}

        def measure(tell: Callable[[int], None]) -> dict[str, Any]:
            step = lambda _: tell(GENERATED * self.n_predict)  # noqa: E731
            with Engine(file.path, n_ctx=n_ctx, threads=self._threads) as engine:
                found = answer(engine, self.questions, self.n_predict, n_ctx, step)
            target = self.out / "answers" / f"{file.path.stem}.jsonl"
            write_lines(target, found)
            return {"file": f"{target.parent.name}/{target.name}", "questions": len(found)}

        cost = GENERATED * self.n_predict * len(self.questions)
        return Part("answers", {**self._made_of(file), **of}, cost, measure)

    def _choices(self, file: Measured) -> Part:
        asked = [[task.name, task.questions, task.of] for task in self.tasks]
        of = {
            **self._made_of(file),
            "tasks": asked,
            "language": self.run.recipe.language,
            "n_ctx": self.texts.n_ctx,
            "threads": self._threads,
        }

        def measure(tell: Callable[[int], None]) -> dict[str, Any]:
            with Engine(file.path, n_ctx=self.texts.n_ctx, threads=self._threads) as engine:
                return ask_choices(engine, self.tasks, self.texts.n_ctx, lambda: tell(QUESTION))

        return Part("choices", of, QUESTION * sum(task.questions for task in self.tasks), measure)
