"""The steps over all documents: the same answer however the work is cut."""

import gzip
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from lilm.errors import LilmError
from lilm.train.corpus.blocks import Block, Blocks, content_hashes, make_keys, make_ranks, save_array
from lilm.train.corpus.boilerplate.frequent import FrequentTask, find_frequent
from lilm.train.corpus.boilerplate.lines import LinesTask, count_lines, without_frequent
from lilm.train.corpus.duplicates import compare
from lilm.train.corpus.duplicates.find import find_duplicates
from lilm.train.corpus.finishing.heldout import Finder, Passages, least, lots
from lilm.train.corpus.ngrams import code_points, ngram_hashes
from lilm.train.corpus.reading.contamination import EvaluationNgrams, write_evaluation

BIG = 1 << 30


def invented(rng: random.Random, size: int = 400) -> str:
    return "".join(chr(rng.randrange(0x3042, 0x3090)) for _ in range(size))


def edited(text: str, share: float, rng: random.Random) -> str:
    size = int(len(text) * share)
    at = rng.randrange(len(text) - size)
    return text[:at] + invented(rng, size) + text[at + size :]


def planted(count: int = 120) -> list[str]:
    """Texts, an exact copy of every fourth, a 4% edit of every fourth, a 30% edit (no copy) of every fourth."""
    rng = random.Random(1)
    texts = [invented(rng) for _ in range(count)]
    return [
        *texts,
        *texts[::4],
        *(edited(t, 0.04, rng) for t in texts[1::4]),
        *(edited(t, 0.3, rng) for t in texts[2::4]),
    ]


def blocks_of(texts: list[str], size: int, folder: Path, perplexities: list[float] | None = None) -> Blocks:
    folder.mkdir(exist_ok=True)
    made = []
    for first in range(0, len(texts), size):
        some = texts[first : first + size]
        path = folder / f"{first:05d}"
        scores = perplexities and perplexities[first : first + size]
        places = np.arange(first, first + len(some), dtype=np.uint64) << np.uint64(24)
        pl.DataFrame({"text": some}).write_parquet(path.with_suffix(".parquet"))
        save_array(path.with_suffix(".npy"), make_keys(places, some, make_ranks(scores, [len(t) for t in some]), 0.8))
        made.append(Block(path.with_suffix(".parquet"), path.with_suffix(".npy"), "ja", "s", "s", first, len(some)))
    return Blocks(tuple(made))


def run(label: str, function: Any, tasks: Any) -> list[Any]:
    return [function(task) for task in tasks]


def backwards(label: str, function: Any, tasks: Any) -> list[Any]:
    return [function(task) for task in reversed(tasks)][::-1]


@pytest.mark.parametrize(("size", "memory", "order"), [(7, BIG, run), (200, 9_000, run), (50, 3_000, backwards)])
def test_duplicates_do_not_depend_on_blocks_passes_or_order(size: int, memory: int, order: Any, tmp_path: Path) -> None:
    texts = planted()
    copies = find_duplicates(blocks_of(texts, size, tmp_path / "blocks"), 0.8, memory, tmp_path / "work", order)
    assert copies.exact.T.tolist() == [[120 + n, 4 * n] for n in range(30)]
    pairs = {frozenset(pair) for pair in copies.near.T.tolist()}
    assert pairs == {frozenset((150 + n, 1 + 4 * n)) for n in range(30)}
    assert copies.near[0].tolist() == sorted(copies.near[0].tolist())


def test_the_best_scored_is_kept_then_the_longest(tmp_path: Path) -> None:
    rng = random.Random(3)
    text = invented(rng)
    texts = [text, text[:-8], text[:-16]]
    for scores, kept in ((None, 0), ([9.0, 9.0, 5.0], 2), ([9.0, 9.0, 9.0], 0)):
        folder = tmp_path / str(scores)
        copies = find_duplicates(blocks_of(texts, 2, folder, scores), 0.8, BIG, folder / "work", run)
        assert set(copies.near[1].tolist()) == {kept}


def test_nothing_of_an_earlier_corpus_is_a_copy(tmp_path: Path) -> None:
    rng = random.Random(4)
    text = invented(rng)
    blocks = blocks_of([text, text, text[:-8] + "終", edited(text, 0.02, rng), invented(rng)], 2, tmp_path / "blocks")
    first, *rest = blocks.all
    old = Block(first.documents, first.keys, "ja", "earlier", "earlier", 0, 2, earlier=True)
    copies = find_duplicates(Blocks((old, *rest)), 0.8, BIG, tmp_path / "work", run)
    assert copies.exact.size == 0
    assert copies.near[0].tolist() == [2, 3]
    assert set(copies.near[1].tolist()) <= {0, 1}


def test_a_huge_bucket_is_cut_into_slices_that_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "SLICE", 10)
    rng = random.Random(5)
    text = invented(rng)
    texts = [text + "終" * (number % 3) + str(number) for number in range(60)]
    copies = find_duplicates(blocks_of(texts, 25, tmp_path / "blocks"), 0.8, BIG, tmp_path / "work", run)
    assert len(copies.near[0]) == 59 and len(set(copies.near[1].tolist())) == 1


def test_content_hashes_differ_where_texts_do() -> None:
    hashes = content_hashes(["一", "二", "一", ""])
    assert hashes.dtype == np.uint64 and hashes.shape == (2, 4)
    assert len({tuple(column) for column in hashes.T.tolist()}) == 3


@pytest.mark.parametrize("parts", [1, 3])
def test_lines_are_counted_once_a_document_and_not_in_copies(parts: int, tmp_path: Path) -> None:
    texts = [
        "見出しの長い行です。\n本文",
        "見出しの長い行です。\n別の本文",
        "見出しの長い行です。\n見出しの長い行です。",
        "短い\n短い",
    ]
    texts.append(texts[0])
    blocks = blocks_of(texts, 2, tmp_path / "blocks")
    save_array(tmp_path / "copies.npy", np.array([[4], [0]], dtype=np.uint64))
    tasks = [LinesTask(block, (tmp_path / "copies.npy",), 10, tmp_path / f"{block.name}.npy") for block in blocks.all]
    run("", count_lines, tasks)
    found = []
    for least_documents in (3, 4):
        whole = []
        for part in range(parts):
            output = tmp_path / f"{least_documents}-{part}.npy"
            find_frequent(FrequentTask(tuple(task.output for task in tasks), part, parts, least_documents, output))
            whole.append(np.load(output))
        found.append(np.concatenate(whole, axis=1))
    assert found[0][1].tolist() == [3]
    frequent = frozenset(found[0][0].tolist())
    assert without_frequent("頭\n見出しの長い行です。\n尾", frequent, 10) == (
        "頭\n尾",
        [("見出しの長い行です。", *frequent)],
        [],
    )
    assert found[1].shape == (2, 0)


def test_evaluation_text_is_found_through_width_case_and_punctuation(tmp_path: Path) -> None:
    question = "次のうち、電子機器で使用される最も主要な電子回路基板の事をなんと言う？ ABC"
    (tmp_path / "eval.jsonl").write_text(
        '{"q": "別の行"}\n' + json.dumps({"q": question, "url": f"https://example.org/{'x' * 40}", "a": "短い"})
    )
    write_evaluation([str(tmp_path / "*.jsonl")], 25, tmp_path / "eval.npy")
    grams = EvaluationNgrams.load(tmp_path / "eval.npy")
    hidden = "前置き。電子機器で使用される\n最も主要な電子回路基板の事をなんと言う　ａｂｃ。後書き。"
    found = grams.find(hidden)
    assert (
        found is not None
        and found[0] in "電子機器で使用される最も主要な電子回路基板の事をなんと言うabc"
        and found[1] == "eval.jsonl"
    )
    assert grams.find("電子機器で使用される最も主要な部品は、短い。" * 3) is None
    assert grams.find("x" * 60) is None  # an address is no question
    assert grams.find("短い") is None


def test_lots_are_drawn_from_content_and_seed() -> None:
    low, high = content_hashes([str(number) for number in range(2000)])
    numbers = np.arange(2000, dtype=np.uint64)
    chosen = least(lots(0, low, high), numbers, 100)[1]
    shuffled = np.random.default_rng(0).permutation(2000)
    again = least(lots(0, low[shuffled], high[shuffled]), numbers[shuffled], 100)[1]
    assert set(chosen.tolist()) == set(again.tolist())
    assert len(set(chosen.tolist()) & set(least(lots(1, low, high), numbers, 100)[1].tolist())) < 20


def test_passages_seen_in_training_are_marked(tmp_path: Path) -> None:
    rng = random.Random(5)
    shared, own = invented(rng, 100), invented(rng, 100)
    Passages.of([f"{shared}\n{own}"]).save(tmp_path / "passages.npy")
    finder = Finder(Passages.load(tmp_path / "passages.npy"))
    finder.look(f"{shared}\n{invented(rng, 90)}")
    assert finder.lines.mean() == 0.5
    assert finder.grams.mean() == pytest.approx(71 / 172, abs=0.01)


def test_a_frequent_sentence_is_cut_out_of_its_line(tmp_path: Path) -> None:
    notice = "この文章は著作権法で保護されているため、許可なく転載したり複製したりすることは固くお断りします。"
    texts = [f"{number}番目の本文です。{notice}続きの文{number}。\nはい。" for number in range(4)]
    blocks = blocks_of(texts, 4, tmp_path / "blocks")
    task = LinesTask(blocks.all[0], (), 10, tmp_path / "lines.npy")
    count_lines(task)
    hashes, documents = np.load(task.output)
    frequent = frozenset(hashes[documents == 4].tolist())
    assert without_frequent(texts[2], frequent, 10)[0] == "2番目の本文です。続きの文2。\nはい。"
    assert without_frequent("関係のない文。", frequent, 10) == ("関係のない文。", [], [])


def test_ngram_hashes_stand_for_ngrams() -> None:
    text = invented(random.Random(4)) * 2 + "終"
    for size in (5, 30):
        grams = [text[at : at + size] for at in range(len(text) - size + 1)]
        hashes = ngram_hashes(code_points(text), size).tolist()
        assert len(hashes) == len(grams)
        assert len(set(zip(grams, hashes, strict=True))) == len(set(grams)) == len(set(hashes))
    assert len(ngram_hashes(code_points("雨"), 5)) == len(ngram_hashes(code_points(""), 5)) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 100_000, "nested"),
        ("[" * 80 + '"深い"' + "]" * 80, "nested more than 64 deep"),
        ('{"a": "\\ud83d!"}\n{"a": "半分"}\n', "half a surrogate pair"),
    ],
)
def test_evaluation_files_that_are_no_text_are_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "eval.json").write_text(text, encoding="utf-8")
    with pytest.raises(LilmError, match=rf"eval\.json: .*{said}"):
        write_evaluation([str(tmp_path / "eval.json")], 13, tmp_path / "out")


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.JSONL", "a.jsonl.gz", "a.json", "a.txt"])
def test_questions_are_found_whatever_their_file_is_called(tmp_path: Path, name: str) -> None:
    question = "日本で一番高い山は富士山で、その次に高い山は何という山でしょうか。"
    lines = (json.dumps({"question": question}) + "\n") * 2  # escapes, as Python writes them
    data = lines.encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    write_evaluation([str(tmp_path / name)], 13, tmp_path / "eval.npy")
    assert EvaluationNgrams.load(tmp_path / "eval.npy").find(f"ところで、{question}と聞かれた。") is not None


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x7f"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.txt"])
def test_a_line_of_json_ends_where_json_lets_it_end(tmp_path: Path, name: str, separator: str) -> None:
    question = f"日本で一番高い山は富士山で、{separator}その次に高い山は何という山でしょうか。"
    lines = [json.dumps({"question": text}, ensure_ascii=False) for text in (question, "短い。")]
    (tmp_path / name).write_text("\r\n".join(lines), encoding="utf-8", newline="")
    write_evaluation([str(tmp_path / name)], 20, tmp_path / "eval.npy")
    assert EvaluationNgrams.load(tmp_path / "eval.npy").find(question) is not None


def test_a_question_that_begins_with_an_address_is_looked_for(tmp_path: Path) -> None:
    question = "に書かれている、日本で二番目に高い山は何という山でしょうか。"
    page = f"https://example.org/{'x' * 40}"
    (tmp_path / "eval.json").write_text(json.dumps([page + question, f"{page} {'y' * 40}"]))
    write_evaluation([str(tmp_path / "eval.json")], 20, tmp_path / "eval.npy")
    grams = EvaluationNgrams.load(tmp_path / "eval.npy")
    assert grams.find(question) is not None and grams.find("y" * 30) is not None
    assert grams.find(page) is None


def test_a_text_that_begins_like_json_is_text(tmp_path: Path) -> None:
    line = "[1] 日本で一番高い山は富士山で、その次に高い山は北岳です。"
    (tmp_path / "notes.txt").write_text(f"{line}\n", encoding="utf-8")
    write_evaluation([str(tmp_path / "notes.txt")], 13, tmp_path / "eval.npy")
    assert EvaluationNgrams.load(tmp_path / "eval.npy").find(line) is not None


def test_evaluation_files_that_are_json_lines_by_another_name(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "eval" / "jglue" / "datasets__jcommonsenseqa-v1.3__train-v1.3.json"
    write_evaluation([str(path)], 25, tmp_path / "eval.npy")
    question = json.loads(path.read_text(encoding="utf-8").splitlines()[0])["question"]
    found = EvaluationNgrams.load(tmp_path / "eval.npy").find(f"ところで、{question}と聞かれた。")
    assert found is not None and found[1] == path.name
    (tmp_path / "broken.json").write_text('{"q": ')
    with pytest.raises(LilmError, match=r"broken.json: not JSON"):
        write_evaluation([str(tmp_path / "broken.json")], 25, tmp_path / "eval.npy")
