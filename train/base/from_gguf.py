"""A GGUF file of a Llama as a Hugging Face folder that all other stages read, with the proof that it is the same."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lilm.errors import LilmError
from lilm.gguf_file import GGUFFile, open_gguf
from lilm.llama.shape import Shape
from lilm.origin import of_gguf
from lilm.pipeline.artifact import Artifact
from lilm.pipeline.hashing import write_json
from lilm.pipeline.stage import Context
from lilm.progress import Reporter
from lilm.temporary import temporary_folder
from lilm.train.base.gguf_model import entries, read_figures
from lilm.train.base.gguf_tokenizer import special_ids, write_gguf_tokenizer
from lilm.train.base.gguf_weights import bits_per_weight, dtype, write_safetensors
from lilm.train.base.mark_row import take_mark
from lilm.vocabulary.turn_mark import TurnMark

WHOLE_BITS = 16


def check_gguf_base(path: Path) -> None:
    """Raises LilmError for a file that cannot be converted, or whose vocabulary nothing can be added to, in about a
    second: before the run starts."""
    from lilm.train.tokenizer.kinds import open_base

    file = open_gguf(path)
    shape = Shape.of(read_figures(file))
    entries(file, shape)
    with temporary_folder("gguf") as folder:
        try:
            write_gguf_tokenizer(file, folder, shape.context)
            open_base(folder)
        except LilmError as error:  # for the user its files are the GGUF
            raise LilmError(error.what, where=str(path), remedy=error.remedy) from error


def gguf_config(path: Path) -> dict[str, Any]:
    """The config.json that the file becomes. Raises LilmError when it is no Llama."""
    file = open_gguf(path)
    return _config(file, read_figures(file))


def convert_gguf(path: Path, corpus: Path, out_dir: Path, context: Context) -> Artifact:
    """config.json, model.safetensors, generation_config.json, origin.json and the tokenizer's files in `out_dir`.

    corpus: whose held-out lines the proof reads. Measures how far the logits are from llama.cpp's, and on how many
    lines the token ids differ; raises LilmError unless they are the same. What becomes a control token, where the file
    has none, gets its row after the proof.
    """
    from lilm.train.base.gguf_proof import prove
    from lilm.train.tokenizer.texts import heldout_lines

    reporter = context.reporter
    mark = write_gguf_model(path, out_dir, reporter)
    file = open_gguf(path)
    config = _config(file, read_figures(file))
    of_gguf(file).write(out_dir)
    lines = {language: heldout_lines(corpus, language) for language in (context.language, context.base_language)}
    work = out_dir / "checkpoints"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        proof = prove(path, out_dir, lines, work, context, mark)
    finally:
        shutil.rmtree(work)
    reporter.say(
        f"  as llama.cpp reads it: {proof['lines']:,} lines in the same token ids, logits within "
        f"{proof['logits_max_diff']:.1e} over {proof['logits_tokens']:,} tokens"
    )
    if mark is not None:
        config = take_mark(out_dir, config, mark, reporter)
        write_json(out_dir / "config.json", config)
        write_json(out_dir / "generation_config.json", {"eos_token_id": mark.index})
    parameters = Shape.of(config).parameters
    return Artifact({"parameters": parameters, "bits_per_weight": round(bits_per_weight(file), 3), **proof})


def write_gguf_model(path: Path, out_dir: Path, reporter: Reporter) -> TurnMark | None:
    """Writes the file's model and tokenizer to `out_dir`, as Hugging Face has them. Returns the control token that the
    tokenizer gets if the file has none; the weights are the file's, and may have no row for it. Raises LilmError as
    `check_gguf_base`."""
    check_gguf_base(path)
    file = open_gguf(path)
    figures = read_figures(file)
    shape = Shape.of(figures)
    found = entries(file, shape)
    bits = bits_per_weight(file)
    reporter.say(f"  {path.name}: {_types(file)}, {bits:.2f} bits a weight{_advice(bits)}")
    mark = write_gguf_tokenizer(file, out_dir, shape.context)
    write_json(out_dir / "config.json", _config(file, figures))
    write_json(out_dir / "generation_config.json", _generation_config(file))
    with reporter.bar("tensors", len(found)) as bar:
        write_safetensors(file, found, out_dir / "model.safetensors", lambda: bar.advance(1))
    return mark


def _types(file: GGUFFile) -> str:
    """The types of its matrices, the one of most numbers first."""
    sizes: dict[str, int] = {}
    for tensor in file.tensors.values():
        if len(tensor.shape) > 1:
            sizes[tensor.type.name] = sizes.get(tensor.type.name, 0) + tensor.parameters
    return " and ".join(sorted(sizes, key=lambda name: -sizes[name]))


def _advice(bits: float) -> str:
    if bits >= WHOLE_BITS:
        return ""
    return "; what its rounding took is gone: an unquantised one (F16, BF16, safetensors) is better where it can be had"


def _config(file: GGUFFile, figures: Mapping[str, Any]) -> dict[str, Any]:
    """config.json, with transformers' keys."""
    ids = special_ids(file)
    kinds = {dtype(tensor)[0] for tensor in file.tensors.values() if len(tensor.shape) > 1}
    names = {"F16": "float16", "BF16": "bfloat16"}
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        **figures,
        "bos_token_id": ids["bos"],
        "eos_token_id": ids["eos"],
        "pad_token_id": ids["padding"],
        "dtype": names.get(kinds.pop(), "float32") if len(kinds) == 1 else "float32",
    }


def _generation_config(file: GGUFFile) -> dict[str, Any]:
    """generation_config.json: a text ends at EOS, and at the end of a turn where that is another token."""
    ids = special_ids(file)
    ends = list(dict.fromkeys(ids[name] for name in ("eos", "eot") if ids[name] is not None))
    found = {
        "bos_token_id": ids["bos"],
        "eos_token_id": ends[0] if len(ends) == 1 else ends or None,
        "pad_token_id": ids["padding"],
    }
    return {key: value for key, value in found.items() if value is not None}
