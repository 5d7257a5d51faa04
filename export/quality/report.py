"""One run's figures as the JSON has them: a row for each file, and files held against each other on the same text."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from lilm.export.quality.choice_figures import choice_figures
from lilm.export.quality.layers import types_by_layer
from lilm.export.quality.opened import REFERENCE, Measured, OpenedRun
from lilm.export.quality.ratios import learnt_pairs
from lilm.export.quality.scored import compare, rise
from lilm.gguf_file import open_gguf

Found = Mapping[str, Any]
SPEEDS = ("prefill", "decode", "load_s", "peak_mb")
PAGE = ("wasm_prefill", "wasm_decode", "wasm_load_s")
WRITTEN = ("loops", "wrong_language", "broken")


def file_row(run: OpenedRun, file: Measured, found: Found, full: Found) -> dict[str, Any]:
    """found, full: what was measured of this file, and of the F16 one.

    mb: millions of bytes. bpw: bits of the whole file per weight. kld_LANGUAGE, kld_chat: nats per token, means;
    kld_se, kld_p99, kld_p999, same_top: of the language learnt. bpb_LANGUAGE: bits per byte. loops, wrong_language,
    broken: shares of the free texts. fit_error: the share by which `lilm fit` reckons more memory (below 0, less) than
    the file took. All text of short windows; `texts` has the long ones, the intervals, and as `more_bits` the share by
    which bits per byte are more than F16's. matrices: see types_by_layer. choices: see choice_figures. sha256: of the
    whole file; parts_sha256: of what was delivered, where that is in parts. None: not measured."""
    size, scores = file.bytes, found["scores"]
    tensors = open_gguf(file.path).tensors
    weights = sum(tensor.parameters for tensor in tensors.values())
    texts: dict[str, dict[str, Any]] = {}
    for name, one in scores.items():
        kind, _, context = name.partition(" ")
        more = None if file.method == REFERENCE else rise(one["sums"], full["scores"][name]["sums"])
        texts.setdefault(kind, {})[context] = {**one["figures"], "more_bits": more}
    learnt = texts[run.languages[0]]["short"]
    kinds = {**dict.fromkeys(run.languages, "short"), "chat": "whole"}
    written, speed, memory, page = (found.get(part) or {} for part in ("written", "speed", "memory", "page"))
    return {
        "name": file.name,
        "quant": file.quant,
        "method": file.method,
        "based_on": file.based_on,
        "control": file.control,
        "note": file.note,
        "mb": round(size / 1e6, 3),
        "bpw": round(size * 8 / weights, 4),
        **{f"kld_{kind}": _value(texts.get(kind, {}).get(context), "kld_mean") for kind, context in kinds.items()},
        "kld_se": learnt["kld_mean"]["se"] if learnt["kld_mean"] else None,
        **{name: _value(learnt, name) for name in ("kld_p99", "kld_p999", "same_top")},
        **{f"bpb_{lang}": _value(texts[lang]["short"], "bits_per_byte") for lang in run.languages},
        **{name: _value(written, name) for name in WRITTEN},
        **{name: speed.get(name) for name in SPEEDS},
        **{name: page.get(name) for name in PAGE},
        "fit_error": memory.get("error"),
        "why_no_page": page.get("why", ""),
        "matrices": types_by_layer(tensors.values()),
        "texts": texts,
        "written": found.get("written"),
        "answers": found.get("answers"),
        "choices": choice_figures(found["choices"], full["choices"]) if "choices" in found else None,
        "sha256": file.sha256,
        **({"parts_sha256": list(file.parts.values())} if file.parts else {}),
    }


def _value(figures: Found | None, name: str) -> Any:
    found = (figures or {}).get(name)
    return None if found is None else found["value"]


def pairs(files: Sequence[Measured], found: Sequence[Found]) -> list[dict[str, Any]]:
    """Each file held against each other one on the same windows: {"file", "other", by kind and context of text the
    difference of their mean KLD (the first less the second), its interval by documents, and their ratio}."""
    quantised = [(file, one["scores"]) for file, one in zip(files, found, strict=True) if file.method != REFERENCE]
    return [
        {
            "file": file.quant,
            "other": other.quant,
            **{name: compare(mine[name]["sums"], theirs[name]["sums"]) for name in mine},
        }
        for (file, mine), (other, theirs) in combinations(quantised, 2)
    ]


def model_report(
    run: OpenedRun, files: Sequence[Measured], found: Sequence[Found], about: Mapping[str, Any]
) -> dict[str, Any]:
    """{"name", "languages", "smollm2", …about, "files", "learnt_pairs", "pairs"}. files, found: the F16 one first."""
    rows = [file_row(run, file, one, found[0]) for file, one in zip(files, found, strict=True)]
    base = run.recipe.base
    return {
        "name": run.recipe.name,
        "languages": list(run.languages),
        "smollm2": any("smollm2" in text.lower() for text in (run.recipe.name, base.path, base.repo)),
        "parameters": run.report["parameters"],
        **about,
        "files": rows,
        "learnt_pairs": [[mine["quant"], other["quant"]] for mine, other in learnt_pairs(rows)],
        "pairs": pairs(files, found),
    }
