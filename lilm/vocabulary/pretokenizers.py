"""Which of llama.cpp's pre-tokenizers a tokenizer.json cuts text like, and the steps that a name of llama.cpp's means.

llama.cpp has them under names (`tokenizer.ggml.pre`), whose regular expressions are in llama-vocab.cpp. Its converter
knows a tokenizer by a hash of the ids it gives to a text; a merged vocabulary gives others, so the steps themselves
are compared here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lilm.errors import LilmError

_LETTERS = r"[^\r\n\p{L}\p{N}]?\p{L}+"
_SIGNS = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_ENDINGS = ("(?i:'s|'t|'re|'ve|'m|'ll|'d)", "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])")
LLAMA3 = tuple(rf"{ending}|{_LETTERS}|\p{{N}}{{1,3}}|{_SIGNS}" for ending in _ENDINGS)
QWEN2 = tuple(rf"{ending}|{_LETTERS}|\p{{N}}|{_SIGNS}" for ending in _ENDINGS)
"""The regular expressions of Llama 3 and Qwen 2, in the two ways they are written; the first is the models' own."""

_SPLITS = {"llama3": LLAMA3, "qwen2": QWEN2}


@dataclass(frozen=True)
class Pre:
    """steps: what is done, in order. ignore_merges: a word that is a token as a whole is taken before merging.
    adds_bos: what llama.cpp does where a GGUF says nothing. others: names that llama.cpp treats alike."""

    steps: tuple[str, ...]
    ignore_merges: bool = False
    adds_bos: bool = False
    others: tuple[str, ...] = ()


KNOWN: dict[str, Pre] = {
    "llama-bpe": Pre(
        ("llama3", "bytes"),
        ignore_merges=True,
        adds_bos=True,
        others=("llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"),
    ),
    "dbrx": Pre(("llama3", "bytes"), others=("smaug-bpe",)),
    "qwen2": Pre(
        ("qwen2", "bytes"),
        others=("deepseek-r1-qwen", "kormo", "megrez", "stablelm2", "hunyuan", "solar-open", "grok-2"),
    ),
    "smollm": Pre(
        ("digits", "words"),
        others=("starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2"),
    ),
    "gpt-2": Pre(
        ("words",),
        others=("phi-2", "gigachat", "a.x-4.0", "mellum", "mpt", "olmo", "jais", "trillion", "exaone4"),
    ),
}
"""By llama.cpp's name (llama-vocab.cpp, llama_vocab::impl::load and llm_tokenizer_bpe)."""


def detect_pre(pre_tokenizer: dict[str, Any] | None, ignore_merges: bool, path: Path) -> str:
    """llama.cpp's name for the `pre_tokenizer` of a tokenizer.json. Raises LilmError when it has none."""
    steps = tuple(_steps(pre_tokenizer)) if pre_tokenizer else ()
    for name, pre in KNOWN.items():
        if (pre.steps, pre.ignore_merges) == (steps, ignore_merges):
            return name
    raise LilmError(
        f"its pre-tokenizer ({' + '.join(steps) or 'none'}{', ignore_merges' if ignore_merges else ''}) is none "
        "that LiLM knows in llama.cpp",
        where=str(path),
        remedy=f"use a base with one of: {', '.join(KNOWN)}",
    )


def find_pre(name: str | None, path: Path) -> Pre:
    """What llama.cpp's `name` means. Raises LilmError when it is none of those that LiLM knows."""
    for known, pre in KNOWN.items():
        if name in (known, *pre.others):
            return pre
    raise LilmError(
        f"its pre-tokenizer (tokenizer.ggml.pre = {name!r}) is none that LiLM knows"
        if name
        else "it names no pre-tokenizer (tokenizer.ggml.pre): it was converted by an old llama.cpp",
        where=str(path),
        remedy=f"use a base with one of: {', '.join(KNOWN)}",
    )


def pre_tokenizer_json(pre: Pre) -> dict[str, Any]:
    """The `pre_tokenizer` of a tokenizer.json with these steps."""
    made = [_step_json(step) for step in pre.steps]
    return made[0] if len(made) == 1 else {"type": "Sequence", "pretokenizers": made}


def _step_json(step: str) -> dict[str, Any]:
    if step in _SPLITS:
        return {"type": "Split", "pattern": {"Regex": _SPLITS[step][0]}, "behavior": "Isolated", "invert": False}
    if step == "digits":
        return {"type": "Digits", "individual_digits": True}
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": step == "words"}


def _steps(one: dict[str, Any]) -> Iterator[str]:
    """What is done, in order; what is not known is named as the file does."""
    kind = one.get("type")
    if kind == "Sequence":
        for inner in one["pretokenizers"]:
            yield from _steps(inner)
    elif kind == "ByteLevel" and not one.get("add_prefix_space"):
        yield "words" if one.get("use_regex", True) else "bytes"
    elif kind == "Digits" and one.get("individual_digits"):
        yield "digits"
    elif kind == "Split" and one.get("behavior") == "Isolated" and not one.get("invert"):
        expression = one["pattern"].get("Regex")
        yield next((name for name, forms in _SPLITS.items() if expression in forms), f"Split {expression!r}")
    else:
        yield str(kind)
