"""Real documents with planted duplicates and traps, so that recall and precision can be told."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lilm.train.corpus.bench.data import real_texts

CHARS = (350, 1000)  # of a document: 1 to 3 KB
COPIES = 0.2  # as many documents as this share get a copy
TRAPS = 0.05  # and this share one that is not alike enough
SEED = 1
BOILERPLATE = (
    "続きを読むにはログインしてください。無断転載を禁じます。お問い合わせはこちらまで。\n",
    "この記事が気に入ったらシェアしてください。関連記事はこちら。人気ランキングもご覧ください。\n",
    "本サイトはプロモーションを含みます。掲載の情報は公開時のものです。ご利用は自己責任でお願いします。\n",
)

Change = Callable[[str, random.Random], str]


@dataclass(frozen=True)
class Planted:
    """texts: UTF-8. pairs: (original, what was made of it), as indices of texts; traps are among them."""

    texts: list[bytes]
    pairs: list[tuple[int, int]]

    @property
    def megabytes(self) -> float:
        return sum(map(len, self.texts)) / 1e6


def plant(data_folder: Path | None, target_mb: float) -> Planted:
    """Up to `target_mb` MB in a random but fixed order. data_folder: see `real_texts`."""
    rng = random.Random(SEED)
    originals: list[str] = []
    size, wanted = 0, target_mb * 1e6 / (1 + COPIES + TRAPS)
    for document in _documents(data_folder, rng):
        originals.append(document)
        size += len(document.encode())
        if size >= wanted:
            break
    texts = [_with_boilerplate(text, rng) if rng.random() < 0.1 else text for text in originals]
    pairs = []
    for index, text in enumerate(texts[: len(originals)]):
        lot = rng.random()
        if lot < COPIES + TRAPS:
            change = rng.choice(TRICKS) if lot < TRAPS else rng.choice(EDITS)
            pairs.append((index, len(texts)))
            texts.append(change(text, rng))
    order = rng.sample(range(len(texts)), len(texts))
    place = {index: at for at, index in enumerate(order)}
    encoded = [texts[index].encode() for index in order]
    return Planted(encoded, [(place[first], place[second]) for first, second in pairs])


def _documents(data_folder: Path | None, rng: random.Random) -> Iterator[str]:
    """Lines of real texts together, longer lines cut."""
    document, limit = "", rng.randint(*CHARS)
    for text in real_texts(data_folder):
        for line in text.splitlines():
            for at in range(0, len(line), CHARS[1]):
                document += line[at : at + CHARS[1]] + "\n"
                if len(document) >= limit:
                    yield document
                    document, limit = "", rng.randint(*CHARS)


def _span(share: float) -> Change:
    """One span of that share of the text is replaced."""

    def change(text: str, rng: random.Random) -> str:
        size = max(1, round(len(text) * share))
        at = rng.randint(0, len(text) - size)
        return text[:at] + "".join(chr(rng.randint(0x3041, 0x3093)) for _ in range(size)) + text[at + size :]

    return change


def _same(text: str, rng: random.Random) -> str:
    return text


def _with_boilerplate(text: str, rng: random.Random) -> str:
    shared = rng.choice(BOILERPLATE)
    return shared + text if rng.random() < 0.5 else text + shared


EDITS: tuple[Change, ...] = (_same, _span(0.02), _span(0.06), _with_boilerplate)
TRICKS: tuple[Change, ...] = tuple(_span(share / 100) for share in (13, 16, 20, 25, 30))  # Jaccard .77 to .54
