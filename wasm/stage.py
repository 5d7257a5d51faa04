"""Stage wasm: builds llama.cpp for the browser, computes each model's memory, verifies both in node.

What a build computes is held against native llama.cpp for every quantised file (verify/gate.py)."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lilm.errors import LilmError
from lilm.gguf_parts import ADAPTER, BASE, LORA, is_later_part, whole_stem
from lilm.pipeline.artifact import Artifact, own_files
from lilm.pipeline.stage import Context
from lilm.recipe import WasmConfig

if TYPE_CHECKING:
    from lilm.fit.browser import Use
    from lilm.fit.model import Model
    from lilm.wasm.build import BuiltCore
    from lilm.wasm.memory import Memory
    from lilm.wasm.variants import Variant

MIB = 1 << 20


def check(config: WasmConfig, context: Context) -> None:
    from lilm.wasm.build import check_memory64
    from lilm.wasm.source import require_patch
    from lilm.wasm.toolchain import find_toolchain

    check_memory64(all_variants(config), find_toolchain())
    require_patch()


def check_remote(config: WasmConfig, context: Context) -> None:
    """Fetches llama.cpp's source, which the build needs. Raises LilmError where it cannot be had."""
    from lilm.wasm.source import fetch_sdist, llama_cpp_python_version, sdist_file

    release = llama_cpp_python_version()
    if not sdist_file(release).is_file():
        context.reporter.say("wasm: fetching llama.cpp's source from the package index (once)")
    fetch_sdist(release)


def check_base(config: WasmConfig, base: Path, context: Context) -> None:
    """Raises LilmError for a cache that a model of this base's shape cannot have."""
    from lilm.fit.model import read_model
    from lilm.fit.parts import check_cache
    from lilm.llama.config import read_llama_config
    from lilm.llama.shape import Shape

    if config.kv_type != "f16":
        shape = Shape.of(read_llama_config(base)) if base.is_dir() else read_model(base).shape
        check_cache(shape, config.kv_type, "wasm.kv_type")


def external(config: WasmConfig, context: Context) -> dict[str, str]:
    """The builds' keys: another compiler or other sources mean other bytes."""
    from lilm.pipeline.hashing import sha256_file
    from lilm.wasm.build import build_key
    from lilm.wasm.javascript import runtime_dir, runtime_files
    from lilm.wasm.source import llama_cpp_python_version, source_key
    from lilm.wasm.toolchain import find_toolchain
    from lilm.wasm.variants import with_relaxed

    toolchain, source = find_toolchain(), source_key(llama_cpp_python_version())
    variants = with_relaxed(all_variants(config), toolchain)
    keys: dict[str, str] = {str(v): build_key(toolchain, v, config.stack_mb * MIB, source) for v in variants}
    return {**keys, **{name: sha256_file(runtime_dir() / name) for name in runtime_files()}}


def run(config: WasmConfig, inputs: Mapping[str, Path], out_dir: Path, context: Context) -> Artifact:
    from lilm.fit.model import read_model
    from lilm.pipeline.hashing import write_json
    from lilm.wasm.build import build_variant
    from lilm.wasm.javascript import copy_runtime
    from lilm.wasm.memory import plan_memory
    from lilm.wasm.memory_report import memory_report
    from lilm.wasm.source import copy_license
    from lilm.wasm.toolchain import find_toolchain
    from lilm.wasm.variants import is_threaded, with_relaxed
    from lilm.wasm.verify.gate import Gate
    from lilm.wasm.verify.in_chromium import verify_in_chromium
    from lilm.wasm.verify.in_node import verify
    from lilm.wasm.verify.node import runs_in_node

    copy_runtime(out_dir / "runtime")
    copy_license(out_dir)

    export = inputs["export"]
    models, bases = ({path.name: read_model(path) for path in paths} for paths in exported(export))
    quantised = _quantised(export, models)
    smallest = quantised[0]
    measured: list[tuple[Path, Model, Path | None]] = [(gguf, models[gguf.name], None) for gguf in quantised]
    if bases:
        base = _quantised(export / LORA, bases)[0]
        measured.append((base, bases[base.name], export / LORA / ADAPTER))
    languages = (context.language, context.base_language)
    gate = Gate(out_dir, inputs["corpus"], languages, config.kv_type, context.reporter)

    def plan(name: str, variant: str) -> "Memory":
        return plan_memory(models[name], memory_use(config, variant), config.n_ctx, str(inputs["export"] / name))

    plan(smallest.name, config.variants[0])  # too large a model is told before the build
    measurements: dict[str, Any] = {}
    builds: dict[str, Any] = {}
    compiler = ""
    chromium = has_chromium()
    if not chromium:
        context.reporter.say("  Chromium is not installed: memory is verified in node alone")
    toolchain = find_toolchain()
    if toolchain.remark:
        context.reporter.say(f"  {toolchain.remark}")
    cores: dict[str, BuiltCore] = {}
    for variant in with_relaxed(all_variants(config), toolchain):
        core = cores[variant] = build_variant(variant, context.reporter, config.stack_mb)
        core.copy_to(out_dir / variant)
        compiler = core.emcc_version
        memory = plan(smallest.name, variant)
        threads = 1 if not is_threaded(variant) else min(config.max_threads, os.cpu_count() or 1)
        builds[variant] = {**describe_core(out_dir / variant), "chromium": "not installed"}
        if chromium:
            context.reporter.say(f"  {smallest.name} in Chromium ({variant}): memory")
            plain = cores[variant.removesuffix("-relaxed")]
            seen = verify_in_chromium(
                smallest,
                core,
                plain,
                memory,
                n_ctx=config.n_ctx,
                n_batch=config.n_batch,
                threads=threads,
                kv_type=config.kv_type,
            )
            builds[variant]["chromium"] = {"model": smallest.name, "context_filled_to": seen.filled}
        if not runs_in_node(variant):
            context.reporter.say(f"  {variant} is not tried in this node, which is too old for it")
            continue
        found = [gate.measure(gguf, variant, threads, model, lora) for gguf, model, lora in measured]
        if not all(one.agrees for one in found):
            continue
        context.reporter.say(f"  {smallest.name} in node ({variant}): memory and text")
        proof = verify(
            smallest,
            models[smallest.name].shape,
            out_dir,
            variant,
            memory,
            n_ctx=config.n_ctx,
            n_batch=config.n_batch,
            threads=threads,
            kv_type=config.kv_type,
            moved=found[0].moved,
        )
        builds[variant]["verified"] = {"model": smallest.name, **proof.report()}
        measurements[variant] = {
            "cached": core.cached,
            "heap_top": proof.heap_top,
            "initial_bytes": memory.initial_bytes,
            "prefill_tokens_per_second": proof.prefill_tokens_per_second,
            "tokens_per_second": proof.tokens_per_second,
            "divergence": {
                gguf.relative_to(export).as_posix(): one.report()
                for (gguf, *_), one in zip(measured, found, strict=True)
            },
        }
    gate.pass_or_raise()
    table = memory_table(config, {**models, **bases}, builds)
    write_json(out_dir / "memory.json", table)
    context.reporter.console.print(memory_report(table))
    report = {"emcc": compiler, "n_ctx": config.n_ctx, "builds": builds, "memory": table["models"]}
    write_json(out_dir / "report.json", report)
    return Artifact(measurements)


def exported(export: Path) -> tuple[list[Path], list[Path]]:
    """(models, the bases of an adapter) that the export stage made, each by its first part. Below its folder an
    importance matrix may be too, which is a GGUF file and no model."""
    firsts = [path for path in own_files(export) if path.suffix == ".gguf" and not is_later_part(path)]
    bases = [path for path in firsts if path.parent == export / LORA and path.name.startswith(f"{BASE}-")]
    return [path for path in firsts if path.parent == export], bases


def _quantised(folder: Path, models: "Mapping[str, Model]") -> list[Path]:
    """Those of `models` in `folder`, the smallest first."""
    named = [folder / name for name in models if not whole_stem(folder / name).endswith("f16")]
    return sorted(named, key=lambda path: models[path.name].file_bytes)


def has_chromium() -> bool:
    from lilm.wasm.verify.chromium import find_chromium

    try:
        find_chromium()
    except LilmError:
        return False
    return True


def all_variants(config: WasmConfig) -> "tuple[Variant, ...]":
    """The builds that the recipe asks for, without those of relaxed SIMD."""
    from lilm.wasm.variants import MEMORY64

    return (*config.variants, *((MEMORY64,) if config.memory64 else ()))


def memory_use(config: WasmConfig, variant: str) -> "Use":
    from lilm.fit.browser import page_use
    from lilm.wasm.limits import usable_bytes
    from lilm.wasm.variants import is_threaded

    return page_use(config, is_threaded(variant), usable_bytes(variant))


def memory_table(config: WasmConfig, models: "Mapping[str, Model]", builds: Mapping[str, object]) -> dict[str, Any]:
    """What runtime/core.mjs reads: for each model and variant, what each context needs or why it does not fit."""
    from lilm.wasm.limits import usable_bytes
    from lilm.wasm.memory import memory_rows

    variants = all_variants(config)
    rows = {
        name: {
            "file_bytes": model.file_bytes,
            "n_ctx_train": model.shape.context,
            **{one: memory_rows(model, memory_use(config, one), config.n_ctx) for one in variants},
        }
        for name, model in models.items()
    }
    return {
        "n_ctx": config.n_ctx,
        "n_batch": config.n_batch,
        "kv_type": config.kv_type,
        "threads": config.max_threads,
        "stack_bytes": config.stack_mb * MIB,
        "limits": {variant: usable_bytes(variant) for variant in variants},
        "variants": list(variants),
        "relaxed": [variant for variant in variants if f"{variant}-relaxed" in builds],
        "models": rows,
    }


def describe_core(folder: Path) -> dict[str, dict[str, int] | int]:
    """Bytes of the module and of all files as a server sends them (gzip)."""
    import gzip

    from lilm.wasm.build import core_files

    sizes = {name: (folder / name).stat().st_size for name in core_files(folder)}
    zipped = sum(len(gzip.compress((folder / name).read_bytes(), 9, mtime=0)) for name in sizes)
    return {"files": sizes, "bytes": sum(sizes.values()), "gzip_bytes": zipped}
