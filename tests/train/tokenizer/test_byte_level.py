"""Byte-level BPE bases: every runtime cuts alike, English and the base's ids stay, and the gate sees what is broken."""

import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from lilm.errors import LilmError
from lilm.llamacpp.engine import tokenize_lines
from lilm.llamacpp.vocab import write_vocab_gguf
from lilm.recipe import TokenizerConfig
from lilm.train.tokenizer.adversarial import LINES
from lilm.train.tokenizer.byte_verify import verify_byte_level
from lilm.train.tokenizer.kind import Written
from lilm.train.tokenizer.kinds import open_base
from lilm.train.tokenizer.verify import Candidate, Report
from lilm.vocabulary.byte_level import ByteLevel, byte_alphabet, piece_bytes, read_byte_level, written
from lilm.vocabulary.pieces import BytePieces, open_pieces
from tests.train.made_languages import korean
from tests.train.tokenizer.byte_bases import write_base
from tests.train.tokenizer.conftest import english, japanese


@dataclass(frozen=True)
class Made:
    """folder: the merged tokenizer's files. base: the base's folder. heldout: lines by language."""

    kind: str
    folder: Path
    base: Path
    written: Written
    heldout: dict[str, list[str]]

    def tokenizers(self) -> tuple[Tokenizer, Tokenizer]:
        one, other = (Tokenizer.from_file(str(folder / "tokenizer.json")) for folder in (self.base, self.folder))
        return one, other


@pytest.fixture(scope="module", params=["llama-bpe", "qwen2", "smollm", "gpt-2"])
def made(request: pytest.FixtureRequest, shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Half of the bases know some Japanese, in pieces that reach from one character into the next."""
    root, kind = tmp_path_factory.mktemp("byte-level"), request.param
    ja, en = japanese(shared_data), english(shared_data)
    known = ja[1::7] if kind in ("llama-bpe", "gpt-2") else []
    base = write_base(root / "base", kind, [*en[::4], *known], 1500)
    (root / "merged").mkdir()
    texts = learning(ja)
    config = TokenizerConfig(pieces=1000)
    found = open_base(base).write_merged(texts, config, "ja", root / "merged", 256)
    return Made(kind, root / "merged", base, found, {"ja": ja[::5][:1500], "en": en[:3000]})


def learning(lines: list[str]) -> list[str]:
    """What is not held out."""
    return [line for index, line in enumerate(lines[:6000]) if index % 5]


def check(made: Made, folder: Path, multiple: int = 64, lines: int | None = 200) -> Report:
    group = {language: texts[:lines] for language, texts in made.heldout.items()}
    return verify_byte_level(Candidate(folder, group, "en", folder / "vocab.gguf", multiple), made.base)


def failing(report: Report) -> set[str]:
    return {name for name, found in report.checks.items() if found.mismatches}


def test_every_runtime_cuts_alike(made: Made, tmp_path: Path) -> None:
    report = check(made, shutil.copytree(made.folder, tmp_path / "copy"), lines=None)
    report.raise_on_mismatch("tokenizer")
    assert failing(report) == set()
    assert report.checks["Hugging Face = llama.cpp"].lines == 1500 + 3000 + len(LINES)
    assert report.checks["en ids = base ids"].lines >= 2990
    figures = report.figures["ja"]
    assert figures["merged_chars_per_token"] > 1.15 * figures["base_chars_per_token"]
    assert report.figures["en"]["merged_tokens"] == report.figures["en"]["base_tokens"]


def test_ids_of_the_base_stay_and_new_ones_come_after(made: Made) -> None:
    old, new = made.tokenizers()
    size = old.get_vocab_size()
    assert all(old.id_to_token(index) == new.id_to_token(index) for index in range(size))
    for special in json.loads((made.base / "tokenizer.json").read_text())["added_tokens"]:
        assert new.encode(special["content"], add_special_tokens=False).ids == [special["id"]]
    assert new.get_vocab_size() == made.written.vocab_size
    assert made.written.vocab_size == size + made.written.pieces_added + made.written.pieces_unused
    assert made.written.vocab_size % 64 == 0 and made.written.pieces_unused < 64
    assert made.written.pieces_added == 1000


def test_english_ids_are_the_bases_also_for_signs(made: Made) -> None:
    old, new = made.tokenizers()
    signs = [
        "naïve café — “x” … Ａｎｎ 😀👍🏽 ™ → ⁂ é\u0301 \U0001d400",
        " \u00a0\u2009\ufeff€ ﬁ ﬀ Ａ!",
        *made.heldout["en"],
    ]
    assert [one.ids for one in old.encode_batch(signs)] == [one.ids for one in new.encode_batch(signs)]


def test_new_pieces_are_whole_characters_or_lead_to_such(made: Made) -> None:
    found = read_byte_level(made.folder)
    size = made.written.base_vocab_size
    added = [name for at, name in enumerate(found.names[size:], size) if at not in found.unused]
    parts = {name for name in added if not is_whole(name)}
    used = {side for merge in found.merges for side in merge}
    assert parts <= used and len(parts) < 0.3 * len(added)
    _, tokenizer = made.tokenizers()
    for name in set(added) - parts:
        ids = tokenizer.encode(piece_bytes(name).decode(), add_special_tokens=False).ids
        assert ids == [found.names.index(name)], "its own text gives it"
    assert max(len(piece_bytes(name).decode()) for name in set(added) - parts) <= 16


def is_whole(name: str) -> bool:
    return "\ufffd" not in piece_bytes(name).decode(errors="replace")


def test_the_same_bytes_again(made: Made, tmp_path: Path, shared_data: Path) -> None:
    texts = learning(japanese(shared_data))
    open_base(made.base).write_merged(texts, TokenizerConfig(pieces=1000), "ja", tmp_path, 256)
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (made.folder / path.name).read_bytes(), path.name


@pytest.fixture(scope="module")
def llama(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    root = tmp_path_factory.mktemp("broken")
    ja, en = japanese(shared_data)[:2000], english(shared_data)[:2000]
    base = write_base(root / "base", "llama-bpe", en, 600)
    (root / "merged").mkdir()
    found = open_base(base).write_merged(ja, TokenizerConfig(pieces=200), "ja", root / "merged", 256)
    return Made("llama-bpe", root / "merged", base, found, {"ja": ja[:200], "en": en[:200]})


def change(made: Made, folder: Path, how: Callable[[dict[str, Any]], None]) -> Path:
    copy = shutil.copytree(made.folder, folder / "copy")
    data = json.loads((copy / "tokenizer.json").read_text(encoding="utf-8"))
    how(data)
    (copy / "tokenizer.json").write_text(json.dumps(data), encoding="utf-8")
    return copy


def in_place_of_unused(data: dict[str, Any], name: str) -> None:
    vocab = data["model"]["vocab"]
    vocab[name] = vocab.pop(next(unused for unused in vocab if unused.startswith("<unused_")))


def test_another_pre_tokenizer_in_llamacpp(llama: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def other(folder: Path) -> ByteLevel:
        return replace(read_byte_level(folder), pre="gpt-2")

    monkeypatch.setattr("lilm.llamacpp.vocab.read_byte_level", other)
    report = check(llama, shutil.copytree(llama.folder, tmp_path / "copy"))
    assert "Hugging Face = llama.cpp" in failing(report)
    with pytest.raises(LilmError, match=r"lines fail Hugging Face = llama\.cpp; the first: "):
        report.raise_on_mismatch("tokenizer")


def test_a_new_merge_in_english(llama: Made, tmp_path: Path) -> None:
    old, _ = llama.tokenizers()
    pairs: Counter[tuple[str, str]] = Counter()
    for line in old.encode_batch(llama.heldout["en"], add_special_tokens=False):
        pairs.update((a, b) for a, b in pairwise(line.tokens) if a.strip("Ġ").isalpha() and b.isalpha() and b.isascii())
    left, right = next(pair for pair, _ in pairs.most_common() if old.token_to_id("".join(pair)) is None)

    def english_merge(data: dict[str, Any]) -> None:
        in_place_of_unused(data, left + right)
        data["model"]["merges"].append([left, right])

    report = check(llama, change(llama, tmp_path, english_merge))
    assert failing(report) == {"en ids = base ids"}


def test_a_piece_that_no_text_gives(llama: Made, tmp_path: Path) -> None:
    copy = change(llama, tmp_path, lambda data: in_place_of_unused(data, written("犬猫犬猫犬猫")))
    report = check(llama, copy)
    assert failing(report) == {"reachable pieces"}
    with pytest.raises(LilmError, match="1 of 201 lines fail reachable pieces"):
        report.raise_on_mismatch("tokenizer")


def test_a_letter_that_stands_for_no_byte_is_refused_by_name(llama: Made, tmp_path: Path) -> None:
    copy = change(llama, tmp_path, lambda data: in_place_of_unused(data, "aƳ"))
    with pytest.raises(LilmError, match="'aƳ', has a letter that stands for no byte"):
        open_pieces(copy)


def test_special_tokens_at_other_ids(llama: Made, tmp_path: Path) -> None:
    def swap(data: dict[str, Any]) -> None:
        one, other = data["added_tokens"][1:3]
        one["content"], other["content"] = other["content"], one["content"]
        vocab = data["model"]["vocab"]
        vocab[one["content"]], vocab[other["content"]] = one["id"], other["id"]

    assert "pieces of the base = base" in failing(check(llama, change(llama, tmp_path, swap)))


SENTENCES = {"ja": ["昔々、ある村に猫がいました。"], "en": ["Once upon a time there was a cat."]}


def stripping(data: dict[str, Any]) -> None:
    """The last special token takes the spaces and line ends behind it with it."""
    data["added_tokens"][-1]["rstrip"] = True


def test_a_special_token_that_takes_spaces_away(llama: Made, tmp_path: Path) -> None:
    found = failing(check(llama, change(llama, tmp_path, stripping)))
    assert found == {"Hugging Face = llama.cpp with special tokens"}


@pytest.mark.parametrize("kind", ["llama-bpe", "smollm"])
def test_added_tokens_are_found_as_llamacpp_finds_them(kind: str, tmp_path: Path) -> None:
    """It takes no spaces away beside them, and finds one that is not special inside a word too."""
    base = write_base(tmp_path / "base", kind, SENTENCES["en"] * 20, 400)
    path = base / "tokenizer.json"
    data = json.loads(path.read_text())
    stripping(data)
    last = max(token["id"] for token in data["added_tokens"])
    flags = {"lstrip": True, "rstrip": True, "single_word": True, "normalized": True, "special": False}
    data["added_tokens"].append({"id": last + 1, "content": "xword", **flags})
    path.write_text(json.dumps(data))
    (merged := tmp_path / "merged").mkdir()
    found = open_base(base).write_merged(SENTENCES["ja"] * 20, TokenizerConfig(pieces=20), "ja", merged, 256)
    marked = [f"a{token['content']}  \n b" for token in data["added_tokens"]]
    lines = {"ja": SENTENCES["ja"], "en": [*SENTENCES["en"], "an axwordy  xword  line", *marked]}
    report = check(Made(kind, merged, base, found, lines), merged)
    assert failing(report) == set()
    assert report.checks["Hugging Face = llama.cpp with special tokens"].lines == len(data["added_tokens"])


def test_a_size_that_is_no_multiple(llama: Made) -> None:
    report = check(llama, llama.folder, multiple=100)
    assert failing(report) == {"size is a multiple of 100"}


@pytest.mark.parametrize(
    ("keys", "named"),
    [({"model_type": "unigram"}, "model_type"), ({"split_by_unicode_script": True}, "split_by_unicode_script")],
)
def test_keys_that_only_sentencepiece_knows(llama: Made, tmp_path: Path, keys: dict[str, Any], named: str) -> None:
    with pytest.raises(LilmError, match="byte-level BPE") as error:
        open_base(llama.base).write_merged(["日本"], TokenizerConfig(**keys), "ja", tmp_path, 256)
    assert error.value.where == f"tokenizer.{named}"


def test_a_full_width_sign_becomes_one_piece_and_full_width_letters_stay(tmp_path: Path) -> None:
    """Both begin with the bytes EF BC, which this base has not put together."""
    base = write_base(tmp_path / "base", "gpt-2", ["plain words only"], 270)
    (tmp_path / "merged").mkdir()
    texts = ["行け！止まれ！走れ！Ａ組もＢ組も！"] * 20
    open_base(base).write_merged(
        texts, TokenizerConfig(pieces=60, character_coverage=1.0), "ja", tmp_path / "merged", 9
    )
    old, new = (Tokenizer.from_file(str(tmp_path / name / "tokenizer.json")) for name in ("base", "merged"))
    assert len(new.encode("！").ids) == 1 and len(old.encode("！").ids) == 3
    assert new.encode("Ａ Ｂ ｚ").ids == old.encode("Ａ Ｂ ｚ").ids


def test_no_room_for_a_character_is_room_for_nothing(tmp_path: Path) -> None:
    """There is one for the most frequent character, whose parts English may hold."""
    base = write_base(tmp_path / "base", "gpt-2", SENTENCES["en"] * 20, 400)
    (tmp_path / "merged").mkdir()
    thai = ["กาลครั้งหนึ่งมีแมวชื่อมานี อาศัยอยู่ในป่า ทุกวันแมวเล่นสนุก"] * 4
    found = open_base(base).write_merged(thai, TokenizerConfig(pieces=1), "th", tmp_path / "merged", 256)
    assert found.pieces_added == 0 and found.share_left_to_bytes == 1


def test_a_first_syllable_is_one_piece_though_the_base_has_its_space_and_first_byte(tmp_path: Path) -> None:
    """As SmolLM2's vocabulary, which cuts 「 강」 as space and EA, B0, 95."""
    syllables = "".join(f" {chr(code)}" for code in range(0xAC00, 0xD7A4, 11))
    base = write_base(tmp_path / "base", "smollm", [syllables] * 5 + ["plain words only"], 262)
    (tmp_path / "merged").mkdir()
    open_base(base).write_merged(korean(), TokenizerConfig(pieces=600), "ko", tmp_path / "merged", 9)
    old, new = (Tokenizer.from_file(str(tmp_path / name / "tokenizer.json")) for name in ("base", "merged"))
    assert old.encode(" 강아지").tokens[0] == "Ġê"
    assert piece_bytes(new.encode(" 강아지").tokens[0]).decode().startswith(" 강")
    english = ["plain words only", "café ꜰ ꬰ – naïve", " ꜰ"]  # of which some begin with EA too
    assert [one.ids for one in old.encode_batch(english)] == [one.ids for one in new.encode_batch(english)]


SMOLLM2_LACKS = bytes.fromhex("04 06 13 14 16 1d c0 c1 f1 f2 f5 f6 f7 f8 f9 fa fb fc fd fe ff")
"""What the real vocabulary of SmolLM2 has no piece for."""


@pytest.fixture(scope="module")
def lacking(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Made:
    root = tmp_path_factory.mktemp("lacking")
    ja, en = japanese(shared_data)[:2000], english(shared_data)[:2000]
    base = write_base(root / "base", "smollm", en, 600, SMOLLM2_LACKS)
    (root / "merged").mkdir()
    found = open_base(base).write_merged(ja, TokenizerConfig(pieces=100), "ja", root / "merged", 256)
    return Made("smollm", root / "merged", base, found, {"ja": ja[:200], "en": [*en[:200], "Hel\x04lo wor\x1dld"]})


def test_bytes_that_text_can_hold_get_pieces(lacking: Made) -> None:
    base, merged = read_byte_level(lacking.base), read_byte_level(lacking.folder)
    assert piece_bytes("".join(base.missing)) == bytes.fromhex("04 06 13 14 16 1d f1 f2")
    assert merged.names[len(base.names) :][: len(base.missing)] == base.missing and merged.missing == ()
    assert lacking.written.pieces_added == 100 + len(base.missing)
    tokenizer = Tokenizer.from_file(str(lacking.folder / "tokenizer.json"))
    text = "".join(map(chr, range(32))) + "\U00040000 wor\x04d \U000abcde"
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_english_ids_are_compared_also_where_bytes_lack(lacking: Made) -> None:
    report = check(lacking, lacking.folder, lines=None)
    assert failing(report) == set()
    assert report.checks["en ids = base ids"].lines == 201


def test_a_base_reads_around_a_byte_that_it_lacks_as_llamacpp_does(lacking: Made, tmp_path: Path) -> None:
    pieces = BytePieces(lacking.base)
    write_vocab_gguf(lacking.base, tmp_path / "base.gguf")
    lines = ["the\x04the", "a\x1d\U00040000b", *LINES]
    assert [pieces.encode(line) for line in lines] == tokenize_lines(tmp_path / "base.gguf", lines)
    assert pieces.encode("the\x04the") == pieces.encode("the") * 2


def test_a_missing_byte_begins_as_the_bytes_that_are_there(lacking: Made) -> None:
    pieces = BytePieces(lacking.base)
    missing = read_byte_level(lacking.base).missing[0]
    spelling = pieces.spell(missing)
    assert {pieces.names[index] for index in spelling} == set(byte_alphabet()) - set(written_bytes(SMOLLM2_LACKS))
    assert pieces.spell("t" + missing) == [pieces.names.index("t"), *spelling]


def written_bytes(data: bytes) -> list[str]:
    return [byte_alphabet()[byte] for byte in data]
