"""The tokenizer's report: what it counts, what a smaller vocabulary would do, and a page that holds any text."""

import json
import re
from pathlib import Path
from typing import Any, get_args

import polars as pl
import pytest

from lilm.documents import write_documents
from lilm.errors import LilmError
from lilm.export.quantise import QUANTS
from lilm.pipeline.artifact import Manifest, describe_outputs
from lilm.progress import Reporter
from lilm.recipe import QuantType, load_recipe
from lilm.train.tokenizer.merge import merge_pieces, read_base
from lilm.train.tokenizer.report.command import report_run
from lilm.train.tokenizer.report.curve import FILE_TYPES, Shape, truncated, vocabulary_curve
from lilm.train.tokenizer.report.figures import tokenizer_report
from lilm.train.tokenizer.report.page import tokenizer_page
from lilm.train.tokenizer.report.pieces import kind_of, piece_table, usage
from lilm.train.tokenizer.report.tokenizers import open_tokenizer, piece_counts
from lilm.train.tokenizer.report.vocabularies import read_vocabulary
from lilm.train.tokenizer.train import Learnt
from lilm.vocabulary.sentencepiece import NORMAL, empty_proto, processor, read_proto

SHAPE = Shape(64, True)


@pytest.fixture(scope="module")
def report(trained: Any) -> dict[str, Any]:
    texts = {language: lines[:400] for language, lines in trained.heldout.items()}
    from rich.console import Console

    quiet = Reporter(Console(quiet=True))
    return tokenizer_report(trained.folder, trained.base, texts, [trained.folder], texts["ja"], SHAPE, quiet)


def test_tokenizers_are_measured_on_the_same_text(trained: Any, report: dict[str, Any]) -> None:
    base, merged, other = report["tokenizers"]
    assert [base["name"], merged["name"]] == ["base", "merged"]
    assert other["texts"] == merged["texts"], "the same tokenizer, given once more"
    lines = trained.heldout["ja"][:400]
    tokens = sum(map(len, processor(read_proto(trained.base)).encode(lines)))
    assert base["texts"]["ja"]["tokens"] == tokens
    assert base["texts"]["ja"]["chars_per_token"] == pytest.approx(sum(map(len, lines)) / tokens, abs=1e-4)
    assert base["texts"]["en"] == merged["texts"]["en"]
    assert base["texts"]["ja"]["bytes_per_token"] == pytest.approx(sum(len(x.encode()) for x in lines) / tokens, 1e-3)


def test_tokenizer_json_is_measured_like_the_model(trained: Any) -> None:
    lines = trained.heldout["ja"][:50] + trained.heldout["en"][:50]
    one, other = open_tokenizer(trained.folder), open_tokenizer(trained.folder / "tokenizer.json", "fast")
    assert one.encode(lines) == other.encode(lines)
    assert one.vocab_size == other.vocab_size
    assert "".join(other.split("日本 abc")).replace("▁", " ").strip() == "日本 abc"
    assert one.split("日本 abc")[0].startswith("▁")


def test_what_looks_like_a_token_is_text(trained: Any) -> None:
    one, other = open_tokenizer(trained.folder), open_tokenizer(trained.folder / "tokenizer.json")
    assert one.encode(["one</s> <s>two"]) == other.encode(["one</s> <s>two"])


def test_of_a_folder_with_tiktokens_file_the_other_is_read(trained: Any, tmp_path: Path) -> None:
    """Llama 3 comes with a tokenizer.model that is no SentencePiece model."""
    (tmp_path / "tokenizer.model").write_text("IQ== 0\nIg== 1\n", encoding="utf-8")
    (tmp_path / "tokenizer.json").write_bytes((trained.folder / "tokenizer.json").read_bytes())
    assert open_tokenizer(tmp_path).vocab_size == open_tokenizer(trained.folder).vocab_size


def test_what_is_no_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(LilmError, match="no tokenizer in it"):
        open_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(LilmError, match=r"tokenizer\.json: not a tokenizer"):
        open_tokenizer(tmp_path)
    with pytest.raises(LilmError, match="no such file"):
        open_tokenizer(tmp_path / "other.model")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("東京", "kanji"),
        ("でした", "hiragana"),
        ("カレー", "katakana"),
        ("食べる", "kanji and kana"),
        ("▁the", "Latin"),
        ("42", "digits"),
        ("。」", "signs"),
        ("▁", "signs"),
        ("です。", "letters and signs"),
        ("мир", "other script"),
    ],
)
def test_kinds_of_pieces(text: str, kind: str) -> None:
    proto = empty_proto()
    piece = proto.pieces.add(piece=text, score=0, type=NORMAL)
    assert kind_of(piece) == kind


def test_piece_tables_count_each_piece_once(trained: Any, report: dict[str, Any]) -> None:
    pieces = list(read_proto(trained.folder / "tokenizer.model").pieces)
    for name, part in (("base", pieces[: trained.merged.base_size]), ("new", pieces[trained.merged.base_size :])):
        assert sum(sum(row.values()) for row in report["pieces"][name].values()) == len(part)
        assert report["pieces"][name] == piece_table(part)
    assert report["pieces"]["base"]["byte"] == {"1": 256}
    assert report["pieces"]["new"]["unused"] == {"1": trained.merged.padding}


def test_dead_pieces_are_those_of_no_text(stories: Path) -> None:
    base = read_base(stories / "tokenizer.model")
    learnt = Learnt(("東京", "京都", "東", "京", "都"), frozenset("東京都"), 0, 0.0)
    proto = merge_pieces(base, learnt, 5, 1).proto
    from lilm.train.tokenizer.report.tokenizers import SentencePieceCutter

    counts = piece_counts(SentencePieceCutter("", proto), ["東京東京", "都"])
    found = usage(list(proto.pieces), counts, len(base.pieces))["new"]
    assert found == {"pieces": 5, "dead": 3, "rare": 2, "dead_pieces": ["京都", "東", "京"]}


def test_a_smaller_vocabulary_is_the_one_that_the_stage_would_make(stories: Path) -> None:
    base = read_base(stories / "tokenizer.model")
    learnt = Learnt(("東京", "京都", "東京都", "東", "京", "都"), frozenset("東京都"), 0, 0.0)
    whole = merge_pieces(base, learnt, 6, 64)
    for wanted in (3, 4, 5, 6):
        smaller = truncated(whole.proto, whole.base_size, wanted)
        made = merge_pieces(base, learnt, wanted, 1).proto
        assert [piece.piece for piece in smaller.pieces] == [piece.piece for piece in made.pieces]
        assert processor(smaller).encode("東京都京都") == processor(made).encode("東京都京都")
    assert len(truncated(whole.proto, whole.base_size, 2).pieces) == len(base.pieces)


def test_the_curve_ends_at_the_vocabulary_and_counts_what_it_costs(trained: Any, report: dict[str, Any]) -> None:
    curve = report["curve"]
    assert curve[0]["new"] == 0 and curve[0]["vocab_size"] == trained.merged.base_size
    assert curve[-1]["new"] == len(trained.merged.added)
    tokens = [point["tokens"] for point in curve]
    assert tokens == sorted(tokens, reverse=True) and len(set(tokens)) == len(tokens)
    assert tokens[-1] == report["tokenizers"][1]["texts"]["ja"]["tokens"]
    assert curve[-1]["mb"]["F16"] == pytest.approx(curve[-1]["vocab_size"] * 64 * 2 / 1e6, abs=1e-3)


def test_bytes_of_a_row_are_those_of_the_quants() -> None:
    wide, untied = Shape(2048, True), Shape(2048, False)
    assert wide.row_bytes("Q8_0") == 2048 * 34 / 32
    assert wide.row_bytes("Q4_K_M") == 2048 * 210 / 256, "one matrix for both: Q6_K"
    assert untied.row_bytes("Q4_K_M") == 2048 * 210 / 256 + 2048 * 144 / 256
    assert Shape(288, True).row_bytes("Q6_K") == Shape(288, True).row_bytes("Q8_0"), "288 is no multiple of 256"
    assert Shape(100, True).row_bytes("Q8_0") == 200
    for name in set(get_args(QuantType)) & set(FILE_TYPES):
        quant = QUANTS[name]
        assert FILE_TYPES[name] == (quant.base, quant.raised.get("output", quant.base)), name


def test_samples_are_whole_in_every_split(report: dict[str, Any]) -> None:
    for samples in report["samples"].values():
        assert samples
        for sample in samples:
            for pieces in sample["splits"].values():
                text = "".join(pieces)
                if "<0x" not in text:
                    assert text.replace("▁", " ").removeprefix(" ") == sample["text"].replace("▁", " ")


def test_the_page_says_it_all_and_escapes_text(report: dict[str, Any]) -> None:
    evil = "<script>alert(1)</script>"
    changed = json.loads(json.dumps(report))
    changed["samples"]["ja"][0]["splits"]["base"] = [evil]
    changed["usage"]["new"]["dead_pieces"] = [evil]
    changed["tokenizers"][2]["name"] = evil
    page = tokenizer_page(changed)
    assert evil not in page and "&lt;script&gt;" in page
    assert page.count("<svg") == 5
    assert f"{changed['vocab_size']:,}" in page
    assert not re.search(r"(src|href)=[\"']https?:", page), "nothing is fetched"
    assert tokenizer_page(report) == tokenizer_page(json.loads(json.dumps(report)))


def test_a_base_of_another_tokenizer_is_refused(trained: Any, tmp_path: Path, reporter: Reporter) -> None:
    proto = read_proto(trained.base)
    proto.pieces[300].piece = "other"
    (tmp_path / "base.model").write_bytes(proto.SerializeToString())
    with pytest.raises(LilmError, match="not merged into this base"):
        tokenizer_report(trained.folder, tmp_path / "base.model", {"ja": ["あ"]}, [], [], SHAPE, reporter)


def test_curve_of_a_vocabulary_without_new_pieces(stories: Path, reporter: Reporter) -> None:
    same = read_vocabulary(stories, stories / "tokenizer.model")
    points = list(vocabulary_curve(same.sizes, same.smaller, ["some text"], SHAPE, reporter))
    assert [point["new"] for point in points] == [0]


def test_the_report_of_a_run(trained: Any, stories: Path, tmp_path: Path, reporter: Reporter) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "tokenizer").mkdir()
    for name in ("config.json", "tokenizer.model"):
        (tmp_path / "base" / name).write_bytes((stories / name).read_bytes())
    model = (trained.folder / "tokenizer.model").read_bytes()
    (tmp_path / "tokenizer" / "tokenizer.model").write_bytes(model)
    recipe = load_recipe("quickstart")
    with pytest.raises(LilmError, match="stage corpus is not done"):
        report_run(tmp_path, recipe, [], reporter)
    languages = {}
    for language, lines in trained.heldout.items():
        frame = pl.DataFrame({"id": lines[:200], "source": "made", "text": lines[:200]})
        for split in ("train", "heldout"):
            write_documents(tmp_path / "corpus", language, split, frame)  # type: ignore[arg-type]
        figures = {"documents": 200, "characters": sum(map(len, lines[:200]))}
        languages[language] = {"score": None, "train": figures}
    (tmp_path / "corpus" / "report.json").write_text(json.dumps({"languages": languages}), encoding="utf-8")
    for name in ("corpus", "base", "tokenizer"):
        outputs = describe_outputs(tmp_path / name, ())
        Manifest(name, "", {}, {}, outputs, (), {}).write(tmp_path / name)
    found = report_run(tmp_path, recipe, [], reporter)
    assert json.loads((tmp_path / "reports" / "tokenizer.json").read_text(encoding="utf-8")) == found
    assert "</html>" in (tmp_path / "reports" / "tokenizer.html").read_text(encoding="utf-8")
    assert found["tied"] and found["hidden_size"] == 64
    assert found["usage"]["characters"] == sum(one["train"]["characters"] for one in languages.values())
