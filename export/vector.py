"""`lilm finetune vector`: a model with a chat vector, as a folder and as GGUF files."""

import math
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from lilm.disk import filling
from lilm.errors import LilmError
from lilm.export.stage import check, run
from lilm.pipeline.hashing import write_json
from lilm.pipeline.stage import Context
from lilm.progress import Reporter
from lilm.recipe import ExportConfig, load_recipe

MODEL, EXPORT, REPORT = "model", "export", "vector.json"
THREADS = 2


def make_vector_model(
    taught: Path,
    instruct: Path,
    plain: Path,
    out_dir: Path,
    scale: float,
    quants: Sequence[str],
    language: str,
    reporter: Reporter,
) -> list[Path]:
    """Fill `out_dir`, which is not there or empty, with a Hugging Face folder, GGUF files made as the export stage
    makes them, and what was added (see `lilm.train.finetune.vector.add_vector`). Returns the GGUF files.

    taught: a run folder, whose pretrained model is taken and whose recipe tells language, seed and threads, or a
    model's folder or GGUF file, whose language is `language`. Raises LilmError for models that do not belong together,
    an unknown quant type, a scale that is not finite, and when `out_dir` holds something; nothing is then written.
    """
    from lilm.train.finetune.vector import open_sources, write_vector_model

    if not math.isfinite(scale):
        raise LilmError(f"{scale} is no factor", where="--scale", remedy="give a number, as 1 or 0.5")
    context = Context(0, THREADS, language, "en", reporter)
    if (taught / "lilm.toml").is_file():
        recipe = load_recipe(str(taught / "lilm.toml"))
        context = Context(recipe.seed, recipe.threads, recipe.language, recipe.base_language, reporter)
        taught = taught / "pretrain"
    config = _config(quants)
    check(config, context)
    with filling(out_dir) as work:
        for name in (MODEL, EXPORT):
            (work / name).mkdir()
        with open_sources(taught, instruct, plain, reporter) as sources:
            figures = write_vector_model(sources, scale, work / MODEL, reporter)
        run(config, {"finetune": work / MODEL}, work / EXPORT, context)
        write_json(work / REPORT, figures)
    reporter.say(
        f"  {figures['tensors']} tensors changed by {figures['change']:.2%} of their length; rows of "
        f"{figures['new_rows']} new pieces stayed, {figures['special_rows']} of special tokens are the instruct model's"
    )
    return sorted((out_dir / EXPORT).glob("*.gguf"))


def _config(quants: Sequence[str]) -> ExportConfig:
    try:
        return ExportConfig.model_validate({"quants": list(quants)})
    except ValidationError as error:
        first = error.errors()[0]
        raise LilmError(f"{first.get('input')!r}: {first['msg']}", where="--quants", remedy="as Q8_0,Q4_K_M") from error
