"""The export stage: a Hugging Face folder becomes GGUF files, full and quantised, with a report of what is in them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lilm.disk import require_space
from lilm.errors import LilmError
from lilm.pipeline.artifact import Artifact
from lilm.pipeline.hashing import write_json
from lilm.pipeline.stage import Context
from lilm.recipe import LEARNED, MIX, ExportConfig, QuantType

FULL = "F16"


def check(config: ExportConfig, context: Context) -> None:
    """Raises LilmError when a file would be made twice."""
    twice = sorted({quant for quant in config.quants if config.quants.count(quant) > 1})
    if twice:
        raise LilmError(f"{twice[0]} stands there twice", where="export.quants", remedy="name each type once")


def check_base(config: ExportConfig, base: Path, context: Context) -> None:
    """Raises LilmError for a budget that no file of this base's size meets."""
    if config.has_budget:
        from lilm.export.mix import check_base_target

        check_base_target(config, base)


def gguf_name(quant: str) -> str:
    """File name of one type; the full file's is `model-f16.gguf`."""
    return f"model-{'f16' if quant == FULL else quant}.gguf"


def run(config: ExportConfig, inputs: Mapping[str, Path], out_dir: Path, context: Context) -> Artifact:
    from lilm.export.gguf_writer import write_gguf
    from lilm.export.mix import check_target, make_mix
    from lilm.export.quantise import SUPER_BLOCK, quantise
    from lilm.export.space import bytes_needed
    from lilm.gguf_file import open_gguf
    from lilm.llama.config import read_llama_config
    from lilm.llama.layout import layout
    from lilm.llama.shape import Shape

    source = inputs["finetune"]
    shape = Shape.of(read_llama_config(source))
    sides = [entry.shape for entry in layout(shape)]
    whole_rows = all(side[-1] % SUPER_BLOCK == 0 for side in sides if len(side) > 1)
    _require(config, inputs, shape, context)
    for leftover in (*out_dir.glob("*.gguf"), *out_dir.glob("*.part")):
        leftover.unlink()
    target = config.target_bytes(shape.parameters)
    mixes = config.has_budget + sum(one.quant == MIX for one in config.learned)
    written: list[QuantType] = [*config.quants, *(one.quant for one in config.learned if one.quant != "mix")]
    needed = bytes_needed(shape.parameters, shape.vocab, written, whole_rows) + mixes * target
    require_space(out_dir, needed, "the export", "free some space, or list fewer export.quants")

    full = out_dir / gguf_name(FULL)
    notes = {FULL: ""}
    with context.reporter.bar("GGUF tensors", len(sides) * (1 + len(config.quants))) as bar:
        languages = (context.language, context.base_language)
        write_gguf(source, full, languages, lambda done, total: bar.advance(1, FULL))
        if config.has_budget:
            check_target(open_gguf(full), config, shape.parameters)
        for quant in config.quants:

            def advance(done: int, total: int, quant: str = quant) -> None:
                bar.advance(1, quant)

            notes[quant] = quantise(full, out_dir / gguf_name(quant), quant, context.threads, advance)
    more: dict[str, Any] = {}
    if config.has_budget:
        name = config.exported_as(MIX)
        mix = make_mix(full, source, inputs["corpus"], out_dir / gguf_name(name), config, context, target)
        notes[name], more = mix.note, {"calibration": mix.calibration}
    learned, volatile = _learn(config, inputs, out_dir, context)
    files = [describe(out_dir / gguf_name(quant), quant, note) for quant, note in notes.items()]
    files += [
        {**describe(out_dir / gguf_name(quant), quant, found["note"]), "learned": found["report"]}
        for quant, found in learned.items()
    ]
    write_json(out_dir / "report.json", {"parameters": shape.parameters, "files": files, **more})
    for file in files:
        if file["note"]:
            context.reporter.say(f"  {file['name']}: {file['note']} ({file['bits_per_weight']:.2f} bits per weight)")
    return Artifact(
        {"parameters": shape.parameters, "bytes": {file["name"]: file["bytes"] for file in files}}, volatile
    )


def _require(config: ExportConfig, inputs: Mapping[str, Path], shape: Any, context: Context) -> None:
    """Raises LilmError when the memory, or the text to learn blocks from, is too little."""
    from lilm.export.memory import require_measuring

    if config.has_budget:
        require_measuring(shape, config)
    for wanted in config.learned:
        from lilm.export.learned.memory import require_learning
        from lilm.export.learned.texts import open_texts

        require_learning(shape, wanted)
        open_texts(wanted, inputs["finetune"], inputs["pack"], shape, context)


def _learn(
    config: ExportConfig, inputs: Mapping[str, Path], out_dir: Path, context: Context
) -> tuple[dict[str, dict[str, Any]], tuple[str, ...]]:
    """(by the name of each file with learnt blocks its note and its figures; the logs' files that hold times)."""
    found: dict[str, dict[str, Any]] = {}
    volatile: list[str] = []
    for wanted in config.learned:
        from lilm.export.learned.learn import learn

        name = config.exported_as(wanted.quant + LEARNED)
        start, target = out_dir / gguf_name(config.exported_as(wanted.quant)), out_dir / gguf_name(name)
        learned = learn(
            wanted, inputs["finetune"], inputs["pack"], start, target, out_dir / f"learned-{wanted.quant}", context
        )
        found[name] = {"note": learned.note, "report": learned.report()}
        volatile += learned.volatile
    return found, tuple(volatile)


def describe(path: Path, quant: str, note: str) -> dict[str, Any]:
    """One file's row in the report: size, bits per weight, and the type of each tensor as it stands in the file."""
    from lilm.export.gguf_info import bits_per_weight, by_type, read_tensors

    tensors = read_tensors(path)
    return {
        "name": path.name,
        "quant": quant,
        "bytes": path.stat().st_size,
        "bits_per_weight": bits_per_weight(path, tensors),
        "tensor_types": by_type(tensors),
        "tensors": {tensor.name: tensor.type for tensor in tensors},
        "note": note,
    }
