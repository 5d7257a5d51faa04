"""Small bases whose tokenizers have no control token: folders, and GGUF files with the same vocabularies."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import pytest
import torch
from rich.console import Console
from transformers import AutoTokenizer, GenerationConfig, LlamaConfig, LlamaForCausalLM

from lilm.chat.files import read_format
from lilm.chat.tokens import ChatVocabulary
from lilm.export.gguf_writer import write_gguf
from lilm.pipeline.stage import Context
from lilm.progress import Reporter
from lilm.recipe import BaseConfig, FinetuneConfig, PackConfig, TokenizerConfig
from lilm.train.base import gguf_proof
from lilm.train.base import stage as base_stage
from lilm.train.base.model_folder import save_llama
from lilm.train.finetune import stage as finetune_stage
from lilm.train.finetune.format import Format, chat_vocabulary, choose_format
from lilm.train.pack import stage as pack_stage
from lilm.train.stories import stories
from lilm.train.tokenizer.adversarial import LINES
from lilm.train.tokenizer.kinds import open_base
from lilm.train.tokenizer.stage import keep_template
from lilm.train.tokenizer.train import train_base_tokenizer
from lilm.vocabulary.pretokenizers import detect_pre
from lilm.vocabulary.sentencepiece import NORMAL, UNKNOWN, UNUSED, USER_DEFINED, has_model, read_proto
from tests.train.tokenizer.byte_bases import write_base

WEIGHTS, EMBEDDING = "model.safetensors", "model.embed_tokens.weight"


def write_weights(folder: Path, rows: int) -> None:
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=rows, max_position_embeddings=512, **shape))
    model.generation_config = GenerationConfig()
    save_llama(model, folder)


def of_pieces(folder: Path, pieces: dict[str, int], more_rows: int = 0, named: dict[str, Any] | None = None) -> None:
    """A SentencePiece base whose only pieces beside the unknown one and those of text are `pieces`, by type."""
    folder.mkdir()
    path = folder / "tokenizer.model"
    train_base_tokenizer(stories("en", 150, 0), 400, path)
    proto = read_proto(path)
    del proto.pieces[1:3]
    for name, kind in pieces.items():
        proto.pieces.add(piece=name, type=kind, score=-1e4)
    spec = proto.trainer_spec
    spec.bos_id = spec.eos_id = -1
    path.write_bytes(proto.SerializeToString())
    if named is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(named), encoding="utf-8")
    write_weights(folder, len(proto.pieces) + more_rows)


def of_merges(
    folder: Path, kind: str, names: tuple[str, ...], more_rows: int = 0, named: dict[str, Any] | None = None
) -> None:
    """A byte-level base without added tokens, with `names` in its vocabulary, to which no merge leads."""
    write_base(folder, kind, stories("en", 150, 0), 500)
    path = folder / "tokenizer.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    data["added_tokens"] = []
    data["post_processor"] = None
    for name in names:
        data["model"]["vocab"][name] = len(data["model"]["vocab"])
    path.write_text(json.dumps(data), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(named or {}), encoding="utf-8")
    write_weights(folder, len(data["model"]["vocab"]) + more_rows)


NEW = "<|endoftext|>"
NAMED = {"bos_token": "<bos>", "eos_token": "<eos>"}
BASES: dict[str, tuple[Callable[[Path], None], str]] = {
    "pieces, unused": (lambda folder: of_pieces(folder, {"<unused0>": UNUSED, "zq": UNUSED}), "<unused0>"),
    "pieces, declared": (lambda folder: of_pieces(folder, {"<|extra_0|>": USER_DEFINED}), "<|extra_0|>"),
    "pieces, an end": (lambda folder: of_pieces(folder, {"<extra_id_0>": UNUSED, "</s>": NORMAL}), "</s>"),
    "pieces, reachable": (lambda folder: of_pieces(folder, {"the": UNUSED, "<unused_7>": UNUSED}), "<unused_7>"),
    "pieces, padded": (lambda folder: of_pieces(folder, {}, more_rows=6), NEW),
    "pieces, none": (lambda folder: of_pieces(folder, {}), NEW),
    "merges, reserved": (
        lambda folder: of_merges(folder, "gpt-2", ("<|reserved_special_token_0|>", "Ġnomerge")),
        "<|reserved_special_token_0|>",
    ),
    "merges, dead": (lambda folder: of_merges(folder, "gpt-2", ("ĠqqĠqq",)), "ĠqqĠqq"),
    "merges, an end": (
        lambda folder: of_merges(folder, "smollm", ("<unk>", "<bos>", "[unused1]", "<eos>"), named=NAMED),
        "<eos>",
    ),
    "whole words first": (lambda folder: of_merges(folder, "llama-bpe", ("Ġqqqq", "[unused0]")), "[unused0]"),
    "whole words first, none": (lambda folder: of_merges(folder, "llama-bpe", ("Ġqqqq",)), NEW),
    "merges, padded": (lambda folder: of_merges(folder, "gpt-2", (), more_rows=6), NEW),
    "merges, none": (lambda folder: of_merges(folder, "gpt-2", ()), NEW),
}
"""By name: what writes it, and which token becomes the mark."""


def _as_it_is(writer: gguf.GGUFWriter, folder: Path, template: str | None) -> int:
    """The folder's vocabulary in a GGUF file's keys, with no control token: LiLM's own writer would make one."""
    if template:
        writer.add_chat_template(template)
    if has_model(folder):
        proto = read_proto(folder / "tokenizer.model")
        writer.add_tokenizer_model("llama")
        writer.add_token_list([piece.piece.encode() for piece in proto.pieces])
        writer.add_token_scores([piece.score for piece in proto.pieces])
        writer.add_token_types([piece.type for piece in proto.pieces])
        return len(proto.pieces)
    data = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    names = sorted(data["model"]["vocab"], key=data["model"]["vocab"].__getitem__)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(detect_pre(data["pre_tokenizer"], data["model"]["ignore_merges"], folder))
    writer.add_token_list([name.encode() for name in names])
    writer.add_token_types([UNKNOWN if name == "<unk>" else NORMAL for name in names])
    writer.add_token_merges([" ".join(merge) for merge in data["model"]["merges"]])
    named = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    if named:
        writer.add_bos_token_id(names.index(named["bos_token"]))
        writer.add_eos_token_id(names.index(named["eos_token"]))
        writer.add_add_bos_token(True)
    return len(names)


def write_unmarked_gguf(folder: Path, target: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lilm.export.gguf_writer.add_vocab", _as_it_is)
        write_gguf(folder, target, ("en",))


@dataclass(frozen=True)
class Made:
    """hf: the base's folder. given: that, or its GGUF file. folder: what the base stage makes of it. tuned, gguf: what
    a run ends in. mark: its id."""

    name: str
    hf: Path
    given: Path
    folder: Path
    tuned: Path
    gguf: Path
    mark: int
    vocabulary: ChatVocabulary
    chosen: Format


def make(
    kind: str, name: str, folder: Path, corpus: Path, chats: FinetuneConfig | None = None, template: str = ""
) -> Made:
    """One of BASES through the stages base and finetune, and as GGUF. kind: of base, "path" or "gguf". template: the
    base's own."""
    context = Context(seed=0, threads=1, language="ja", base_language="en", reporter=Reporter(Console(quiet=True)))
    hf, base, pretrained, tuned = (folder / part for part in ("hf", "base", "pretrained", "tuned"))
    write, token = BASES[name]
    write(hf)
    if template:
        (hf / "chat_template.jinja").write_text(template, encoding="utf-8")
    base.mkdir(), tuned.mkdir()
    given = hf
    if kind == "gguf":
        given = folder / "given.gguf"
        write_unmarked_gguf(hf, given)
    config = BaseConfig(kind=kind, path=str(given))
    base_stage.check(config, context)
    finetune_stage.check_base(chats or FinetuneConfig(template="plain"), given, context)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gguf_proof, "LINES", (*LINES, f"{token} one{token} two {token}"))
        base_stage.run(config, {"corpus": corpus}, base, context)
    shutil.copytree(base, pretrained)
    rows = json.loads((base / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    open_base(base).write_merged([], TokenizerConfig(pieces=0, multiple=rows), "ja", pretrained, 512)
    keep_template(base, pretrained)
    inputs = {"base": base, "corpus": corpus, "tokenizer": pretrained, "pretrain": pretrained, "pack": folder / "pack"}
    if chats is not None:
        inputs["pack"].mkdir()
        pack_stage.run(PackConfig(), inputs, inputs["pack"], context)
    finetune_stage.run(chats or FinetuneConfig(), inputs, tuned, context)
    write_gguf(tuned, folder / "model.gguf", ("en",))
    vocabulary = chat_vocabulary(AutoTokenizer.from_pretrained(tuned, local_files_only=True).backend_tokenizer)
    chosen = choose_format(FinetuneConfig(), read_format(tuned), str(tuned))
    mark = vocabulary.control[chosen.end_token]
    return Made(name, hf, given, base, tuned, folder / "model.gguf", mark, vocabulary, chosen)
