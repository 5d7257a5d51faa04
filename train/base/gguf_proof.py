"""The proof that a folder made of a GGUF file is the file: llama.cpp's token ids and llama.cpp's logits."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lilm.errors import LilmError
from lilm.llamacpp.engine import tokenize_lines
from lilm.pipeline.stage import Context
from lilm.train.tokenizer.adversarial import LINES
from lilm.train.tokenizer.verify import Check
from lilm.vocabulary.pieces import open_pieces
from lilm.vocabulary.turn_mark import TurnMark

TOLERANCE = 1e-2
WINDOW = 256  # tokens
WINDOWS = 2  # of each language
ALL_F32 = 0  # llama.cpp's file type
REMEDY = "this file cannot be converted safely; use another one of the model, or its safetensors"


def prove(
    gguf: Path,
    folder: Path,
    lines: Mapping[str, Sequence[str]],
    work: Path,
    context: Context,
    mark: TurnMark | None = None,
) -> dict[str, Any]:
    """Compare `folder` with the file it was made of. Returns what stands in the manifest.

    lines: by language. work: an empty folder for a wide copy of the file. mark: the folder's tokenizer has it as a
    control token, and the file has none.
    Token ids must be equal on every line, and on adversarial ones, in Hugging Face and llama.cpp. Logits must be within
    TOLERANCE of llama.cpp's on the file with every tensor widened to float32 by llama.cpp's own decoder, so that its
    arithmetic adds no rounding of its own: on a quantised file it rounds activations too, to 8 bits. What that makes is
    measured beside it (`logits_rms_diff_quantised`; single tokens, like the first of a text, may be far off) and is no
    gate.
    Raises LilmError when either fails.
    """
    check, special, unwritable = compare_tokens(gguf, folder, {**lines, "adversarial": LINES}, mark)
    for name, found in (("", check), (" with special tokens", special)):
        if found.mismatches:
            raise LilmError(
                f"Hugging Face and llama.cpp differ on {found.mismatches} of {found.lines} lines{name}; the first: "
                f"{found.first}",
                where=str(gguf),
                remedy=REMEDY,
            )
    exact, quantised, tokens = compare_logits(gguf, folder, lines, work, context, mark)
    if not exact < TOLERANCE:  # also when it is not a number
        raise LilmError(
            f"logits differ from llama.cpp's by {exact:.3g}, more than {TOLERANCE:g}", where=str(gguf), remedy=REMEDY
        )
    return {
        "logits_max_diff": exact,
        "logits_rms_diff_quantised": quantised,
        "logits_tokens": tokens,
        "token_mismatches": check.mismatches + special.mismatches,
        "lines": check.lines,
        "lines_with_missing_bytes": unwritable,
    }


def compare_tokens(
    gguf: Path, folder: Path, lines: Mapping[str, Sequence[str]], mark: TurnMark | None = None
) -> tuple[Check, Check, int]:
    """(lines as text, lines with special tokens in them, how many of the former have bytes the vocabulary lacks).

    On those last, Hugging Face and llama.cpp leave the byte out in two ways; there LiLM's own reading is compared.
    mark: see `prove`. Lines with its name are left out where the file has it as a token that people can type.
    """
    from transformers import AutoTokenizer

    hf: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    pieces = open_pieces(folder)
    missing = pieces.missing_bytes()
    check, unwritable = Check(), 0
    typed = mark is not None and mark.index in tokenize_lines(gguf, [mark.name], add_bos=False)[0]
    for group in lines.values():
        group = [line for line in group if not typed or mark is None or mark.name not in line]
        ids = hf(group, add_special_tokens=False, split_special_tokens=True, verbose=False)["input_ids"]
        for at, line in enumerate(group):
            if missing and missing & set(line.encode()):
                ids[at] = pieces.encode(line)
                unwritable += 1
        check.compare(group, ids, tokenize_lines(gguf, group, add_bos=False))
    special = Check()
    marked = [
        f"one{token}two {token}\n{token}{token} 3"
        for token in sorted(hf.get_added_vocab())
        if mark is None or token != mark.name
    ]
    if marked:  # transformers takes no empty list
        theirs = tokenize_lines(gguf, marked, add_bos=False, parse_special=True)
        special.compare(marked, hf(marked, add_special_tokens=False)["input_ids"], theirs)
    return check, special, unwritable


def compare_logits(
    gguf: Path,
    folder: Path,
    lines: Mapping[str, Sequence[str]],
    work: Path,
    context: Context,
    mark: TurnMark | None = None,
) -> tuple[float, float, int]:
    """(largest difference from llama.cpp in float32, root mean square of that from llama.cpp as it computes the file
    itself, tokens compared).

    One model is in memory at a time; logits wait on the disk. mark: see `prove`; one that the file has not learnt
    stands before no text.
    """
    import torch

    from lilm.llamacpp.engine import Engine, quantize
    from lilm.train.base.model_folder import load_llama

    reporter = context.reporter
    pieces = open_pieces(folder)
    before = [] if mark is not None and not mark.known else [pieces.bos_id]
    windows = [window for group in lines.values() for window in _windows(group, pieces, before)]
    wide = work / "wide.gguf"
    with reporter.bar("logits", 3 * len(windows)) as bar:
        for name, path in (("quantised", gguf), ("exact", wide)):
            if path == wide:
                quantize(gguf, wide, ALL_F32, threads=context.threads)
            with Engine(path, n_ctx=WINDOW, threads=context.threads, exact=True) as engine:
                for at, window in enumerate(windows):
                    np.save(work / f"{name}-{at}.npy", engine.logits(window))
                    bar.advance(1, "llama.cpp")
        wide.unlink()
        model = load_llama(folder, torch.device("cpu"))
        most, squares = 0.0, 0.0
        for at, window in enumerate(windows):
            with torch.no_grad():
                ours = model(torch.tensor([window]), use_cache=False).logits[0].numpy()
            exact, quantised = (np.load(work / f"{name}-{at}.npy") for name in ("exact", "quantised"))
            most = float(np.maximum(most, np.abs(ours - exact).max()))  # nan stays nan
            squares += float(((ours - quantised) ** 2).mean(dtype=np.float64)) * len(window)
            bar.advance(1, "Hugging Face")
    tokens = sum(map(len, windows))
    return most, math.sqrt(squares / tokens), tokens


def _windows(lines: Sequence[str], pieces: Any, before: list[int]) -> list[list[int]]:
    """The first WINDOWS windows of the text of these lines, `before` in front of each."""
    ids: list[int] = []
    for line in lines:
        ids += pieces.encode(line + "\n")
        if len(ids) >= WINDOWS * (WINDOW - 1):
            break
    return [[*before, *ids[at : at + WINDOW - 1]] for at in range(0, len(ids), WINDOW - 1)][:WINDOWS]
