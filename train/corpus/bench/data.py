"""Text of any size for benchmarks: documents of sentences that stand in real text, mixed anew, with planted copies."""

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import zstandard

from lilm.errors import LilmError
from lilm.recipe import SourceConfig
from lilm.train.corpus.normalise import normalise
from lilm.train.corpus.sources import read, shards
from lilm.train.stories import stories

SENTENCES = re.compile(r"(?<=。)")
SOURCES = (("aozora", "aozora/**/*.txt"), ("squad", "jaquad_wiki/*.json"))
STORIES = 50_000
COPIES = 0.12  # share of exact copies
EDITS = 0.05  # share of copies with a changed sentence


def real_texts(folder: Path | None) -> Iterator[str]:
    """Raw Japanese texts in a fixed order. folder: has ja_text with aozora and jaquad_wiki; None: made-up stories.

    Raises LilmError when neither is there.
    """
    if folder is None:
        yield from stories("ja", STORIES, 0)
    else:
        yield from texts_below(folder / "ja_text", "ja", SOURCES)


def texts_below(folder: Path, lang: str, sources: tuple[tuple[str, str], ...]) -> Iterator[str]:
    """Raw texts of `sources` (format, glob below `folder`), in a fixed order. Raises LilmError when there is none."""
    found = False
    for form, pattern in sources:
        if not any(folder.glob(pattern)):
            continue
        source = SourceConfig.model_validate(
            {"name": form, "lang": lang, "format": form, "path": str(folder / pattern)}
        )
        for shard in shards(source):
            for item in read(shard, source, 0):
                if isinstance(item, str):
                    found = True
                    yield item
    if not found:
        wanted = ", ".join(pattern for _, pattern in sources)
        raise LilmError(f"no text of language {lang!r}", where=str(folder), remedy=f"give a folder with {wanted} in it")


def real_sentences(folder: Path | None, most_chars: int = 20_000_000) -> list[str]:
    """Sentences of 10 to 200 characters of `real_texts`, normalised, each once, in a fixed order."""
    found: dict[str, None] = {}
    chars = 0
    for text in real_texts(folder):
        for sentence in SENTENCES.split(normalise(text, "ja", "、。").replace("\n", "")):
            if 10 <= len(sentence) <= 200 and sentence not in found:
                found[sentence] = None
                chars += len(sentence)
        if chars >= most_chars:
            break
    return list(found)


@dataclass(frozen=True)
class Written:
    """size: bytes of UTF-8 in the documents; documents: how many."""

    path: Path
    size: int
    documents: int


def write_jsonl_zst(path: Path, sentences: list[str], size: int, seed: int, chars: int = 1700) -> Written:
    """Documents of about `chars` characters (half to twice), `size` bytes of UTF-8 together, one JSON object a line.

    COPIES of them are copies of one before, EDITS are copies with another sentence in one place.
    """
    rng = random.Random(seed)
    recent: list[list[str]] = []
    written = count = 0
    with zstandard.open(path, "wt", encoding="utf-8", cctx=zstandard.ZstdCompressor(level=3)) as file:
        while written < size:
            lot = rng.random()
            if recent and lot < COPIES + EDITS:
                document = list(rng.choice(recent))
                if lot < EDITS:
                    document[rng.randrange(len(document))] = rng.choice(sentences)
            else:
                document, length = [], int(chars * rng.uniform(0.5, 2))
                while length > 0:
                    document.append(rng.choice(sentences))
                    length -= len(document[-1])
                recent.append(document)
                recent = recent[-2000:]
            text = "".join(sentence + ("\n" if place % 4 == 3 else "") for place, sentence in enumerate(document))
            file.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")
            written += len(text.encode())
            count += 1
    return Written(path, written, count)
