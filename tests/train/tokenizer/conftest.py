"""Real Japanese and English lines, and a vocabulary learnt from some of them on a real small Llama."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from lilm.recipe import TokenizerConfig
from lilm.train.tokenizer.hf import write_tokenizer
from lilm.train.tokenizer.merge import Merged, merge_pieces, normal_pieces, read_base
from lilm.train.tokenizer.train import train_sentencepiece


@dataclass(frozen=True)
class Trained:
    """folder: the tokenizer's files. base: the base's tokenizer.model. heldout: lines by language."""

    folder: Path
    base: Path
    merged: Merged
    heldout: dict[str, list[str]]


def japanese(data: Path) -> list[str]:
    """Wikipedia paragraphs and Aozora lines with the ruby removed."""
    texts = []
    for path in sorted(data.glob("ja_text/jaquad_wiki/*.json"))[:4]:
        for article in json.loads(path.read_text(encoding="utf-8"))["data"]:
            texts += [paragraph["context"] for paragraph in article["paragraphs"]]
    for path in sorted(data.glob("ja_text/aozora/cards/*/files/*/*.txt"))[:40]:
        text = path.read_bytes().decode("cp932", errors="replace")
        texts += re.sub(r"《[^》]*》|［＃[^］]*］|｜", "", text).splitlines()
    return [line for text in texts for line in text.split("\n") if line.strip()]


def english(data: Path) -> list[str]:
    texts = [
        re.sub(r"<[^>]+>", "", p.read_text(encoding="utf-8")) for p in sorted(data.glob("en_text/sherlock/*.xhtml"))
    ]
    texts.append((data / "en_text/tinyshakespeare/data__tinyshakespeare__input.txt").read_text(encoding="utf-8"))
    return [line for text in texts for line in text.split("\n") if line.strip()]


@pytest.fixture(scope="session")
def stories(shared_data: Path) -> Path:
    return shared_data / "model" / "stories260K-hf"


@pytest.fixture(scope="session")
def trained(shared_data: Path, stories: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("tokenizer")
    ja = japanese(shared_data)
    config = TokenizerConfig(pieces=2000)
    base = read_base(stories / "tokenizer.model")
    learnt = train_sentencepiece([line for i, line in enumerate(ja) if i % 5], config, normal_pieces(base))
    merged = merge_pieces(base, learnt, config.pieces, config.multiple)
    write_tokenizer(merged.proto, folder, 512)
    heldout = {"ja": ja[::5][:3000], "en": english(shared_data)[:3000]}
    return Trained(folder, stories / "tokenizer.model", merged, heldout)
