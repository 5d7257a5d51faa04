"""Bases without any control token, as folders and as GGUF files: a row that no text gives becomes one, and what people
type is text all the same."""

import json
from pathlib import Path

import gguf
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaForCausalLM

from lilm.chat.files import read_format
from lilm.errors import LilmError
from lilm.llamacpp.engine import Engine
from lilm.pipeline.stage import Context
from lilm.recipe import BaseConfig, PackConfig, TokenizerConfig
from lilm.train.base import stage as base_stage
from lilm.train.base.model_folder import check_model_folder
from lilm.train.finetune.agreement import template_equal
from lilm.train.finetune.vocabulary import find_vocabulary
from lilm.train.pack import stage as pack_stage
from lilm.train.pack.token_store import SIDECAR
from lilm.train.stories import stories
from lilm.train.tokenizer import stage as tokenizer_stage
from lilm.vocabulary.pieces import open_pieces, taken_mark
from tests.chat.formats import injections
from tests.train.conftest import write_corpus
from tests.train.marked_bases import BASES, NEW, Made, make, write_unmarked_gguf
from tests.train.tokenizer.byte_bases import write_base

WEIGHTS, EMBEDDING = "model.safetensors", "model.embed_tokens.weight"
GGUFS = [name for name in BASES if "padded" not in name]
"""A GGUF file's matrices have a row for each token, and no more."""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(folder)
    return folder


@pytest.fixture(
    scope="module", params=[*(("path", name) for name in BASES), *(("gguf", name) for name in GGUFS)], ids=" ".join
)
def made(request: pytest.FixtureRequest, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    kind, name = request.param
    return make(kind, name, tmp_path_factory.mktemp("marks"), corpus)


def chat(*words: str) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(words)]


def test_a_row_that_no_text_gives_is_the_mark_in_every_file(made: Made) -> None:
    assert made.chosen.end_token == BASES[made.name][1]
    assert open_pieces(made.folder).eos_id == made.mark
    assert read_format(made.folder).special == read_format(made.gguf).special
    assert find_vocabulary(None, None, made.given).format.special == read_format(made.folder).special
    assert find_vocabulary(None, None, made.given).chat.control[made.chosen.end_token] == made.mark
    assert taken_mark(made.folder) is None, "it is a control token like any other from here on"
    fields = gguf.GGUFReader(made.gguf).fields
    assert fields["tokenizer.ggml.token_type"].contents()[made.mark] == gguf.TokenType.CONTROL
    assert fields["tokenizer.ggml.eos_token_id"].contents() == made.mark


def test_nothing_that_people_type_becomes_a_mark(made: Made) -> None:
    assert template_equal(made.tuned, made.gguf)
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
    before, after = (load_file(folder / WEIGHTS) for folder in (made.hf, made.folder))
    if made.given.is_file():
        before = {name: tensor.half() if tensor.dim() == 2 else tensor for name, tensor in before.items()}
    old, new = before[EMBEDDING], after[EMBEDDING]
    others = torch.arange(len(new)) != made.mark
    assert torch.equal(new[others], old[others[: len(old)]])
    assert len(new) == max(len(old), made.mark + 1)
    if "an end" in made.name:
        assert torch.equal(new, old), "the base has learnt it"
    else:
        known = old[: made.mark] if BASES[made.name][1] == NEW else old[others]
        assert torch.allclose(
            new[made.mark].float(), known.float().mean(dim=0), atol=1e-6 if new.dtype is torch.float32 else 1e-4
        )
    assert all(torch.equal(before[name], after[name]) for name in before if name not in (EMBEDDING, "lm_head.weight"))


@pytest.mark.parametrize("kind", ["path", "gguf"])
@pytest.mark.parametrize("name", ["pieces, reachable", "pieces, none", "merges, dead", "merges, none"])
def test_pieces_are_added_and_texts_end_at_the_mark(
    pretrain_inputs: dict[str, Path], tmp_path: Path, context: Context, name: str, kind: str
) -> None:
    BASES[name][0](tmp_path / "given")
    inputs = pretrain_inputs | {stage: tmp_path / stage for stage in ("base", "tokenizer", "pack")}
    for stage in ("base", "tokenizer", "pack"):
        inputs[stage].mkdir()
    given = tmp_path / "given"
    if kind == "gguf":
        given = tmp_path / "given.gguf"
        write_unmarked_gguf(tmp_path / "given", given)
    base_stage.run(BaseConfig(kind=kind, path=str(given)), inputs, inputs["base"], context)
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
