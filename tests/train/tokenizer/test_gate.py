"""The gate, with one thing broken each: every kind of failure is seen, and named as what it is."""

import io
import json
import shutil
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import sentencepiece

from lilm.errors import LilmError
from lilm.llamacpp.vocab import write_vocab_gguf
from lilm.train.tokenizer.adversarial import LINES
from lilm.train.tokenizer.hf import build_tokenizer
from lilm.train.tokenizer.verify import Candidate, Report, verify
from lilm.vocabulary.sentencepiece import NORMAL, UNUSED, empty_proto, processor, read_proto

Break = Callable[[Path], None]


def check(trained: Any, folder: Path, multiple: int = 64) -> Report:
    lines = {language: lines[:300] for language, lines in trained.heldout.items()}
    return verify(Candidate(folder, lines, "en", folder / "vocab.gguf", multiple), trained.base)


def failing(report: Report) -> set[str]:
    return {name for name, found in report.checks.items() if found.mismatches}


@pytest.fixture
def copy(trained: Any, tmp_path: Path) -> Path:
    return shutil.copytree(trained.folder, tmp_path / "tokenizer")


def rewrite(folder: Path, change: Callable[[Any], None]) -> None:
    """Both forms of the tokenizer with the model changed."""
    proto = read_proto(folder / "tokenizer.model")
    change(proto)
    (folder / "tokenizer.model").write_bytes(proto.SerializeToString())
    build_tokenizer(proto).save(str(folder / "tokenizer.json"))


def insert(folder: Path, text: str) -> None:
    """The piece `text` in the place of an unused one, before it."""

    def change(proto: Any) -> None:
        first = next(piece for piece in proto.pieces if piece.type == UNUSED)
        first.piece, first.type = text, NORMAL

    rewrite(folder, change)


def test_what_is_whole_passes(trained: Any, copy: Path) -> None:
    report = check(trained, copy)
    report.raise_on_mismatch("tokenizer")
    assert failing(report) == set()
    assert report.checks["SentencePiece = llama.cpp"].lines == 600 + len(LINES)
    assert report.checks["en ids = base ids"].lines >= 290


def test_other_merges_in_hugging_face(trained: Any, copy: Path) -> None:
    path = copy / "tokenizer.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    data["model"]["merges"].reverse()
    path.write_text(json.dumps(data), encoding="utf-8")
    report = check(trained, copy)
    assert "SentencePiece = Hugging Face" in failing(report)
    assert "SentencePiece = llama.cpp" not in failing(report)


def test_other_scores_in_llamacpp(trained: Any, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ties(folder: Path, path: Path) -> None:
        other = shutil.copytree(folder, path.parent / "other")
        proto = read_proto(other / "tokenizer.model")
        for piece in list(proto.pieces)[trained.merged.base_size :]:
            piece.score = -1e9
        (other / "tokenizer.model").write_bytes(proto.SerializeToString())
        write_vocab_gguf(other, path)

    monkeypatch.setattr("lilm.train.tokenizer.verify.write_vocab_gguf", ties)
    assert failing(check(trained, copy)) == {"SentencePiece = llama.cpp"}


def test_text_that_hugging_face_does_not_give_back(trained: Any, copy: Path) -> None:
    path = copy / "tokenizer.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    decoders = data["decoder"]["decoders"]
    data["decoder"]["decoders"] = [one for one in decoders if one["type"] != "ByteFallback"]
    path.write_text(json.dumps(data), encoding="utf-8")
    assert failing(check(trained, copy)) == {"round trip Hugging Face"}


def test_text_that_sentencepiece_does_not_give_back(trained: Any, copy: Path) -> None:
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a b c"] * 9), model_writer=out, vocab_size=12, hard_vocab_limit=False, minloglevel=2
    )
    nfkc = empty_proto()
    nfkc.ParseFromString(out.getvalue())

    def change(proto: Any) -> None:
        proto.denormalizer_spec.precompiled_charsmap = nfkc.normalizer_spec.precompiled_charsmap

    rewrite(copy, change)
    assert failing(check(trained, copy)) == {"round trip SentencePiece"}


def test_a_new_piece_in_english(trained: Any, copy: Path) -> None:
    base = processor(read_proto(trained.base))
    pairs: Counter[str] = Counter()
    for line in base.encode(trained.heldout["en"][:300], out_type=str):
        pairs.update(left + right for left, right in pairwise(line) if (left + right).isalpha())
    insert(copy, next(text for text, _ in pairs.most_common() if base.piece_to_id(text) == base.unk_id()))
    report = check(trained, copy)
    assert failing(report) == {"en ids = base ids"}
    with pytest.raises(LilmError, match="lines fail en ids = base ids"):
        report.raise_on_mismatch("tokenizer")


def test_a_piece_that_no_text_gives(trained: Any, copy: Path) -> None:
    insert(copy, "犬猫犬猫犬猫犬猫")
    report = check(trained, copy)
    assert failing(report) == {"reachable pieces"}
    with pytest.raises(LilmError, match="1 of 2001 lines fail reachable pieces; the first: '犬猫犬猫犬猫犬猫'"):
        report.raise_on_mismatch("tokenizer")


def test_a_size_that_is_no_multiple(trained: Any, copy: Path) -> None:
    def change(proto: Any) -> None:
        proto.pieces.add(piece="<unused_more>", score=-1e6, type=UNUSED)

    rewrite(copy, change)
    report = check(trained, copy)
    assert failing(report) == {"size is a multiple of 64"}
    with pytest.raises(LilmError, match=r"size is a multiple of 64; the first: '2561 pieces' gives \[1\]"):
        report.raise_on_mismatch("tokenizer")


def test_adversarial_lines_are_of_every_kind() -> None:
    text = "".join(LINES)
    for sign in (" ", "\t", "\n", "\r", "　", "\u200d", "😀", "𩸽", "ｱ", "def ", "\ufffd", "<0xE3>", "\x00", "▁"):
        assert sign in text, repr(sign)
    assert len(set(LINES)) == len(LINES)
