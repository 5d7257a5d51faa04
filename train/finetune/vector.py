"""Chat without chats: what made an instruct model of its plain base is added to the model that was taught a language.

The chat vector (Huang et al. 2023, arXiv:2310.04799) is instruct minus plain, added weight by weight. The rows of new
pieces have none and stay; the rows of the special tokens that the chat template writes are the instruct model's own
(ElChat, Yamaguchi et al. 2024, arXiv:2412.11704).
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from lilm.chat.files import ChatFormat, read_format
from lilm.errors import LilmError
from lilm.llama.config import read_llama_config
from lilm.llama.shape import Shape
from lilm.llama.weights import Weights
from lilm.progress import Reporter
from lilm.recipe import FinetuneConfig
from lilm.temporary import temporary_folder
from lilm.train.base.from_gguf import write_gguf_model
from lilm.train.base.model_folder import TOKENIZER, check_model_folder, load_llama
from lilm.train.base.weights_check import EMBEDDING, HEAD, is_tied
from lilm.train.finetune.format import Format, choose_format
from lilm.vocabulary.byte_level import FILE
from lilm.vocabulary.pieces import open_pieces
from lilm.vocabulary.sentencepiece import has_model

SAME = "give an instruct model and the plain base that it was tuned from"
MINE = "give the model that was taught from this instruct model or its plain base"
MATRICES = (EMBEDDING, HEAD)  # with a row for each piece


@dataclass(frozen=True)
class Sources:
    """Folders of three models that belong together. pieces: that all of them have, the first of the taught one's."""

    taught: Path
    instruct: Path
    plain: Path
    pieces: int
    format: Format


@contextmanager
def open_sources(taught: Path, instruct: Path, plain: Path, reporter: Reporter) -> Iterator[Sources]:
    """Each a model's folder with safetensors, or a GGUF file, which is unpacked while the block runs.

    Raises LilmError for what is no Llama, for other shapes or another tokenizer, and for an instruct model without a
    chat template.
    """
    with ExitStack() as stack:
        given = (taught, instruct, plain)
        folders = [_folder(path, stack, reporter) for path in given]
        pieces, chosen = _check(folders, given)
        yield Sources(folders[0], folders[1], folders[2], pieces, chosen)


def _folder(path: Path, stack: ExitStack, reporter: Reporter) -> Path:
    if path.is_file():
        folder = stack.enter_context(temporary_folder("vector"))
        write_gguf_model(path, folder, reporter)
        return folder
    if not path.is_dir():
        raise LilmError("no such file or folder", where=str(path), remedy="give a model's folder, or a GGUF file")
    check_model_folder(path)
    return path


def _check(folders: list[Path], given: tuple[Path, Path, Path]) -> tuple[int, Format]:
    """(pieces that all have, the chat format)."""
    configs = [read_llama_config(folder) for folder in folders]
    for config, folder in zip(configs, folders, strict=True):
        config["tie_word_embeddings"] = is_tied(folder, config)
    for at, remedy in ((2, SAME), (0, MINE)):
        what = _differs(configs[1], configs[at])
        if what:
            raise LilmError(f"{what} than in {given[1]}", where=str(given[at]), remedy=remedy)
    taught, instruct, plain = (open_pieces(folder).names for folder in folders)
    for at, found, remedy in ((2, plain, SAME), (0, taught[: len(instruct)], MINE)):
        if found != instruct:
            pairs = zip(found, instruct, strict=False)
            first = next((n for n, (one, other) in enumerate(pairs) if one != other), min(len(found), len(instruct)))
            what = f"its tokenizer is not that of {given[1]}: they differ from piece {first} on"
            raise LilmError(what, where=str(given[at]), remedy=remedy)
    known = read_format(folders[1])
    if known.template is None:
        raise LilmError("it has no chat template", where=str(given[1]), remedy="give an instruct model")
    return len(instruct), choose_format(FinetuneConfig(template="base"), known, str(given[1]))


def _differs(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """In what the shapes differ, but for the rows of pieces and the longest context; "" for nothing."""
    left, right = (asdict(Shape.of(config)) for config in (one, other))
    for name, value in left.items():
        if name not in ("vocab", "context") and right[name] != value:
            return f"{name} is {right[name]}, other"
    return ""


def add_vector(sources: Sources, scale: float, reporter: Reporter) -> tuple[Any, dict[str, Any]]:
    """(the model in float32 on the CPU, {"scale", "tensors", "pieces", "new_rows", "special_rows", "change"}).

    change: the length of what was added by that of what was there. One tensor of instruct and plain is in memory.
    Raises LilmError where the sum is not finite.
    """
    model = load_llama(sources.taught, torch.device("cpu"))
    named = dict(model.named_parameters())
    special = special_rows(sources)
    added = there = 0.0
    with (
        Weights(sources.instruct) as instruct,
        Weights(sources.plain) as plain,
        torch.no_grad(),
        reporter.bar("chat vector", len(named)) as bar,
    ):
        for name, weight in named.items():
            there += float(weight.double().square().sum())
            rows = weight[: sources.pieces] if name in MATRICES else weight
            goal, begin = (_like(one.tensor(name), rows) for one in (instruct, plain))
            before = rows.clone()
            rows += scale * (goal - begin)
            if name in MATRICES:
                rows[special] = goal[special]
            change = float((rows - before).double().square().sum())
            if not math.isfinite(change):
                what = f"{name} has values that are not finite"
                raise LilmError(what, where=str(sources.instruct), remedy="lower --scale, or fetch the models again")
            added += change
            bar.advance()
    new = named[EMBEDDING].shape[0] - sources.pieces
    figures = {"scale": scale, "tensors": len(named), "pieces": sources.pieces, "new_rows": new}
    return model, {**figures, "special_rows": len(special), "change": round(math.sqrt(added / there), 6)}


def _like(tensor: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    return tensor[: len(rows)].to(rows.dtype)


def special_rows(sources: Sources) -> list[int]:
    """Ids of the special tokens that the chat template writes."""
    known: ChatFormat = read_format(sources.instruct)
    borders = sources.format.turns.borders.values()
    return sorted(number for name, number in known.special.items() if any(name in border for border in borders))


def write_vector_model(sources: Sources, scale: float, out_dir: Path, reporter: Reporter) -> dict[str, Any]:
    """A Hugging Face folder with the taught model's vocabulary and the instruct model's chat template. Returns what
    `add_vector` tells."""
    from transformers import PreTrainedTokenizerFast

    from lilm.train.finetune.learn import save_chat_model
    from lilm.train.tokenizer.hf import write_tokenizer
    from lilm.vocabulary.added_tokens import read_model

    model, figures = add_vector(sources, scale, reporter)
    tokenizer = sources.taught
    if has_model(tokenizer) and not (tokenizer / FILE).is_file():
        write_tokenizer(read_model(tokenizer / TOKENIZER), out_dir, model.config.max_position_embeddings)
        tokenizer = out_dir
    opened = PreTrainedTokenizerFast.from_pretrained(tokenizer)
    save_chat_model(model, opened, sources.format, sources.taught, out_dir)
    return figures
