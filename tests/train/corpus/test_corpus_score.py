"""Good text surprises the model little, garbage much; the model's arithmetic is that of the paper."""

import json
import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from lilm.errors import LilmError
from lilm.progress import Reporter
from lilm.recipe import SourceConfig
from lilm.recipe.corpus import ScoreConfig
from lilm.train.corpus._native import NgramModel
from lilm.train.corpus.normalise import normalise
from lilm.train.corpus.score import (
    Scorer,
    train_models,
)
from lilm.train.corpus.score.model import open_model
from lilm.train.corpus.score.train import train_model
from lilm.train.corpus.sources.aozora import read_file


def invented(chars: int, letters: int, seed: int = 0) -> list[str]:
    """Lines in which a few characters are frequent, many are rare, and each depends a little on the one before."""
    rng = random.Random(seed)
    lines, line = [], [0]
    for _ in range(chars):
        skewed = int(letters * rng.random() ** 3)
        line.append(line[-1] // 2 + 1 if rng.random() < 0.4 else skewed)
        if rng.random() < 0.08:
            lines.append("".join(chr(0x4E00 + number) for number in line[1:]))
            line = [0]
    return lines


class Reference:
    """Interpolated modified Kneser-Ney as the papers write it, over tuples in dictionaries."""

    def __init__(self, lines: Sequence[str], order: int, prune: int) -> None:
        often = Counter("".join(lines))
        self.order, self.prune = order, prune
        self.known = {char for char, count in often.items() if count > 1}
        self.raw: Counter[tuple[str, ...]] = Counter()
        before: dict[tuple[str, ...], set[str]] = defaultdict(set)
        for line in lines:
            tokens = ("<s>", *self.tokens(line), "</s>")
            for size in range(1, order + 1):
                for end in range(max(size, 2), len(tokens) + 1):
                    gram = tokens[end - size : end]
                    self.raw[gram] += 1
                    if gram[0] != "<s>":
                        before[gram].add(tokens[end - size - 1])
        self.adjusted = {
            gram: count if len(gram) == order or gram[0] == "<s>" else len(before[gram])
            for gram, count in self.raw.items()
        }
        self.followers: dict[tuple[str, ...], list[tuple[str, ...]]] = defaultdict(list)
        for gram in self.raw:
            self.followers[gram[:-1]].append(gram)
        self.discounts = [self._discounts(size) for size in range(1, order + 1)]
        self.probability = cache(self._probability)

    def tokens(self, line: str) -> tuple[str, ...]:
        return tuple(char if char in self.known else "<unk>" for char in line)

    def _discounts(self, size: int) -> tuple[float, ...]:
        n = Counter(count for gram, count in self.adjusted.items() if len(gram) == size)
        if not (n[1] and n[2] and n[3]):
            return (0.5, 1.0, 1.5)
        y = n[1] / (n[1] + 2 * n[2])
        found = tuple(k - (k + 1) * y * n[k + 1] / n[k] for k in (1, 2, 3))
        return found if all(0 < found[k - 1] <= k for k in (1, 2, 3)) else (0.5, 1.0, 1.5)

    def _kept(self, gram: tuple[str, ...]) -> bool:
        return "<unk>" not in gram and (len(gram) < 3 or self.raw[gram] > self.prune)

    def _probability(self, gram: tuple[str, ...]) -> float:
        """Of the last symbol after the others."""
        if not gram:
            return 1 / (len(self.known) + 2)
        lower = self._probability(gram[1:]) if len(gram) > 1 else self._probability(())
        total = sum(self.adjusted[other] for other in self.followers[gram[:-1]])
        if not total:
            return lower
        taken = self.discounts[len(gram) - 1]
        free = sum(
            taken[min(self.adjusted[other], 3) - 1] if self._kept(other) else self.adjusted[other]
            for other in self.followers[gram[:-1]]
        )
        own = 0.0
        if gram in self.adjusted and self._kept(gram):
            own = self.adjusted[gram] - taken[min(self.adjusted[gram], 3) - 1]
        return (own + free * lower) / total

    def log10(self, line: str) -> list[float]:
        tokens = ("<s>", *self.tokens(line), "</s>")
        return [
            math.log10(self.probability(tokens[max(0, end - self.order) : end])) for end in range(2, len(tokens) + 1)
        ]


def steps(model: NgramModel, line: str) -> list[float]:
    """log10 of each character after those before it, and of the end."""
    sums = [model.log10(line[:count], True, False) for count in range(len(line) + 1)] + [model.log10(line, True, True)]
    return [after - before for before, after in pairwise(sums)]


@pytest.mark.parametrize(
    ("order", "prune", "letters"),
    [(3, 0, 40), (3, 1, 40), (2, 1, 40), (5, 0, 40), (5, 1, 40), (6, 0, 3000), (6, 1, 3000)],
)
def test_probabilities_are_those_of_the_paper(tmp_path: Path, order: int, prune: int, letters: int) -> None:
    lines = invented(6000, letters)
    counts = train_model(["\n".join(lines[:200]), "\n".join(lines[200:])], tmp_path / "m.arpa", order, 10**6, prune)
    reference = Reference(lines, order, prune)
    model = open_model(str(tmp_path / "m.arpa"))
    assert counts[0] == len(reference.known) + 3
    assert sum(counts) == 2 + sum(reference._kept(gram) for gram in reference.raw if gram != ("<s>",))
    rng = random.Random(1)
    unseen = ["".join(rng.choices("".join(lines), k=30)) for _ in range(20)]
    for line in [*lines[:20], *unseen, "ζ", lines[0] + "ζζ" + lines[1]]:
        found = steps(model, line)
        assert found == pytest.approx(reference.log10(line), abs=1e-4)


HAND = """of another toolkit

\\data\\
ngram  1 = 5
ngram 2=3
ngram 3=2

\\1-grams:
-1.0 <unk>
-99\t<s>\t-0.5
-1.5\t</s>
-0.7\t雨\t-0.25
-0.9\t日\t-0.125

\\2-grams:
-0.3\t<s> 雨\t-0.0625
-0.4\t雨 日
-0.2\t日 </s>

\\3-grams:
-0.01\t<s> 雨 日
-0.02\t日 日 </s>

\\end\\
"""


def test_backoffs_are_added_where_an_ngram_is_none(tmp_path: Path) -> None:
    """A model written by hand, with a sum beside each text; 日 日 </s> is there though 日 日 is not."""
    (tmp_path / "m.arpa").write_text(HAND)
    model = open_model(str(tmp_path / "m.arpa"))
    assert model.order == 3
    assert model.log10("雨日", True, True) == pytest.approx(-0.3 - 0.01 - 0.2, abs=1e-6)
    assert model.log10("雨日", False, False) == pytest.approx(-0.7 - 0.4, abs=1e-6)
    assert model.log10("雨雨", True, False) == pytest.approx(-0.3 + (-0.0625 - 0.25 - 0.7), abs=1e-6)
    assert model.log10("日日", False, True) == pytest.approx(-0.9 + (-0.125 - 0.9) - 0.02, abs=1e-6)
    assert model.log10("月", True, True) == pytest.approx((-0.5 - 1.0) - 1.5, abs=1e-6)
    assert model.log10("", False, False) == 0


@pytest.mark.parametrize("prune", [0, 1])
def test_probabilities_of_all_characters_sum_to_one(tmp_path: Path, prune: int) -> None:
    lines = invented(20_000, 300)
    train_model(["\n".join(lines)], tmp_path / "m.arpa", 5, 10**6, prune)
    model = open_model(str(tmp_path / "m.arpa"))
    symbols = [char for char in sorted(set("".join(lines))) if char in model] + ["ζ"]  # which it does not know
    rng = random.Random(2)
    for number in range(40):
        line = rng.choice(lines)
        context = line[: rng.randrange(len(line) + 1)] if number % 2 else "".join(rng.choices(symbols[:-1], k=4))
        before = model.log10(context, True, False)
        total = sum(10 ** (model.log10(context + symbol, True, False) - before) for symbol in symbols)
        total += 10 ** (model.log10(context, True, True) - before)
        assert total == pytest.approx(1, abs=1e-3), context


def test_the_same_texts_give_the_same_bytes_and_only_the_first_characters_count(tmp_path: Path) -> None:
    texts = ["\n".join(invented(3000, 200, seed)) for seed in range(4)]
    for name, some in (("a", texts), ("b", list(texts)), ("c", texts[:2]), ("d", texts)):
        train_model(some, tmp_path / name, 4, 6000 if name in "cd" else 10**6)
    read = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(read) == set("abcd")  # nothing half-written is left
    assert read["a"] == read["b"] != read["d"]
    assert read["c"] == read["d"]


def test_white_space_and_what_no_model_can_hold(tmp_path: Path) -> None:
    odd = "雨 の　日\tに\u2003は\x00本\ud800を▁読む。\x00\ud800"
    train_model([odd + "\r\n\n" + "\n".join(invented(2000, 50))] * 3, tmp_path / "m.arpa", 3, 10**6)
    scorer = Scorer(tmp_path / "m.arpa")
    plain, wide, padded, empty, bad = scorer.perplexity(["雨 の日", "雨　の日", "\n 雨 \t の日\n\n", " \n　", odd])
    assert plain == wide == padded < 100
    assert math.isinf(empty) and math.isfinite(bad)
    hidden, shown = scorer.perplexity(["雨 の日\0" + "ζ" * 50, "雨 の日ζ" + "ζ" * 50])
    assert hidden == pytest.approx(shown, rel=0.1)  # what stands behind a NUL counts


def test_perplexity_is_per_character_over_all_lines(tmp_path: Path) -> None:
    lines = invented(5000, 60)
    train_model(["\n".join(lines)], tmp_path / "m.arpa", 4, 10**6)
    model = open_model(str(tmp_path / "m.arpa"))
    text = "\n".join(lines[:7])
    log10 = sum(model.log10(line, True, True) for line in lines[:7])
    found = Scorer(tmp_path / "m.arpa").perplexity([text, lines[0]])
    assert found.dtype == np.float32 and found.shape == (2,)
    assert found[0] == pytest.approx(10 ** (-log10 / (len(text) + 1)), rel=1e-5)
    assert found[1] == pytest.approx(10 ** (-model.log10(lines[0], True, True) / (len(lines[0]) + 1)), rel=1e-5)


def test_long_texts_are_judged_by_beginning_middle_and_end(tmp_path: Path) -> None:
    lines = invented(60_000, 100)
    train_model(["\n".join(lines)], tmp_path / "m.arpa", 4, 10**6)
    scorer = Scorer(tmp_path / "m.arpa")
    good, noise = "\n".join(lines)[:40_000], "".join(random.Random(3).choices("".join(lines), k=4_000))
    whole, *spoilt = scorer.perplexity(
        [good, noise + good[4_000:], good[:18_000] + noise + good[22_000:], good[:36_000] + noise, good[:4_990]]
    )
    assert whole == pytest.approx(spoilt.pop(), rel=0.1)  # as a text that is read whole
    assert min(spoilt) > 1.1 * whole
    line = good.replace("\n", "")
    cuts = (
        (line[:1666], True, False),
        (line[(at := (len(line) - 1666) // 2) : at + 1666], False, False),
        (line[-1666:], False, True),
    )
    model = open_model(str(tmp_path / "m.arpa"))
    log10 = sum(model.log10(part, bos, eos) for part, bos, eos in cuts)  # a cut is no end of a line
    assert scorer.perplexity([line])[0] == pytest.approx(10 ** (-log10 / (3 * 1666 + 1)), rel=1e-5)


@pytest.fixture(scope="module")
def literature(shared_data: Path) -> list[str]:
    """Every eighth work of Aozora, normalised."""
    source = SourceConfig(name="aozora", lang="ja", format="aozora", path="*")
    paths = sorted((shared_data / "ja_text" / "aozora" / "cards").glob("*/files/*/*.txt"))[::8]
    assert len(paths) > 20
    return [
        normalise(text, "ja", "、。") for path in paths for text in read_file(path, source) if isinstance(text, str)
    ]


def test_real_prose_is_told_from_garbage(literature: list[str], shared_data: Path, tmp_path: Path) -> None:
    texts, unseen = literature[:-5], literature[-5:]
    counts = train_model(texts, tmp_path / "ja.arpa", 5, 1_000_000)
    assert len(counts) == 5 and min(counts) > 1000
    file = next(iter(sorted((shared_data / "ja_text" / "jaquad_wiki").glob("*.json"))))
    articles = json.loads(file.read_text(encoding="utf-8"))["data"]
    wiki = [normalise(part["context"], "ja", "、。") for article in articles for part in article["paragraphs"]][:100]
    rng = random.Random(4)
    stuffed = (
        "激安 通販 送料無料 最新モデル ブランド 財布 バッグ 時計 ポイント10倍 クーポン 人気ランキング 公式 限定セール "
    )
    garbage = {
        "shuffled": ["".join(rng.sample(text, len(text))) for text in wiki],
        "mojibake": [text.encode().decode("cp932", errors="replace") for text in wiki],
        "kanji": ["".join(chr(rng.randrange(0x4E00, 0x9FA0)) for _ in range(200)) for _ in range(20)],
        "hangul": ["".join(chr(rng.randrange(0xAC00, 0xD7A0)) for _ in range(200)) for _ in range(20)],
    }
    scorer = Scorer(tmp_path / "ja.arpa")
    good, prose = scorer.perplexity(wiki), scorer.perplexity(unseen)
    assert np.median(prose) < np.median(good) < 400
    for name, some in garbage.items():
        bad = scorer.perplexity(some)
        assert np.median(bad) > 4 * np.median(good), name
        assert np.percentile(bad, 5) > np.percentile(good, 95), name
    assert scorer.perplexity([stuffed * 3])[0] > np.percentile(good, 80)


KANA = "".join(map(chr, range(0x3041, 0x3094)))
JAPANESE = "\n".join(KANA[number % 60 :] + "、。" + KANA[: number % 50] for number in range(80))
ENGLISH = "\n".join(f"the quick brown fox number {number} jumps over the lazy dog and swims." for number in range(80))


def test_models_are_trained_or_taken(tmp_path: Path, reporter: Reporter) -> None:
    asked: list[str] = []

    def texts_of(lang: str) -> Iterable[str]:
        asked.append(lang)
        return [{"ja": JAPANESE, "en": ENGLISH}[lang]] if lang != "de" else []

    own = tmp_path / "own.arpa"
    train_model([ENGLISH], own, 3, 10_000)
    config = ScoreConfig(trusted=("books",), models={"en": str(own)}, order=3)
    made = train_models(config, texts_of, ["ja", "en", "de"], tmp_path, reporter)
    assert made == {"ja": tmp_path / "ja.arpa", "en": own}
    assert asked == ["ja", "de"]
    assert Scorer(made["ja"]).perplexity([JAPANESE])[0] < Scorer(made["en"]).perplexity([JAPANESE])[0]
    before = made["ja"].stat().st_mtime_ns
    assert train_models(config, texts_of, ["ja", "en"], tmp_path, reporter)["ja"].stat().st_mtime_ns == before
    assert train_models(ScoreConfig(), texts_of, ["ja", "en"], tmp_path, reporter) == {}


WORDS = ["</s>", "です", "ます", "する", "こと", "という", "の", "the", "and", "of", "was", "that"]
ARPA = (
    "\\data\\\nngram 1={}\nngram 2=1\n\n\\1-grams:\n-1\t<unk>\t0\n-99\t<s>\t0\n{}\n\n"
    "\\2-grams:\n-1\t<s> </s>\n\n\\end\\\n"
).format(len(WORDS) + 2, "\n".join(f"-1\t{word}\t0" for word in WORDS))


@pytest.mark.parametrize(
    ("lang", "content", "message"),
    [
        ("ja", None, "No such file"),
        ("ja", b"", "no .data. in it"),
        ("ja", b"junk\x00\xff\n" * 50, "no .data. in it"),
        ("ja", ARPA[:60].encode(), "it ends early"),
        ("ja", ARPA[:-6].encode(), "it ends early"),
        ("ja", ARPA.replace("-1\tです", "one\tです").encode(), "odd line"),
        ("ja", ARPA.replace("<s> </s>", "<s> ます。").encode(), 'a word that is none: "ます。"'),
        ("ja", ARPA.replace("ngram 2=1", "ngram 2=99999999999").encode(), "its counts are not those"),
        ("ja", b"mmap lm http://kheafield.com/code format version 5\n\0" + bytes(99), "a KenLM binary"),
        ("ja", ARPA.encode(), "no model over characters of 'ja'"),
        ("en", ARPA.encode(), "no model over characters of 'en'"),
    ],
)
def test_what_is_no_model_over_characters_is_refused(
    lang: str, content: bytes | None, message: str, tmp_path: Path, reporter: Reporter
) -> None:
    path = tmp_path / "own.arpa"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LilmError, match=message) as caught:
        train_models(ScoreConfig(models={lang: str(path)}), lambda _: [], ["ja", "en"], tmp_path, reporter)
    assert str(path) in caught.value.line() and "\n" not in caught.value.line()


def test_mistakes_in_the_recipe_are_named(tmp_path: Path, reporter: Reporter) -> None:
    with pytest.raises(LilmError, match="'jp', but the corpus has ja, en"):
        train_models(ScoreConfig(models={"jp": "x"}), lambda _: [], ["ja", "en"], tmp_path, reporter)
    with pytest.raises(LilmError, match=r"trusted: 5 characters of trusted text are too few"):
        train_models(ScoreConfig(trusted=("a",)), lambda _: ["短い文。\n"], ["ja"], tmp_path, reporter)
    assert not list(tmp_path.iterdir())
