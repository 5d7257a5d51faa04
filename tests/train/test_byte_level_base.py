"""The stages that read a tokenizer, on bases with a byte-level BPE: tokenizer, pack, new rows, chats, the report."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from tokenizers import Tokenizer

from lilm.chat import CHAT_TEMPLATE
from lilm.chat.turns import cut_template
from lilm.errors import LilmError
from lilm.pipeline.stage import Context
from lilm.progress import Reporter
from lilm.recipe import PackConfig, TokenizerConfig
from lilm.train.base.model_folder import load_llama
from lilm.train.finetune.format import chat_vocabulary
from lilm.train.finetune.masking import tokenise_chat
from lilm.train.pack import stage as pack_stage
from lilm.train.pack.packing import IGNORE
from lilm.train.pack.token_store import TokenStore
from lilm.train.pretrain.embeddings import both_matrices
from lilm.train.pretrain.init_distillation import Distillation
from lilm.train.pretrain.init_model import add_rows
from lilm.train.pretrain.init_snippets import collect_snippets
from lilm.train.pretrain.inputs import open_tokenizers
from lilm.train.tokenizer import stage as tokenizer_stage
from lilm.train.tokenizer.report.curve import Shape
from lilm.train.tokenizer.report.figures import tokenizer_report
from lilm.train.tokenizer.report.page import tokenizer_page
from lilm.vocabulary.byte_level import ByteLevel, piece_bytes, read_byte_level
from lilm.vocabulary.pieces import BytePieces
from tests.train.conftest import write_corpus
from tests.train.tokenizer.byte_bases import write_base, write_model

CPU = torch.device("cpu")
CONFIG = TokenizerConfig(pieces=150, verify_lines=50)


def quiet() -> Context:
    return Context(seed=0, threads=1, language="ja", base_language="en", reporter=Reporter(Console(quiet=True)))


@pytest.fixture(scope="module", params=["llama-bpe", "gpt-2"])
def inputs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of the stages before pretrain. llama-bpe has BOS and two matrices, gpt-2 no BOS and one matrix."""
    root = tmp_path_factory.mktemp(request.param)
    folders = {name: root / name for name in ("corpus", "base", "tokenizer", "pack")}
    for path in folders.values():
        path.mkdir()
    write_base(folders["base"], request.param, write_corpus(folders["corpus"])["en"], 500)
    write_model(folders["base"], tied=request.param == "gpt-2")
    tokenizer_stage.run(CONFIG, folders, folders["tokenizer"], quiet())
    pack_stage.run(PackConfig(), folders, folders["pack"], quiet())
    return folders


def japanese(inputs: dict[str, Path]) -> list[str]:
    from lilm.documents import read_texts

    return list(read_texts(inputs["corpus"], "ja", "train"))


def test_files_and_report_of_the_stage(inputs: dict[str, Path], tmp_path: Path) -> None:
    tokenizer_stage.run(CONFIG, inputs, tmp_path, quiet())
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert sorted(files) == ["report.json", "tokenizer.json", "tokenizer_config.json"]
    assert all((inputs["tokenizer"] / name).read_bytes() == data for name, data in files.items()), "the same again"
    report = json.loads(files["report.json"])
    assert report["vocab_size"] % 64 == 0 and report["pieces_added"] == 150
    assert report["checks"]["Hugging Face = llama.cpp"]["mismatches"] == 0
    assert report["ja"]["merged_chars_per_token"] > 2 * report["ja"]["base_chars_per_token"]
    assert json.loads(files["tokenizer_config.json"])["model_max_length"] == 256


def test_no_pieces_keep_the_bases_ids(inputs: dict[str, Path], tmp_path: Path) -> None:
    made = tokenizer_stage.run(CONFIG.model_copy(update={"pieces": 0}), inputs, tmp_path, quiet()).measurements
    base = read_byte_level(inputs["base"])
    assert made["pieces_added"] == 0 and made["vocab_size"] == len(base.names) + made["pieces_unused"]
    assert made["vocab_size"] % 64 == 0 and made["pieces_unused"] < 64
    assert all(check["mismatches"] == 0 for check in made["checks"].values())
    assert made["checks"]["Hugging Face = llama.cpp"]["lines"] > 2, "the gate still runs"
    for language in ("ja", "en"):
        assert made[language]["merged_tokens"] == made[language]["base_tokens"]


def test_the_gate_stops_the_stage(inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another pre-tokenizer in llama.cpp, or, where the text is too plain to show that, another order of merges."""

    def other(folder: Path) -> ByteLevel:
        found = read_byte_level(folder)
        return replace(found, pre="gpt-2", merges=found.merges[:: 1 if found.adds_bos else -1])

    monkeypatch.setattr("lilm.llamacpp.vocab.read_byte_level", other)
    with pytest.raises(LilmError, match=r"fail Hugging Face = llama\.cpp"):
        tokenizer_stage.run(CONFIG, inputs, tmp_path, quiet())
    assert not (tmp_path / "report.json").exists() and not (tmp_path / "checkpoints").exists()


def test_documents_stand_between_bos_or_eos_and_eos(inputs: dict[str, Path]) -> None:
    store = TokenStore.open(inputs["pack"], "ja", "train")
    tokenizer = Tokenizer.from_file(str(inputs["tokenizer"] / "tokenizer.json"))
    before, *ids, after = store.document(0).tolist()
    names = [tokenizer.id_to_token(index) for index in (before, after)]
    assert names in (["<|begin_of_text|>", "<|end_of_text|>"], ["<|endoftext|>", "<|endoftext|>"])
    assert tokenizer.decode(ids) == next(
        text for text in japanese(inputs) if text.startswith(tokenizer.decode(ids[:3]))
    )


def test_new_rows_are_means_of_what_the_base_spells_the_piece_with(inputs: dict[str, Path]) -> None:
    model = load_llama(inputs["base"], CPU)
    before = [matrix.detach().clone() for matrix in both_matrices(model)]
    found = open_tokenizers(inputs["base"], inputs["tokenizer"], model)
    add_rows(model, found.base, found.pieces, "mean", 0, [], quiet().reporter)
    old = Tokenizer.from_file(str(inputs["base"] / "tokenizer.json"))
    n_old = len(found.base)
    whole = {
        at: piece_bytes(name).decode(errors="replace") for at, name in enumerate(found.pieces.names[n_old:-64], n_old)
    }
    whole = {at: text for at, text in whole.items() if "\ufffd" not in text and not found.pieces.is_unused(at)}
    assert len(whole) > 50
    for matrix, rows in zip(both_matrices(model), before, strict=True):
        assert matrix.shape[0] == found.vocab_size and torch.equal(matrix[:n_old], rows[:n_old])
        for at, text in whole.items():
            ids = old.encode(text, add_special_tokens=False).ids
            assert torch.allclose(matrix[at], rows[ids].mean(dim=0)), text
    tied = both_matrices(model)[0].data_ptr() == both_matrices(model)[1].data_ptr()
    assert tied == model.config.tie_word_embeddings


def test_snippets_pair_places_after_which_the_same_bytes_were_read(inputs: dict[str, Path]) -> None:
    base, merged = BytePieces(inputs["base"]), BytePieces(inputs["tokenizer"])
    snippets = collect_snippets(japanese(inputs), base, merged, 256, 20)
    assert len(snippets) == 20
    for snippet in snippets:
        assert snippet.old[0] == snippet.new[0] == base.bos_id
        for old_at, new_at in zip(snippet.old_at.tolist(), snippet.new_at.tolist(), strict=True):
            old, new = snippet.old[1 : old_at + 1], snippet.new[1 : new_at + 1]
            read = [b"".join(piece_bytes(one.names[at]) for at in ids) for one, ids in ((base, old), (merged, new))]
            assert read[0] == read[1]


def test_distillation_learns(inputs: dict[str, Path]) -> None:
    model = load_llama(inputs["base"], CPU)
    found = open_tokenizers(inputs["base"], inputs["tokenizer"], model)
    settings = Distillation(steps=15, batch_size=4)
    made = add_rows(model, found.base, found.pieces, "distillation", 0, japanese(inputs), quiet().reporter, settings)
    assert made["distance_after"] < made["distance_before"]


def test_a_vocabulary_merged_into_another_base(inputs: dict[str, Path], tmp_path: Path) -> None:
    other = write_base(tmp_path, "gpt-2", ["zebras and quokkas, 12 of each"] * 3, 300)
    with pytest.raises(LilmError, match="merged into another base's tokenizer"):
        open_tokenizers(other, inputs["tokenizer"], load_llama(inputs["base"], CPU))


def test_chats_end_their_turns_with_the_bases_eos(inputs: dict[str, Path]) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(inputs["tokenizer"], local_files_only=True)
    chat = [{"role": "user", "content": "こんにちは"}, {"role": "assistant", "content": "やあ、太郎くん。"}]
    vocabulary = chat_vocabulary(tokenizer.backend_tokenizer)
    turns = cut_template(CHAT_TEMPLATE, {"eos_token": tokenizer.eos_token}, "plain")
    found = tokenise_chat(chat, turns, vocabulary)
    spoken = [label for label in found.labels if label != IGNORE]
    assert spoken[-1] == tokenizer.eos_token_id and spoken.count(tokenizer.eos_token_id) == 1
    assert tokenizer.decode(spoken[:-1]) == "やあ、太郎くん。"


def test_the_report(inputs: dict[str, Path], reporter: Reporter) -> None:
    texts = {"ja": japanese(inputs)[:30], "en": ["Once upon a time there was a dog."]}
    shape = Shape(64, True)
    folder, base = inputs["tokenizer"], inputs["base"] / "tokenizer.json"
    found: dict[str, Any] = tokenizer_report(folder, base, texts, [folder], texts["ja"], shape, reporter)
    old, merged, other = (one["texts"] for one in found["tokenizers"])
    assert other == merged and old["en"] == merged["en"]
    curve = found["curve"]
    assert curve[0]["new"] == 0 and curve[0]["tokens"] == old["ja"]["tokens"]
    assert curve[-1]["new"] == 150 and curve[-1]["tokens"] == merged["ja"]["tokens"]
    tokens = [point["tokens"] for point in curve]
    assert tokens == sorted(tokens, reverse=True)
    assert sum(found["pieces"]["new"]["hiragana"].values()) > 20
    assert found["usage"]["new"]["pieces"] > 100
    assert "</html>" in tokenizer_page(found)
