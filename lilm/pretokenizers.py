"""Which of llama.cpp's pre-tokenizers a tokenizer.json cuts text like.

llama.cpp has them under names (`tokenizer.ggml.pre`), whose regular expressions are in llama-vocab.cpp. Its converter
knows a tokenizer by a hash of the ids it gives to a text; a merged vocabulary gives others, so the steps themselves
are compared here.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lilm.errors import LilmError

_LETTERS = r"[^\r\n\p{L}\p{N}]?\p{L}+"
_SIGNS = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_ENDINGS = ("(?i:'s|'t|'re|'ve|'m|'ll|'d)", "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])")
LLAMA3 = frozenset(rf"{ending}|{_LETTERS}|\p{{N}}{{1,3}}|{_SIGNS}" for ending in _ENDINGS)
QWEN2 = frozenset(rf"{ending}|{_LETTERS}|\p{{N}}|{_SIGNS}" for ending in _ENDINGS)
"""The regular expressions of Llama 3 and Qwen 2, in the two ways they are written."""

Steps = tuple[str, ...]
KNOWN: dict[tuple[Steps, bool], str] = {
    (("llama3", "bytes"), True): "llama-bpe",
    (("llama3", "bytes"), False): "dbrx",  # the same expression, without whole words first
    (("qwen2", "bytes"), False): "qwen2",
    (("digits", "words"), False): "smollm",
    (("words",), False): "gpt-2",
}
"""llama.cpp's name by steps and `ignore_merges`: whether a word that is a token as a whole is taken before merging."""


def detect_pre(pre_tokenizer: dict[str, Any] | None, ignore_merges: bool, path: Path) -> str:
    """llama.cpp's name for the `pre_tokenizer` of a tokenizer.json. Raises LilmError when it has none."""
    steps = tuple(_steps(pre_tokenizer)) if pre_tokenizer else ()
    name = KNOWN.get((steps, ignore_merges))
    if name is None:
        raise LilmError(
            f"its pre-tokenizer ({' + '.join(steps) or 'none'}{', ignore_merges' if ignore_merges else ''}) is none "
            "that LiLM knows in llama.cpp",
            where=str(path),
            remedy=f"use a base with one of: {', '.join(KNOWN.values())}",
        )
    return name


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
        known = {"llama3": LLAMA3, "qwen2": QWEN2}
        yield next((name for name, forms in known.items() if expression in forms), f"Split {expression!r}")
    else:
        yield str(kind)
