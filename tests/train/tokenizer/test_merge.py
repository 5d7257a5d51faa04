"""What a merged vocabulary holds, and the bases that are refused."""

import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from lilm.errors import LilmError
from lilm.train.tokenizer.merge import merge_pieces, read_base, unreachable_pieces
from lilm.train.tokenizer.train import Learnt
from lilm.vocabulary.sentencepiece import NORMAL, UNUSED, USER_DEFINED, read_proto


def learnt(*pieces: str) -> Learnt:
    return Learnt(pieces, frozenset(p for p in pieces if len(p) == 1), 0, 0.0)


def test_size_is_a_multiple_and_scores_fall(trained: Any) -> None:
    proto, merged = read_proto(trained.folder / "tokenizer.model"), trained.merged
    assert len(proto.pieces) % 64 == 0
    new = list(proto.pieces)[merged.base_size :]
    assert [piece.type for piece in new] == [NORMAL] * len(merged.added) + [UNUSED] * merged.padding
    lowest = min(piece.score for piece in list(proto.pieces)[: merged.base_size])
    scores = [lowest, *(struct.unpack("f", struct.pack("f", piece.score))[0] for piece in new)]
    assert all(before > after for before, after in pairwise(scores))
    assert len({piece.piece for piece in proto.pieces}) == len(proto.pieces)
    assert len(merged.added) == 2000


def test_new_pieces_hold_no_latin_and_no_english_signs(trained: Any) -> None:
    assert not [piece for piece in trained.merged.added if any(ord(char) < 0x2E80 for char in piece if char != "▁")]


def test_unreachable_pieces_are_dropped_and_named(stories: Path) -> None:
    base = read_base(stories / "tokenizer.model")
    merged = merge_pieces(base, learnt("東京", "東京都庁", "東", "京", "都", "庁"), 10, 1)
    assert merged.unreachable == ("東京都庁",), "nothing merges 東京 with 都庁, which is no piece"
    assert merged.added == ("東京", "東", "京", "都", "庁")
    assert unreachable_pieces(merged.proto, merged.added) == []


def test_a_piece_that_a_better_merge_breaks_is_unreachable(stories: Path) -> None:
    base = read_base(stories / "tokenizer.model")
    # 京都 merges before 東京 and 都庁 can, so the two never meet.
    merged = merge_pieces(base, learnt("京都", "東京", "都庁", "東京都庁", "東", "京", "都", "庁"), 10, 1)
    assert merged.unreachable == ("東京都庁",)


def test_wanted_pieces_are_the_first_learnt(stories: Path) -> None:
    base = read_base(stories / "tokenizer.model")
    merged = merge_pieces(base, learnt("京都", "東京", "東", "京", "都"), 4, 8)
    assert merged.added == ("京都", "東", "京", "都")
    assert len(merged.proto.pieces) == 520 and merged.padding == 4


def test_corrupt_model_is_one_line_for_the_user(tmp_path: Path, stories: Path) -> None:
    path = tmp_path / "tokenizer.model"
    with pytest.raises(LilmError, match="no such file"):
        read_base(path)
    path.write_bytes((stories / "tokenizer.model").read_bytes()[:3001])
    with pytest.raises(LilmError, match=r"tokenizer\.model: not a SentencePiece model"):
        read_base(path)
    path.write_bytes(b"")
    with pytest.raises(LilmError, match="without pieces"):
        read_base(path)


def test_unigram_vocabularies_are_refused(shared_data: Path) -> None:
    for path in sorted((shared_data / "model" / "llm_jp_tok").glob("*.model")):
        with pytest.raises(LilmError, match="not a BPE model"):
            read_base(path)


def test_user_defined_pieces_are_refused(tmp_path: Path, stories: Path) -> None:
    proto = read_proto(stories / "tokenizer.model")
    proto.pieces.add(piece="<|im_start|>", score=0, type=USER_DEFINED)
    (tmp_path / "tokenizer.model").write_bytes(proto.SerializeToString())
    with pytest.raises(LilmError, match="USER_DEFINED"):
        read_base(tmp_path / "tokenizer.model")


def test_a_byte_piece_whose_name_is_no_text_is_one_line(stories: Path, tmp_path: Path) -> None:
    """SentencePiece quotes the name in its error, and Python cannot read that."""
    path = tmp_path / "tokenizer.model"
    path.write_bytes((stories / "tokenizer.model").read_bytes().replace(b"<0x41>", b"<0x4\xf8>"))
    with pytest.raises(LilmError) as refused:
        read_base(path)
    assert refused.value.where == str(path)
