"""The folder of an export that holds an adapter and the bases that it goes over."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lilm.disk import require_space
from lilm.export.delivery import Delivered, deliver
from lilm.export.gguf_info import read_tensors
from lilm.export.gguf_writer import write_gguf
from lilm.export.lora import WithoutAdapter, read_adapter, write_adapter
from lilm.export.quantise import quantise
from lilm.export.recipe_json import NAME, full_entry, hashes, recipe_json
from lilm.export.stage import remove_models
from lilm.gguf_parts import ADAPTED, ADAPTER, BASE, LORA, parts_of
from lilm.origin import read_origin
from lilm.pipeline.hashing import sha256_json, write_json
from lilm.pipeline.stage import Context
from lilm.recipe import ExportConfig


def write_lora(
    config: ExportConfig, inputs: Mapping[str, Path], out_dir: Path, needed: int, context: Context
) -> dict[str, Any]:
    """Write LORA in `out_dir`: the adapter, its base in F16 and in each of `quants`, and a recipe.json. Returns what
    the report says of them.

    needed: bytes of the bases together, at most. Raises LilmError when more than the adapter was trained.
    """
    model, folder = inputs["finetune"], out_dir / LORA
    folder.mkdir(exist_ok=True)
    remove_models(folder, f"{BASE}-", Path(ADAPTER).stem)
    require_space(out_dir, needed, "the adapter's base", "free some space, or set export.adapter = false")
    adapter = read_adapter(inputs["pretrain"] / "adapter")
    origin = read_origin(inputs["base"])
    languages = (context.language, context.base_language)
    full = folder / f"{BASE}-f16.gguf"
    adapted = {ADAPTED: sha256_json(hashes(model))}
    write_gguf(
        model,
        full,
        languages,
        origin=origin,
        license_name=config.license,
        open_weights=lambda path: WithoutAdapter(path, inputs["base"], adapter),
        more=adapted,
    )
    keys = {"general.name": f"LiLM {context.language}, adapter", **adapted}
    if config.license:
        keys["general.license"] = config.license
    parameters = write_adapter(adapter, model, folder / ADAPTER, keys)
    made: dict[str, Delivered] = {}
    types: dict[str, dict[str, str]] = {}
    with context.reporter.bar("adapter's base", len(config.quants)) as bar:
        for quant in config.quants:
            path = folder / f"{BASE}-{quant}.gguf"
            quantise(full, path, quant, context.threads, lambda done, total: None)
            types[quant] = {tensor.name: tensor.type for tensor in read_tensors(path)}
            made[quant] = deliver(path, config.shard_mb, context.reporter)
            bar.advance(1, quant)
    whole = deliver(full, config.shard_mb, context.reporter)
    entries = [
        {**one.as_json(), "how": "llama.cpp", "quant": quant, "types": types[quant]} for quant, one in made.items()
    ]
    write_json(
        folder / NAME,
        recipe_json(full_entry(whole, model, {"base": inputs["base"]}), entries, config.shard_mb, context),
    )
    size = (folder / ADAPTER).stat().st_size
    context.reporter.say(f"  {LORA}/{ADAPTER}: rank {adapter.rank}, {size / 1e6:.1f} MB, over {BASE}-…")
    bases = {"F16": whole, **made}
    return {
        "name": f"{LORA}/{ADAPTER}",
        "bytes": size,
        "parameters": parameters,
        "rank": adapter.rank,
        "bases": [_row(one, quant) for quant, one in bases.items()],
    }


def _row(made: Delivered, quant: str) -> dict[str, Any]:
    first = made.files[0]
    names = [f"{LORA}/{path.name}" for path in parts_of(first)]
    return {"name": names[0], "quant": quant, "parts": names}
