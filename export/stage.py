"""The export stage: a Hugging Face folder becomes GGUF files, full and quantised, with a report of what is in them."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lilm.disk import require_space
from lilm.errors import LilmError
from lilm.gguf_parts import MODEL, parts_of
from lilm.pipeline.artifact import Artifact
from lilm.pipeline.hashing import sha256_file, write_json
from lilm.pipeline.stage import Context
from lilm.recipe import LEARNED, MIX, ExportConfig, QuantType

if TYPE_CHECKING:
    from lilm.export.delivery import Delivered
    from lilm.llama.shape import Shape

FULL = "F16"


def check(config: ExportConfig, context: Context) -> None:
    """Raises LilmError when a file would be made twice, when blocks are to be learnt of which a budget's file has none,
    and for an importance matrix that is none."""
    twice = sorted({quant for quant in config.quants if config.quants.count(quant) > 1})
    if twice:
        raise LilmError(f"{twice[0]} stands there twice", where="export.quants", remedy="name each type once")
    if any(one.quant == MIX for one in config.learned):
        from lilm.export.learned.kinds import KINDS

        if not {*KINDS} & {*config.mix_types}:
            what = f"{', '.join(config.mix_types)}: of none of them blocks are learnt, and export.learned wants {MIX!r}"
            raise LilmError(
                what, where="export.mix_types", remedy=f"add some of {', '.join(KINDS)}, or learn no {MIX!r}"
            )
    if config.imatrix_file:
        from lilm.export.imatrix.given import read_given

        read_given(config)
    if config.has_budget and (words := slow_choices(config)):
        context.reporter.say(f"  export.mix_types: {words}")


def slow_choices(config: ExportConfig) -> str:
    """What is to be said of types that a budget may have beside those with kernels of their own everywhere; "" where
    none is slow."""
    from lilm.export.block_types import FAST
    from lilm.fit.known.times import BACKENDS, slow_words

    more = [name for name in config.mix_types if name not in FAST]
    said = {backend: slow_words(more, backend) for backend in BACKENDS}
    parts = [f"{BACKENDS[backend]} {'; '.join(words)}" for backend, words in said.items() if words]
    phones = [f"on phones llama.cpp repacks no {', '.join(more)}"] * bool(more)
    return " — ".join([*parts, *phones])


def external(config: ExportConfig, context: Context) -> dict[str, str]:
    path = Path(config.imatrix_file)
    return {str(path): sha256_file(path)} if config.imatrix_file and path.is_file() else {}


def check_base(config: ExportConfig, base: Path, context: Context) -> None:
    """Raises LilmError for a budget that no file of this base's size meets, for an importance matrix that is of another
    model, and when there is too little memory for a model of this size."""
    if not base.is_dir():  # a GGUF file is told by its vocabulary
        return
    if config.has_budget:
        from lilm.export.mix import check_base_target

        check_base_target(config, base, context.place)
        _check_imatrix(config, base)
    _check_memory(config, base)


def check_vocabulary(config: ExportConfig, base: Path, tokenizer: Path, context: Context) -> None:
    """Raises LilmError for a budget that no file of the base with its new pieces meets; else as `check_base`."""
    if config.has_budget:
        from lilm.export.mix import check_grown_target

        check_grown_target(config, base, tokenizer, (context.language, context.base_language), context.place)
        _check_imatrix(config, base)
    _check_memory(config, base)


def _check_memory(config: ExportConfig, base: Path) -> None:
    """By the base's size, to which new pieces add little."""
    if config.has_budget or config.learned:
        from lilm.llama.config import read_llama_config
        from lilm.llama.shape import Shape

        _require_memory(config, Shape.of(read_llama_config(base)))


def _require_memory(config: ExportConfig, shape: "Shape") -> None:
    from lilm.export.memory import require_measuring

    if config.has_budget:
        require_measuring(shape, config)
    for wanted in config.learned:
        from lilm.export.learned.memory import require_learning

        require_learning(shape, wanted)


def _check_imatrix(config: ExportConfig, base: Path) -> None:
    if config.imatrix_file:
        from lilm.export.imatrix.given import check_given
        from lilm.llama.config import read_llama_config
        from lilm.llama.shape import Shape

        check_given(config, Shape.of(read_llama_config(base)), whole=False)


def gguf_name(quant: str) -> str:
    """File name of one type; the full file's is `model-f16.gguf`."""
    return f"{MODEL}-{'f16' if quant == FULL else quant}.gguf"


def remove_models(folder: Path, *beginnings: str) -> None:
    """Delete the GGUF files that a try that was killed has left in `folder`, whole or not; what somebody put there has
    another name, and stays."""
    for beginning in beginnings:
        for leftover in (*folder.glob(f"{beginning}*.gguf"), *folder.glob(f"{beginning}*.gguf.part")):
            leftover.unlink()


def run(config: ExportConfig, inputs: Mapping[str, Path], out_dir: Path, context: Context) -> Artifact:
    from lilm.export.delivery import deliver
    from lilm.export.gguf_writer import write_gguf
    from lilm.export.mix import check_target, make_mix
    from lilm.export.quantise import SUPER_BLOCK, quantise
    from lilm.export.recipe_json import NAME as RECIPE
    from lilm.export.recipe_json import full_entry, recipe_json
    from lilm.export.space import bytes_needed
    from lilm.fit.budget import target_bytes
    from lilm.gguf_file import open_gguf
    from lilm.llama.config import read_llama_config
    from lilm.llama.layout import layout
    from lilm.llama.shape import Shape
    from lilm.origin import read_origin

    source = inputs["finetune"]
    shape = Shape.of(read_llama_config(source))
    sides = [entry.shape for entry in layout(shape)]
    whole_rows = all(side[-1] % SUPER_BLOCK == 0 for side in sides if len(side) > 1)
    _require(config, inputs, shape, context)
    remove_models(out_dir, f"{MODEL}-")
    target = target_bytes(config, shape, context.place)
    mixes = config.has_budget + sum(one.quant == MIX for one in config.learned)
    written: list[QuantType] = [*config.quants, *(one.quant for one in config.learned if one.quant != "mix")]
    needed = bytes_needed(shape.parameters, shape.vocab, written, whole_rows) + mixes * target
    if config.shard_mb:  # the largest is there twice while it is split
        needed += bytes_needed(shape.parameters, shape.vocab, (), whole_rows)
    if config.learned:
        from lilm.export.learned.memory import checkpoint_room

        needed += checkpoint_room(config.learned, shape)
    require_space(out_dir, needed, "the export", "free some space, or list fewer export.quants")

    full = out_dir / gguf_name(FULL)
    notes = {FULL: ""}
    with context.reporter.bar("GGUF tensors", len(sides) * (1 + len(config.quants))) as bar:
        languages = (context.language, context.base_language)
        origin = read_origin(inputs["base"]) if "base" in inputs else None
        write_gguf(
            source,
            full,
            languages,
            lambda done, total: bar.advance(1, FULL),
            origin=origin,
            license_name=config.license,
        )
        if config.has_budget:
            check_target(open_gguf(full), config, shape.parameters, target)
        for quant in config.quants:

            def advance(done: int, total: int, quant: str = quant) -> None:
                bar.advance(1, quant)

            notes[quant] = quantise(full, out_dir / gguf_name(quant), quant, context.threads, advance)
    more: dict[str, Any] = {}
    plain: tuple[str, ...] = ()
    if config.has_budget:
        name = config.exported_as(MIX)
        mix = make_mix(full, source, inputs["corpus"], out_dir / gguf_name(name), config, context, target)
        notes[name], more, plain = mix.note, {"calibration": mix.calibration}, mix.plain
    learned, volatile = _learn(config, inputs, out_dir, context)
    made = {
        quant: deliver(out_dir / gguf_name(quant), config.shard_mb, context.reporter) for quant in (*notes, *learned)
    }
    files = [describe(made[quant].files[0], quant, note) for quant, note in notes.items()]
    files += [
        {**describe(made[quant].files[0], quant, found["note"]), "learned": found["report"]}
        for quant, found in learned.items()
    ]
    if config.adapter:
        from lilm.export.lora_files import write_lora

        room = bytes_needed(shape.parameters, shape.vocab, config.quants, whole_rows)
        more["adapter"] = write_lora(config, inputs, out_dir, room, context)
    write_json(out_dir / "report.json", {"parameters": shape.parameters, "files": files, **more})
    entries = _entries(config, inputs, out_dir, made, {file["quant"]: file["tensors"] for file in files}, plain)
    recipe = recipe_json(full_entry(made[FULL], source), entries, config.shard_mb, context)
    write_json(out_dir / RECIPE, recipe)
    for file in files:
        if file["note"]:
            context.reporter.say(f"  {file['name']}: {file['note']} ({file['bits_per_weight']:.2f} bits per weight)")
    return Artifact(
        {"parameters": shape.parameters, "bytes": {file["name"]: file["bytes"] for file in files}}, volatile
    )


def _require(config: ExportConfig, inputs: Mapping[str, Path], shape: Any, context: Context) -> None:
    """Raises LilmError when the memory, or the text to learn blocks from, is too little, or the importance matrix is
    not this model's."""
    _require_memory(config, shape)
    if config.imatrix_file:
        from lilm.export.imatrix.given import check_given

        check_given(config, shape)
    for wanted in config.learned:
        from lilm.export.learned.texts import open_texts

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


def _entries(
    config: ExportConfig,
    inputs: Mapping[str, Path],
    out_dir: Path,
    made: Mapping[str, "Delivered"],
    types: Mapping[str, Mapping[str, str]],
    plain: tuple[str, ...],
) -> list[dict[str, Any]]:
    """Returns for recipe.json how each file but the full one came to be. types: of its tensors. plain: those of the
    budget's file that are rounded without importance."""
    from lilm.export.budget.kept import IMATRIX
    from lilm.export.mix import FOLDER
    from lilm.export.recipe_json import folder_digest, imatrix_entry

    def entry(name: str, how: str, **more: Any) -> dict[str, Any]:
        return {**made[name].as_json(), "how": how, "types": types[name], **more}

    entries = [entry(quant, "llama.cpp", quant=quant) for quant in config.quants]
    if config.has_budget:
        imatrix = imatrix_entry(out_dir / FOLDER / IMATRIX, out_dir) if config.imatrix else None
        entries.append(entry(config.exported_as(MIX), "mix", imatrix=imatrix, plain=plain))
    for wanted in config.learned:
        begin = gguf_name(config.exported_as(wanted.quant))
        text = {name: folder_digest(inputs[name]) for name in ("finetune", "pack")}
        name = config.exported_as(wanted.quant + LEARNED)
        entries.append(entry(name, "learned", begins_with=begin, settings=wanted.model_dump(), learnt_from=text))
    return entries


def describe(path: Path, quant: str, note: str) -> dict[str, Any]:
    """One file's row in the report: size, bits per weight, the type of each tensor as it stands in the file, and by
    backend what is to be said of types that were measured to be slow there.

    Of a model in parts, `path` is the first; its size is that of all, and `parts` names them."""
    from lilm.export.gguf_info import bits_per_weight, by_type, read_tensors
    from lilm.fit.known.times import BACKENDS, slow_words

    parts = parts_of(path)
    tensors = [tensor for part in parts for tensor in read_tensors(part)]
    total = sum(part.stat().st_size for part in parts)
    used = {tensor.type for tensor in tensors if tensor.dimensions > 1} - {FULL}
    return {
        "name": path.name,
        "quant": quant,
        "bytes": total,
        "bits_per_weight": bits_per_weight(total, tensors),
        "tensor_types": by_type(tensors),
        "slow": {backend: words for backend in BACKENDS if (words := slow_words(sorted(used), backend))},
        "tensors": {tensor.name: tensor.type for tensor in tensors},
        "note": note,
        **({"parts": [part.name for part in parts]} if len(parts) > 1 else {}),
    }
