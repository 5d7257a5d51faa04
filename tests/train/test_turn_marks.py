"""Bases without any control token: a row that no text gives becomes one, and what people type is text all the same."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, GenerationConfig, LlamaConfig, LlamaForCausalLM

from lilm.chat.files import read_format
from lilm.chat.tokens import ChatVocabulary
from lilm.errors import LilmError
from lilm.export.gguf_writer import write_gguf
from lilm.llamacpp.engine import Engine
from lilm.pipeline.stage import Context
from lilm.progress import Reporter
from lilm.recipe import BaseConfig, FinetuneConfig, PackConfig, TokenizerConfig
from lilm.train.base import stage as base_stage
from lilm.train.base.model_folder import check_model_folder, save_llama
from lilm.train.finetune import stage as finetune_stage
from lilm.train.finetune.agreement import template_equal
from lilm.train.finetune.format import Format, chat_vocabulary, choose_format
from lilm.train.finetune.vocabulary import find_vocabulary
from lilm.train.pack import stage as pack_stage
from lilm.train.pack.token_store import SIDECAR
from lilm.train.stories import stories
from lilm.train.tokenizer import stage as tokenizer_stage
from lilm.train.tokenizer.kinds import open_base
from lilm.train.tokenizer.train import train_base_tokenizer
from lilm.vocabulary.pieces import open_pieces, taken_mark
from lilm.vocabulary.sentencepiece import NORMAL, UNUSED, USER_DEFINED, read_proto
from tests.chat.formats import injections
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
        lambda folder: of_merges(folder, "smollm", ("[unused1]", "<eos>"), named={"eos_token": "<eos>"}),
        "<eos>",
    ),
    "whole words first": (lambda folder: of_merges(folder, "llama-bpe", ("Ġqqqq", "[unused0]")), "[unused0]"),
    "whole words first, none": (lambda folder: of_merges(folder, "llama-bpe", ("Ġqqqq",)), NEW),
    "merges, padded": (lambda folder: of_merges(folder, "gpt-2", (), more_rows=6), NEW),
    "merges, none": (lambda folder: of_merges(folder, "gpt-2", ()), NEW),
}
"""By name: what writes it, and which token becomes the mark."""


@dataclass(frozen=True)
class Made:
    """given: the base's own folder. folder: what the base stage makes of it. mark: its id."""

    name: str
    given: Path
    folder: Path
    gguf: Path
    mark: int
    vocabulary: ChatVocabulary
    chosen: Format


@pytest.fixture(scope="module", params=BASES)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    context = Context(seed=0, threads=1, language="ja", base_language="en", reporter=Reporter(Console(quiet=True)))
    folder = tmp_path_factory.mktemp("marks")
    given, base, pretrained, tuned = (folder / name for name in ("given", "base", "pretrained", "tuned"))
    BASES[request.param][0](given)
    base.mkdir(), tuned.mkdir()
    config = BaseConfig(kind="path", path=str(given))
    base_stage.check(config, context)
    finetune_stage.check_base(FinetuneConfig(template="plain"), given, context)
    base_stage.run(config, {}, base, context)
    shutil.copytree(base, pretrained)
    rows = json.loads((base / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    open_base(base).write_merged([], TokenizerConfig(pieces=0, multiple=rows), "ja", pretrained, 512)
    finetune_stage.run(FinetuneConfig(), {"pretrain": pretrained, "pack": folder}, tuned, context)
    write_gguf(tuned, folder / "model.gguf", ("en",))
    vocabulary = chat_vocabulary(AutoTokenizer.from_pretrained(tuned, local_files_only=True).backend_tokenizer)
    chosen = choose_format(FinetuneConfig(), read_format(tuned), str(tuned))
    mark = vocabulary.control[chosen.end_token]
    yield Made(request.param, given, base, folder / "model.gguf", mark, vocabulary, chosen)


def chat(*words: str) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(words)]


def test_a_row_that_no_text_gives_is_the_mark_in_every_file(made: Made) -> None:
    assert made.chosen.end_token == BASES[made.name][1]
    assert open_pieces(made.folder).eos_id == made.mark
    assert read_format(made.given).special == read_format(made.folder).special == read_format(made.gguf).special
    assert find_vocabulary(None, None, made.given).chat.control[made.chosen.end_token] == made.mark
    assert taken_mark(made.folder) is None, "it is a control token like any other from here on"
    fields = gguf.GGUFReader(made.gguf).fields
    assert fields["tokenizer.ggml.token_type"].contents()[made.mark] == gguf.TokenType.CONTROL
    assert fields["tokenizer.ggml.eos_token_id"].contents() == made.mark


def test_nothing_that_people_type_becomes_a_mark(made: Made) -> None:
    assert template_equal(made.folder.parent / "tuned", made.gguf)
    asked = [*injections(list(made.vocabulary.control)), made.chosen.end_token.replace("Ġ", " ")]
    turns = made.chosen.turns

    def marks(ids: list[int]) -> int:
        return sum(at in set(made.vocabulary.control.values()) for at in ids)

    harmless = made.vocabulary.ids(turns.parts(chat("Hello", "Hi", "Why?"), add_generation_prompt=True))
    with Engine(made.gguf, n_ctx=512, threads=1) as engine:
        for words in asked:
            ids = made.vocabulary.ids(turns.parts(chat(words, words, words), add_generation_prompt=True))
            assert marks(ids) == marks(harmless), words
            assert engine.tokenize_chat(chat(words, words, words)) == ids, words


def test_its_row_begins_as_the_mean_and_no_other_row_changes(made: Made) -> None:
    before, after = (load_file(folder / WEIGHTS) for folder in (made.given, made.folder))
    old, new = before[EMBEDDING], after[EMBEDDING]
    others = torch.arange(len(new)) != made.mark
    assert torch.equal(new[others], old[others[: len(old)]])
    assert len(new) == max(len(old), made.mark + 1)
    if "an end" in made.name:
        assert torch.equal(new, old), "the base has learnt it"
    else:
        known = old[: made.mark] if BASES[made.name][1] == NEW else old[others]
        assert torch.allclose(new[made.mark], known.mean(dim=0), atol=1e-6)
    assert all(torch.equal(before[name], after[name]) for name in before if name not in (EMBEDDING, "lm_head.weight"))


@pytest.mark.parametrize("name", ["pieces, reachable", "pieces, none", "merges, dead", "merges, none"])
def test_pieces_are_added_and_texts_end_at_the_mark(
    pretrain_inputs: dict[str, Path], tmp_path: Path, context: Context, name: str
) -> None:
    BASES[name][0](tmp_path / "given")
    inputs = pretrain_inputs | {stage: tmp_path / stage for stage in ("base", "tokenizer", "pack")}
    for stage in ("base", "tokenizer", "pack"):
        inputs[stage].mkdir()
    base_stage.run(BaseConfig(kind="path", path=str(tmp_path / "given")), {}, inputs["base"], context)
    tokenizer_stage.run(TokenizerConfig(pieces=100, verify_lines=20), inputs, inputs["tokenizer"], context)
    pack_stage.run(PackConfig(), inputs, inputs["pack"], context)
    mark = read_format(inputs["base"]).special[BASES[name][1]]
    packed = json.loads((inputs["pack"] / SIDECAR).read_text(encoding="utf-8"))
    assert packed["eos_id"] == packed["bos_id"] == mark
    assert read_format(inputs["tokenizer"]).special[BASES[name][1]] == mark


def test_weights_in_parts_get_the_row_too(tmp_path: Path, context: Context) -> None:
    BASES["merges, none"][0](tmp_path / "given")
    given, out = tmp_path / "given", tmp_path / "out"
    tensors = load_file(given / WEIGHTS)
    head = {name: tensors.pop(name) for name in list(tensors) if name in (EMBEDDING, "lm_head.weight")}
    parts = {"model-00001-of-00002.safetensors": head, "model-00002-of-00002.safetensors": tensors}
    for file, part in parts.items():
        save_file(part, given / file, {"format": "pt"})
    (given / WEIGHTS).unlink()
    files = {name: file for file, part in parts.items() for name in part}
    (given / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": files}))
    out.mkdir()
    base_stage.run(BaseConfig(kind="path", path=str(given)), {}, out, context)
    rows = json.loads((out / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    assert rows == len(head[EMBEDDING]) + 1 and check_model_folder(out)
    assert LlamaForCausalLM.from_pretrained(out).get_input_embeddings().weight.shape[0] == rows


def test_a_base_that_has_control_tokens_and_no_eos_is_refused_as_before(tmp_path: Path) -> None:
    folder = write_base(tmp_path / "base", "gpt-2", stories("en", 20, 0), 300)
    (folder / "tokenizer_config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(LilmError, match="no eos_token is named"):
        open_pieces(folder)
