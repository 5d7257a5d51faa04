"""What clean text loses by the default rules: next to nothing."""

import random
import zlib
from pathlib import Path

import numpy as np
import pytest

from lilm.recipe import RulesConfig, SourceConfig
from lilm.train.corpus.normalise import normalise_all
from lilm.train.corpus.pieces import pieces
from lilm.train.corpus.rules import refusals
from lilm.train.corpus.rules.batch import Batch
from lilm.train.corpus.rules.compression import compressed
from lilm.train.corpus.sources import read, shards

DEFAULT = RulesConfig()


@pytest.fixture(scope="module")
def literature(shared_data: Path) -> list[str]:
    """Every third work of Aozora Bunko, normalised."""
    path = str(shared_data / "ja_text" / "aozora" / "**" / "*.txt")
    source = SourceConfig(name="a", lang="ja", format="aozora", path=path)
    works = [item for shard in shards(source) for item in read(shard, source, 0) if isinstance(item, str)]
    return normalise_all(works[::3], "ja", "、。")


def test_literature_is_kept(literature: list[str]) -> None:
    parts = [part for work in literature for part in pieces(work, 20_000)]
    refused = [bool(refusal) for refusal in refusals(parts, "ja", DEFAULT, web=False)]
    size = sum(len(part) for part in parts)
    assert len(literature) > 200
    assert sum(refused) <= 0.05 * len(parts)
    assert sum(len(part) for part, gone in zip(parts, refused, strict=True) if gone) <= 0.05 * size


def test_english_literature_is_kept_whole(shared_data: Path) -> None:
    folder = shared_data / "en_text"
    plays = SourceConfig(name="p", lang="en", format="text", path=str(folder / "tinyshakespeare" / "*.txt"))
    tales = SourceConfig(name="t", lang="en", format="html", path=str(folder / "sherlock" / "*adventure*.xhtml"))
    works = [item for source in (plays, tales) for shard in shards(source) for item in read(shard, source, 0)]
    parts = [part for work in normalise_all(works, "en", "keep") for part in pieces(work, 20_000)]  # type: ignore[arg-type]
    assert len(parts) > 70
    assert refusals(parts, "en", DEFAULT, web=False) == [None] * len(parts)


@pytest.mark.parametrize("lang", ["ja", "en"])
def test_our_own_stories_are_kept(lang: str) -> None:
    source = SourceConfig(name="s", lang=lang, format="stories", limit=500)
    told = [str(item) for shard in shards(source) for item in read(shard, source, 0)]
    refused = refusals(normalise_all(told, lang, "、。"), lang, DEFAULT, web=False)
    assert sum(bool(refusal) for refusal in refused) <= 0.03 * len(told)


def test_the_quick_guess_of_the_zlib_ratio_refuses_as_zlib_does(literature: list[str]) -> None:
    texts = [part for work in literature[:60] for part in pieces(work, 2_000)]
    rng = random.Random(0)
    for text in texts[:400]:  # and the same with more and more repetition
        cuts = [text[at : at + 40] for at in range(0, len(text), 40)]
        texts.append("\n".join(rng.choice(cuts[: rng.randint(1, len(cuts))]) for _ in cuts))
    guessed = compressed(Batch(texts, "ja", DEFAULT))
    exact = np.array([len(zlib.compress(text.encode(), 6)) / len(text.encode()) for text in texts])
    assert ((guessed < 0.3) == (exact < 0.3)).all() and ((guessed > 0.7) == (exact > 0.7)).all()
    assert 50 < (exact < 0.3).sum() < 400
    assert (guessed != exact).mean() > 0.5  # zlib itself was seldom asked
