"""The corpus and pack stages as a whole, from JSONL.zst to packed tokens, on one core; and how they grow."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lilm.memory import PeakMemory
from lilm.pipeline.stage import Context
from lilm.progress import Reporter
from lilm.recipe import CorpusConfig, PackConfig
from lilm.temporary import temporary_folder
from lilm.train.corpus import stage
from lilm.train.corpus.bench.data import Written, real_sentences, write_jsonl_zst
from lilm.train.corpus.work import disk_used
from lilm.train.pack import stage as pack_stage
from lilm.train.tokenizer.hf import write_tokenizer
from lilm.train.tokenizer.train import train_base_tokenizer
from lilm.vocabulary.sentencepiece import read_proto

VOCAB = 8000
GROWTH = (1, 4, 16)
MEMORY_MB = 1000
LOOK = 0.05  # seconds between looks at the disk


def measure_stage(reporter: Reporter, data: Path | None, megabytes: float) -> dict[str, Any]:
    """Keys: stage_mb_s, bytes_per_token, peak_disk_ratio (most bytes on the disk / bytes at the end), peak_memory_mb,
    memory_setting_mb, growth (list of scale, mb, seconds, peak_memory_mb). megabytes: of the largest, UTF-8."""
    sentences = real_sentences(data)
    growth = []
    with temporary_folder("bench") as folder:
        tokenizer = _tokenizer(sentences, folder / "tokenizer")
        english = write_jsonl_zst(folder / "en.jsonl.zst", _english(), 300_000, 1)
        for scale in GROWTH:
            size = megabytes * 1e6 * scale / GROWTH[-1]
            japanese = write_jsonl_zst(folder / f"ja-{scale}.jsonl.zst", sentences, int(size), scale)
            reporter.say(f"  {scale}×: {japanese.size / 1e6:.1f} MB in {japanese.documents} documents")
            growth.append(_run(reporter, japanese, english, tokenizer, folder / f"run-{scale}") | {"scale": scale})
    last = growth[-1]
    return {
        "stage_mb_s": round(last["mb"] / last["seconds"], 1),
        "bytes_per_token": last["bytes_per_token"],
        "peak_disk_ratio": last["peak_disk_ratio"],
        "peak_memory_mb": last["peak_memory_mb"],
        "memory_setting_mb": MEMORY_MB,
        "growth": [{key: one[key] for key in ("scale", "mb", "seconds", "peak_memory_mb")} for one in growth],
        "steps": last["steps"],
    }


def _run(reporter: Reporter, japanese: Written, english: Written, tokenizer: Path, folder: Path) -> dict[str, Any]:
    sources = [
        {"name": name, "lang": name, "format": "jsonl", "path": str(one.path)}
        for name, one in (("ja", japanese), ("en", english))
    ]
    config = CorpusConfig.model_validate({"sources": sources, "workers": 1, "memory_mb": MEMORY_MB})
    context = Context(0, 1, "ja", "en", reporter)
    corpus, pack = folder / "corpus", folder / "pack"
    corpus.mkdir(parents=True)
    pack.mkdir()
    started = time.perf_counter()
    with PeakMemory() as memory, _peak_disk(folder) as disk:
        made = stage.run(config, {}, corpus, context)
        packed = pack_stage.run(PackConfig(), {"corpus": corpus, "tokenizer": tokenizer}, pack, context)
    seconds = time.perf_counter() - started
    final = disk_used(folder) - disk_used(corpus / "checkpoints")
    tokens = sum(packed.measurements["tokens"].values())
    return {
        "mb": round((japanese.size + english.size) / 1e6, 1),
        "seconds": round(seconds, 2),
        "bytes_per_token": round(disk_used(pack / "tokens") / tokens, 3),
        "peak_disk_ratio": round(max(disk[0], final) / final, 3),
        "peak_memory_mb": memory.mb,
        "steps": {**made.measurements["mb_per_s"], "pack": packed.measurements["mb_per_s"]},
    }


@contextmanager
def _peak_disk(folder: Path) -> Iterator[list[int]]:
    """Bytes below `folder` at most, looked at while the block runs."""
    peak, stop = [0], threading.Event()

    def watch() -> None:
        while not stop.wait(LOOK):
            try:
                peak[0] = max(peak[0], disk_used(folder))
            except FileNotFoundError:  # it went between the list and the look
                continue

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()


def _tokenizer(sentences: list[str], folder: Path) -> Path:
    folder.mkdir()
    train_base_tokenizer(sentences[:20_000], VOCAB, folder / "tokenizer.model")
    write_tokenizer(read_proto(folder / "tokenizer.model"), folder, 1024)
    return folder


def _english() -> list[str]:
    from lilm.train.stories import stories

    return [line for text in stories("en", 400, 0) for line in text.splitlines()]
