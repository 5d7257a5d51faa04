"""Token stores are Megatron's, whole or refused; packed sequences lose and mix nothing."""

import json
import struct
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tokenizers import Tokenizer, models, normalizers

from lilm.documents import write_documents
from lilm.errors import LilmError
from lilm.pipeline.hashing import sha256_file
from lilm.pipeline.stage import Context
from lilm.recipe import PackConfig
from lilm.train.pack import stage as pack_stage
from lilm.train.pack.make import SPLITS
from lilm.train.pack.megatron import token_dtype
from lilm.train.pack.packing import IGNORE, PackedSequences
from lilm.train.pack.token_store import TokenStore

REPORT: dict[str, object] = {
    "weights": {"s": 1.0},
    "languages": {},
    "sources": {},
    "drops": {},
    "bad": {},
    "contaminated": {"documents": 0, "files": {}},
}
TEXTS = [f"文書{number}、" * (number % 40 + 1) for number in range(200)] + ["雨 rain"]


@pytest.fixture
def pack(tmp_path: Path, context: Context) -> Path:
    """A packed corpus of TEXTS in both languages, in several shards."""
    characters = sorted(set("".join(TEXTS)) | {"▁"})
    vocabulary = {piece: number for number, piece in enumerate(["<unk>", "<s>", "</s>", *characters])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>"))  # noqa: S106
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    (tmp_path / "tokenizer").mkdir()
    tokenizer.save(str(tmp_path / "tokenizer" / "tokenizer.json"))
    (tmp_path / "tokenizer" / "tokenizer_config.json").write_text(
        json.dumps({"bos_token": "<s>", "eos_token": {"content": "</s>"}})
    )
    for lang in ("ja", "en"):
        for split in SPLITS:
            texts = TEXTS if split == "train" else TEXTS[:3]
            ids = [str(number) for number in range(len(texts))]
            frame = pl.DataFrame({"id": ids, "source": ["s"] * len(ids), "text": texts})
            write_documents(tmp_path / "corpus", lang, split, frame)
    (tmp_path / "corpus" / "report.json").write_text(json.dumps(REPORT))
    inputs = {"corpus": tmp_path / "corpus", "tokenizer": tmp_path / "tokenizer"}
    (tmp_path / "pack").mkdir()
    pack_stage.run(PackConfig(shard_tokens=5000), inputs, tmp_path / "pack", context)
    return tmp_path / "pack"


def test_store_gives_the_documents_back(pack: Path) -> None:
    store = TokenStore.open(pack, "ja", "train", sha256_file(pack.parent / "tokenizer" / "tokenizer.json"))
    tokenizer = Tokenizer.from_file(str(pack.parent / "tokenizer" / "tokenizer.json"))
    assert len(list(pack.glob("tokens/ja-train-*.bin"))) > 3
    assert store.n_documents == len(TEXTS)
    assert store.n_bytes == sum(len(text.encode()) for text in TEXTS)
    for number, text in enumerate(TEXTS):
        ids = store.document(number)
        assert (ids[0], ids[-1]) == (1, 2)
        pieces = "".join(tokenizer.id_to_token(token) for token in ids[1:-1].tolist())
        assert pieces == "▁" + text.replace(" ", "▁")
    everything = np.concatenate([store.document(number) for number in range(store.n_documents)])
    assert store.n_tokens == len(everything)
    assert np.array_equal(store.tokens(0, store.n_tokens), everything)
    assert np.array_equal(store.tokens(4990, 10_020), everything[4990:10_020])


def test_the_corpus_report_tells_its_tokens(pack: Path) -> None:
    store = TokenStore.open(pack, "ja", "train", sha256_file(pack.parent / "tokenizer" / "tokenizer.json"))
    said = json.loads((pack / "report.json").read_text())["tokens"]["ja"]
    characters = sum(map(len, TEXTS))
    assert said["tokens"] == store.n_tokens
    assert said["characters_per_token"] == round(characters / store.n_tokens, 4)
    assert f"{2 * store.n_tokens:,}" in (pack / "report.html").read_text()  # of both languages


def test_index_is_megatrons(pack: Path) -> None:
    raw = (pack / "tokens/ja-train-00000.idx").read_bytes()
    assert raw[:9] == b"MMIDIDX\x00\x00"
    version, code, sequences, documents = struct.unpack("<QBQQ", raw[9:34])
    assert (version, code, documents) == (1, 8, sequences + 1)
    lengths = np.frombuffer(raw, "<i4", sequences, 34)
    offsets = np.frombuffer(raw, "<i8", sequences, 34 + 4 * sequences)
    assert np.array_equal(offsets, np.concatenate([[0], np.cumsum(lengths[:-1]) * 2]))
    assert np.frombuffer(raw, "<i8", documents, 34 + 12 * sequences).tolist() == list(range(documents))
    tokens = np.frombuffer((pack / "tokens/ja-train-00000.bin").read_bytes(), "<u2")
    assert tokens[offsets[1] // 2] == 1 and len(tokens) == lengths.sum()
    assert (token_dtype(65_499), token_dtype(65_500)) == ("uint16", "int32")


def test_a_weight_that_leaves_nothing_is_named(pack: Path, tmp_path: Path, context: Context) -> None:
    (tmp_path / "corpus" / "report.json").write_text(json.dumps({**REPORT, "weights": {"s": 1e-9}}))
    inputs = {name: tmp_path / name for name in ("corpus", "tokenizer")}
    with pytest.raises(LilmError, match=r"no document of 'ja' is left in the train split.*raise the weight"):
        pack_stage.run(PackConfig(shard_tokens=5000), inputs, tmp_path / "again", context)


def test_packing_again_gives_the_same_bytes(pack: Path, context: Context) -> None:
    def hashes() -> dict[str, str]:
        files = (path for path in pack.rglob("*") if path.is_file() and path.name != "report.html")  # times are in it
        return {path.name: sha256_file(path) for path in files}

    before = hashes()
    (pack / "tokens" / "ja-train-00099.bin").write_bytes(b"left by a killed run")
    inputs = {"corpus": pack.parent / "corpus", "tokenizer": pack.parent / "tokenizer"}
    pack_stage.run(PackConfig(shard_tokens=5000), inputs, pack, context)
    assert hashes() == before


def damage_tokens(pack: Path) -> None:
    path = pack / "tokens/ja-train-00001.bin"
    path.write_bytes(path.read_bytes()[:-2])


def damage_index(pack: Path) -> None:
    path = pack / "tokens/ja-train-00001.idx"
    path.write_bytes(path.read_bytes()[:-8])


def remove_shard(pack: Path) -> None:
    (pack / "tokens/ja-train-00001.idx").unlink()


@pytest.mark.parametrize("damage", [damage_tokens, damage_index, remove_shard])
def test_broken_shards_are_refused(pack: Path, damage: object) -> None:
    damage(pack)  # type: ignore[operator]
    with pytest.raises(LilmError, match="ja-train-00001"):
        TokenStore.open(pack, "ja", "train")


def test_tokens_of_another_tokenizer_are_refused(pack: Path) -> None:
    with pytest.raises(LilmError, match="another tokenizer"):
        TokenStore.open(pack, "ja", "train", "0" * 64)


class Memory:
    """Documents of the given lengths; every token of document n, position p is n * 1000 + p + 1."""

    def __init__(self, lengths: list[int]) -> None:
        self.lengths, self.n_documents, self.n_tokens = lengths, len(lengths), sum(lengths)

    def document(self, index: int) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
        return index * 1000 + 1 + np.arange(self.lengths[index])


LENGTHS = np.random.default_rng(0).integers(2, 300, 400).tolist()


def test_every_token_stands_once_an_epoch() -> None:
    store = Memory(LENGTHS)
    packed = PackedSequences(store, 128, seed=3)
    seen: Counter[int] = Counter()
    asked: Counter[int] = Counter()
    for index in range(len(packed)):
        one = packed.sequence(index)
        seen.update(one.input_ids[one.segment_ids >= 0].tolist())
        asked.update(one.labels[one.labels != IGNORE].tolist())
    documents = [store.document(number).tolist() for number in range(store.n_documents)]
    assert seen == Counter(token for tokens in documents for token in tokens)
    # every token but a document's first is asked for, exactly once, also where a document was cut
    assert asked == Counter(token for tokens in documents for token in tokens[1:])
    assert packed.efficiency == pytest.approx(store.n_tokens / (128 * len(packed)))
    assert packed.efficiency > 0.98


def test_labels_stay_inside_their_document() -> None:
    packed = PackedSequences(Memory(LENGTHS), 128, seed=3)
    for index in range(len(packed)):
        one = packed.sequence(index)
        held = one.labels != IGNORE
        assert np.array_equal(one.labels[held], one.input_ids[held] + 1)
        starts = np.flatnonzero(np.diff(one.segment_ids, prepend=-2))
        assert (one.position_ids[starts] == 0).all()
        steps = np.diff(one.position_ids)
        assert (steps[np.setdiff1d(np.arange(len(steps)), starts - 1)] == 1).all()
        assert (one.labels[one.segment_ids < 0] == IGNORE).all()


def test_order_is_a_function_of_seed_and_index() -> None:
    first, second = (PackedSequences(Memory(LENGTHS), 128, seed=3) for _ in range(2))
    size = len(first)
    indices = [5, size + 5, 0, 2 * size - 1, 5]
    ahead = {index: first.sequence(index).input_ids.tolist() for index in range(2 * size)}
    assert all(second.sequence(index).input_ids.tolist() == ahead[index] for index in indices)
    epochs = [[tuple(ahead[index]) for index in range(start, start + size)] for start in (0, size)]
    assert epochs[0] != epochs[1] and sorted(epochs[0]) == sorted(epochs[1])
    assert PackedSequences(Memory(LENGTHS), 128, seed=4).sequence(0).input_ids.tolist() != ahead[0]
