"""A report of `lilm bench quant` as it would be of a model of 60 MB in 16 bits, made up."""

import hashlib
from collections.abc import Sequence
from typing import Any

LANGUAGES = ("ja", "en")
LAYERS = 4


def estimate(value: float, half: float) -> dict[str, Any]:
    return {"value": value, "se": half / 2, "ci95": [value - half, value + half]}


def row(
    quant: str,
    mb: float,
    kld: float = 0.0,
    more: Sequence[float] = (0.0, 0.0),
    half: float = 0.0005,
    method: str = "stock",
    **rest: Any,
) -> dict[str, Any]:
    """more: rise of bits per byte in both languages, half: half of its interval."""
    full = method == "reference"

    def figures(part: float, bits: float | None) -> dict[str, Any]:
        return {
            "kld_mean": None if full else estimate(kld, kld / 10),
            "kld_p999": None if full else estimate(kld * 20, kld),
            "same_top": None if full else estimate(0.9, 0.01),
            "bits_per_byte": None if bits is None else estimate(bits * (1 + part), 0.01),
            "more_bits": None if full else estimate(part, half),
        }

    bits = mb / 60 * 16
    types = {"types": ["Q4_K"] * (LAYERS - 1) + ["Q6_K"], "bits": [4.5] * (LAYERS - 1) + [6.56], "parameters": 1000}
    return {
        "name": f"model-{quant}.gguf",
        "quant": quant,
        "method": method,
        "control": False,
        "note": "",
        "mb": mb,
        "bpw": bits,
        **{f"kld_{kind}": None if full else kld for kind in ("ja", "en", "chat")},
        "prefill": 200.0,
        "decode": 1000 / mb,
        "wasm_prefill": 100.0,
        "wasm_decode": 600 / mb,
        **{"load_s": 0.1, "peak_mb": 100.0 + mb, "wasm_load_s": None, "why_no_page": ""},
        "matrices": {"token_embd": {"types": ["Q6_K"], "bits": [6.56], "parameters": 500}, "ffn_down": types},
        "texts": {
            "ja": {"short": figures(more[0], 1.2)},
            "en": {"short": figures(more[1], 1.1)},
            "chat": {"whole": figures(more[0], None)},
        },
        "written": {name: {"value": 0.1, "ci95": [0.05, 0.2]} for name in ("loops", "wrong_language", "broken")},
        "sha256": hashlib.sha256(quant.encode()).hexdigest(),
        **rest,
    }


FULL = row("F16", 60.0, method="reference")


def device(name: str, os: str, kind: str, may_use_mb: int, longest: dict[str, int], **rest: Any) -> dict[str, Any]:
    """longest: context by quant."""
    return {
        "device": name,
        "called": name,
        "os": os,
        "kind": kind,
        "entitlement": False,
        "may_use_mb": may_use_mb,
        "source": "https://example.org",
        "longest_n_ctx": {f"model-{quant}.gguf": n_ctx for quant, n_ctx in longest.items()},
        "slow": [],
        **rest,
    }


def report(files: Sequence[dict[str, Any]], devices: Sequence[dict[str, Any]] = (), **rest: Any) -> dict[str, Any]:
    """A model of the report. Files are held against each other as far as their means and intervals go."""
    own = [one for one in files if one["method"] != "reference"]
    pairs = []
    for at, one in enumerate(own):
        for other in own[at + 1 :]:
            apart = estimate(one["kld_ja"] - other["kld_ja"], 0.001)
            pairs.append({"file": one["quant"], "other": other["quant"], "ja short": apart})
    on = {"documents": 30, "tokens": 3000, "windows": 30, "sha256": "cut", "documents_sha256": "same"}
    return {
        "name": "made",
        "languages": list(LANGUAGES),
        "files": list(files),
        "pairs": pairs,
        "fits": {"n_ctx": 1024, "kv_type": "f16", "devices": list(devices)},
        "measured_on": {"ja": {"short": dict(on)}, "en": {"short": dict(on)}, "chat": {"whole": dict(on)}},
        "not_measured_on": {"ja long": "a context of 256 tokens is no longer than a short window"},
        "chats_read_by": {"training": False, "why": ""},
        "settings": {"generations": 12},
        "samples": [],
        "cpu": "a processor",
        "threads": 2,
        "no_page": "",
        **rest,
    }
