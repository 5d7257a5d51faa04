"""The stage as the runner calls it: files, report, the same bytes twice, errors for the user."""

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lilm.documents import write_documents
from lilm.errors import LilmError
from lilm.pipeline.stage import Context
from lilm.recipe import TokenizerConfig
from lilm.train.tokenizer import stage
from lilm.train.tokenizer.hf import merges_by_score
from lilm.train.tokenizer.train import train_base_tokenizer

JA = "昔々、ある村に{}という{}がいました。{}は毎日、山へ行って{}を探しました。"
NAMES, KINDS, THINGS = (
    ("太郎", "花子", "ポチ", "ミケ"),
    ("男の子", "女の子", "犬", "猫"),
    ("花", "きのこ", "木の実", "石"),
)
EN = "Once upon a time there was a {} called {}. It walked {} times to the river to find a red {} and a small {}."


def frame(texts: list[str]) -> pl.DataFrame:
    return pl.DataFrame({"id": [str(i) for i in range(len(texts))], "source": "made", "text": texts})


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("run")
    ja = [JA.format(n, k, n, t) for n in NAMES for k in KINDS for t in THINGS]
    en = [
        EN.format(a, b, n, c, a)
        for n, a in enumerate(("dog", "cat", "boy", "fox"))
        for b in ("Tom", "Lily")
        for c in ("ball", "hat")
    ]
    for lang, texts in (("ja", ja), ("en", en)):
        write_documents(root / "corpus", lang, "train", frame(texts[1:]))
        write_documents(root / "corpus", lang, "heldout", frame(texts[:1]))
    figures = {"documents": len(ja) - 1, "characters": sum(map(len, ja[1:]))}
    (root / "corpus" / "report.json").write_text(
        json.dumps({"languages": {"ja": {"score": None, "train": figures}}}), encoding="utf-8"
    )
    (root / "base").mkdir()
    train_base_tokenizer(en, 330, root / "base" / "tokenizer.model")
    (root / "base" / "config.json").write_text('{"max_position_embeddings": 256}')
    return {"corpus": root / "corpus", "base": root / "base"}


def test_outputs_and_report(inputs: dict[str, Path], tmp_path: Path, context: Context) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for out in folders:
        out.mkdir()
        artifact = stage.run(TokenizerConfig(pieces=120), inputs, out, context)
    one, two = ({path.name: path.read_bytes() for path in sorted(out.iterdir())} for out in folders)
    assert one == two, "a second run gives the same bytes"
    assert list(one) == ["report.json", "tokenizer.json", "tokenizer.model", "tokenizer_config.json"]
    report = json.loads(one["report.json"])
    assert report["vocab_size"] % 64 == 0 and report["base_vocab_size"] == 330
    assert 40 < report["pieces_added"] <= 120
    assert report["checks"]["SentencePiece = llama.cpp"]["mismatches"] == 0
    assert report["checks"]["en ids = base ids"]["lines"] == 1, "all held-out English lines"
    assert report["checks"]["size is a multiple of 64"]["mismatches"] == 0
    assert report["ja"]["merged_chars_per_token"] > report["ja"]["base_chars_per_token"]
    assert artifact.measurements["pieces_added"] == report["pieces_added"]
    assert json.loads(one["tokenizer_config.json"])["model_max_length"] == 256


def test_no_pieces_keep_the_bases_ids(inputs: dict[str, Path], tmp_path: Path, context: Context) -> None:
    made = stage.run(TokenizerConfig(pieces=0, multiple=8), inputs, tmp_path, context).measurements
    assert (made["pieces_added"], made["characters_read"], made["vocab_size"]) == (0, 0, 336)
    assert made["pieces_unused"] == 6, "330 is no multiple of 8"
    assert all(check["mismatches"] == 0 for check in made["checks"].values())
    assert made["checks"]["SentencePiece = llama.cpp"]["lines"] > 2, "the gate still runs"
    for language in ("ja", "en"):
        assert made[language]["merged_tokens"] == made[language]["base_tokens"]
    other = tmp_path / "fits"
    other.mkdir()
    made = stage.run(TokenizerConfig(pieces=0, multiple=10), inputs, other, context).measurements
    assert (made["pieces_unused"], made["vocab_size"]) == (0, 330), "nothing at all is added"


def test_corrupt_base_is_named(inputs: dict[str, Path], tmp_path: Path, context: Context) -> None:
    base = shutil.copytree(inputs["base"], tmp_path / "base")
    (base / "tokenizer.model").write_bytes(b"not a model at all")
    (tmp_path / "out").mkdir()
    with pytest.raises(LilmError, match="not a SentencePiece model") as error:
        stage.run(TokenizerConfig(pieces=120), {**inputs, "base": base}, tmp_path / "out", context)
    assert error.value.where == str(base / "tokenizer.model")
    assert list((tmp_path / "out").iterdir()) == []


def test_unigram_pieces_pass_the_gate_too(inputs: dict[str, Path], tmp_path: Path, context: Context) -> None:
    artifact = stage.run(TokenizerConfig(pieces=120, model_type="unigram"), inputs, tmp_path, context)
    assert artifact.measurements["pieces_added"] > 40
    assert artifact.measurements["checks"]["reachable pieces"]["mismatches"] == 0


def test_the_gate_stops_the_stage(
    inputs: dict[str, Path], tmp_path: Path, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other_merges(proto: Any) -> list[tuple[str, str]]:
        return merges_by_score(proto)[20:]

    monkeypatch.setattr("lilm.train.tokenizer.hf.merges_by_score", other_merges)
    with pytest.raises(LilmError, match="fail SentencePiece = Hugging Face"):
        stage.run(TokenizerConfig(pieces=120), inputs, tmp_path, context)
    assert not (tmp_path / "report.json").exists() and not (tmp_path / "checkpoints").exists()
