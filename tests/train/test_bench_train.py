"""`lilm bench train` compares like with like, and says what it did."""

import json
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from lilm.errors import LilmError
from lilm.llama.shape import Shape
from lilm.progress import Reporter
from lilm.train.pack.memory_store import MemoryStore
from lilm.train.pack.packing import IGNORE
from lilm.train.plan.calibrate import random_llama
from lilm.train.pretrain.bench import data, runs, speed, train
from lilm.train.pretrain.bench.seed_loop import learnt_share, padded_batches
from lilm.train.pretrain.bench.trainer_defaults import Blocks

TINY = Shape(vocab=2560, hidden=32, intermediate=64, layers=1, heads=2, kv_heads=1, head_dim=16, tied=False, context=64)
KEYS = {
    "ja_bpb",
    "ja_bpb_seed2023",
    "ja_bpb_trainer",
    "en_bpb_before",
    "en_bpb_after",
    "en_bpb_after_seed2023",
    "tokens_per_s",
    "tokens_per_s_seed2023",
    "peak_memory_mb",
    "mfu",
}


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    """Of made-up stories, with few steps, one round and a tiny shape."""
    from rich.console import Console

    patch = pytest.MonkeyPatch()
    patch.setattr(data, "STORIES", {"ja": 1500, "en": 800})
    patch.setattr(data, "SCRATCH_STEPS", 40)
    patch.setattr(data, "OWN", 60)
    patch.setattr(data, "OWN_HELD_OUT", 20)
    patch.setattr(data, "OWN_TOKENS", 60)
    patch.setattr(data, "HELD_OUT_BYTES", 8_000)
    patch.setattr(runs, "WINDOW", 128)
    patch.setattr(train, "PIECES", 500)
    patch.setattr(train, "ROUNDS", 1)
    patch.setitem(train.TRIALS, "small", replace(train.TRIALS["small"], shape=TINY, window=64))
    try:
        return train.measure(Reporter(Console(quiet=True)), steps=40, seconds=0.5)
    finally:
        patch.undo()


def test_every_figure_is_there_and_json(figures: dict[str, Any]) -> None:
    assert json.loads(json.dumps(figures)).keys() >= KEYS
    assert figures["mfu"] is None or torch.cuda.is_available()
    assert figures["tokens_per_s"] > 0
    assert figures["tokens_per_s_seed2023"] > 0
    assert figures["peak_memory_mb"] > 50
    settings = figures["settings"]
    assert settings["trainer"]["learning_rate"] == 5e-5
    assert settings["seed2023"]["rank"] == 256
    assert (
        len({settings[name]["steps"] * settings[name]["batch_size"] for name in ("ours", "seed2023", "trainer")}) == 1
    )


def test_ours_learns_more_and_forgets_less_than_the_2023_decisions(figures: dict[str, Any]) -> None:
    assert figures["ja_bpb"] < 0.95 * figures["ja_bpb_seed2023"]
    assert figures["en_own_bpb_after"] < figures["en_own_bpb_after_seed2023"]
    assert figures["en_own_bpb_after"] > figures["en_own_bpb_before"], "nobody foretells the base better than itself"


def test_padded_batches_hold_every_token_once_and_mask_the_rest() -> None:
    documents = [[1, 5, 6, 2], [1, 7, 2], list(range(10, 20)), [1, 2]]
    batches = list(islice(padded_batches(documents, window=6, batch_size=5), 1))
    (batch,) = batches
    real = batch["input_ids"][batch["attention_mask"].bool()]
    assert sorted(real.tolist()) == sorted(token for document in documents for token in document)
    assert torch.equal(batch["labels"] == IGNORE, batch["attention_mask"] == 0)
    assert batch["input_ids"].shape == (5, 6), "the longest window of the batch"


def test_padding_is_not_counted_as_learnt() -> None:
    documents = [[1] * 64, [1] * 17]  # in each batch 63 + 16 learnt of 128 places
    assert learnt_share(padded_batches(documents, 64, 2), 3) == pytest.approx((63 + 16) / 128)
    trial = speed.Trial(TINY, window=64, batch_size=2, dtype="float32", seconds=0.2, threads=1, rank=4)
    found, share = speed.seed_2023(random_llama(TINY), trial, documents)
    assert found > 0
    assert share == pytest.approx((63 + 16) / 128)


def test_our_loop_fills_its_batches() -> None:
    documents = [[1] * size for size in range(10, 64)]
    trial = speed.Trial(TINY, window=64, batch_size=2, dtype="float32", seconds=0.2, threads=1)
    found, share = speed.ours(random_llama(TINY), trial, documents)
    assert found > 0
    assert share > 0.85


def test_blocks_are_cut_from_all_text_in_a_row() -> None:
    blocks = Blocks(MemoryStore([[1, 2, 3], [4, 5], [6, 7, 8]]), 3)
    assert [blocks[index]["input_ids"].tolist() for index in range(len(blocks))] == [[1, 2, 3], [4, 5, 6]]


def test_missing_data_and_unknown_shapes_are_refused(reporter: Reporter, tmp_path: Path) -> None:
    with pytest.raises(LilmError, match="no shape 'huge'"):
        train.measure(reporter, shape="huge")
    with pytest.raises(LilmError, match="no text of language 'ja'"):
        train.measure(reporter, data=tmp_path)
