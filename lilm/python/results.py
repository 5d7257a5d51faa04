"""What a run has made, as objects."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

from lilm.errors import LilmError
from lilm.json_file import read_json_object
from lilm.pipeline.artifact import Manifest, read_manifest
from lilm.pipeline.stage import STAGES
from lilm.python.model import Messages, Model, Reply, open_model
from lilm.recipe import Recipe, load_recipe


@dataclass(frozen=True)
class StageResult:
    """A finished stage. manifest: what it was made from, and its files' hashes. report: its report.json, {} where it
    writes none."""

    name: str
    folder: Path
    manifest: Manifest = field(repr=False)
    report: Mapping[str, Any] = field(repr=False)

    @property
    def measurements(self) -> Mapping[str, Any]:
        """Its figures, `seconds` among them."""
        return self.manifest.measurements

    @property
    def files(self) -> dict[str, float]:
        """Megabytes (millions of bytes) of what it wrote, by name relative to its folder."""
        return {name: entry["bytes"] / 1e6 for name, entry in self.manifest.outputs.items()}


@dataclass(frozen=True)
class ModelFile:
    """A GGUF file of a run. mb: millions of bytes, of all its parts. quality: by language, what the stage `bench`
    measured of it (bits_per_byte, rise, kld_mean, top1_agreement …), {} where it did not."""

    path: Path
    quant: str
    mb: float
    quality: Mapping[str, Mapping[str, float | None]]

    def open(self, *, n_ctx: int = 4096, threads: int = 0) -> Model:
        """The model to talk to, many times; use it in a `with`."""
        return open_model(self.path, n_ctx=n_ctx, threads=threads)

    def chat(self, messages: str | Messages, **options: Any) -> Reply:
        """One answer, by the options of `Model.chat`; the model is opened for it and closed again."""
        with self.open() as model:
            return model.chat(messages, **options)

    def generate(self, prompt: str, **options: Any) -> Reply:
        """How the model goes on with a text, by the options of `Model.generate`."""
        with open_model(self.path, template=False) as model:
            return model.generate(prompt, **options)


@dataclass(frozen=True)
class Step:
    """A model on the way to the files: name: "base" or "pretrain", the stage that made it; folder: its safetensors.
    quality: by language, what the stage `bench` measured of it on the very text of the files: bits_per_byte; rise, the
    share by which that is more than the base's, with the ends of its interval, rise_low and rise_high; and its own
    vocabulary's tokens and longest window."""

    name: str
    folder: Path
    quality: Mapping[str, Mapping[str, float | None]]


@dataclass(frozen=True)
class Run:
    """A run's folder. stages: the finished ones, by name, in their order."""

    folder: Path
    recipe: Recipe
    stages: Mapping[str, StageResult]

    @property
    def measurements(self) -> dict[str, Mapping[str, Any]]:
        """The figures of each finished stage, by its name."""
        return {name: stage.measurements for name, stage in self.stages.items()}

    @cached_property
    def files(self) -> tuple[ModelFile, ...]:
        """The GGUF files, the full one first; none before the stage `export` is done."""
        export, bench = self.stages.get("export"), self._bench
        if export is None:
            return ()
        for stage in (export, *((bench,) if bench is not None else ())):
            if "files" not in stage.report:
                what, remedy = "no files in it", "run that stage again"
                raise LilmError(what, where=str(stage.folder / "report.json"), remedy=remedy)
        rows = bench.report["files"] if bench is not None else []
        quality = {row["name"]: row["quality"] for row in rows}
        return tuple(
            ModelFile(export.folder / row["name"], row["quant"], row["bytes"] / 1e6, quality.get(row["name"], {}))
            for row in export.report["files"]
        )

    @property
    def steps(self) -> tuple[Step, ...]:
        """The base and the pretrained model, as measured on the text of `files`; none before the stage `bench` is
        done."""
        rows = self._bench.report.get("steps", []) if self._bench is not None else []
        return tuple(Step(row["step"], self.folder / row["step"], row["quality"]) for row in rows)

    @property
    def _bench(self) -> StageResult | None:
        """None where it measured other files than the export has now."""
        export, bench = self.stages.get("export"), self.stages.get("bench")
        known = export is not None and bench is not None and bench.manifest.is_from(export.manifest)
        return bench if known else None

    def file(self, quant: str) -> ModelFile:
        """The file of a type as the recipe or `files` names it: "Q4_K_M", "F16", "mix", "Q4_0-learned".

        Raises LilmError when there is none.
        """
        wanted = (quant, self.recipe.export.exported_as(quant))
        for one in self.files:
            if one.quant in wanted:
                return one
        known = ", ".join(one.quant for one in self.files)
        remedy = f"use one of: {known}" if known else "run the stage export first"
        raise LilmError(f"no file {quant!r}", where=str(self.folder), remedy=remedy)

    @property
    def site(self) -> Path | None:
        """The folder of the page, once it is made."""
        stage = self.stages.get("site")
        return stage.folder if stage is not None else None

    def write_report(self) -> Path:
        """RUN/report.html with all stages on one page, made anew. Raises LilmError when no stage is done."""
        from lilm.export.run_page.page import write_run_page

        return write_run_page(self.folder)

    def _repr_html_(self) -> str:
        """What a notebook shows: the base, the pretrained model and the files, with sizes and bits per byte of one
        text."""
        languages = (self.recipe.language, self.recipe.base_language)
        heads = ["file", "MB", *(f"bits/byte {one}" for one in languages)]
        models = [(one.name, "–", one.quality) for one in self.steps]
        models += [(one.quant, f"{one.mb:.2f}", one.quality) for one in self.files]
        lines = [[name, mb, *(_bits(quality.get(lang, {})) for lang in languages)] for name, mb, quality in models]
        rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in line) + "</tr>" for line in lines)
        head = "".join(f"<th>{escape(one)}</th>" for one in heads)
        done = escape(", ".join(self.stages) or "none")
        return f"<p><b>{escape(self.recipe.name)}</b>: stages done: {done}</p><table><tr>{head}</tr>{rows}</table>"


def open_run(folder: str | Path) -> Run:
    """What lies in a run's folder. Raises LilmError when it is none, or its recipe cannot be read."""
    path = Path(folder).expanduser()
    if not path.is_dir():
        raise LilmError("no such folder", where=str(path), remedy="give the folder of a run")
    if not (path / "lilm.toml").is_file():
        raise LilmError("no run in it: lilm.toml is missing", where=str(path), remedy="give the folder of a run")
    recipe = load_recipe(path / "lilm.toml")
    manifests = {stage.name: read_manifest(path / stage.name) for stage in STAGES}
    stages = {name: _stage(path / name, found) for name, found in manifests.items() if found is not None}
    return Run(path, recipe, stages)


def _stage(folder: Path, manifest: Manifest) -> StageResult:
    report = folder / "report.json"
    found = read_json_object(report, remedy="run that stage again") if report.is_file() else {}
    return StageResult(manifest.stage, folder, manifest, found)


def _bits(quality: Mapping[str, float | None]) -> str:
    found = quality.get("bits_per_byte")
    return "–" if found is None else f"{found:.4f}"
