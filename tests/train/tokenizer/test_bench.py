"""`lilm bench tokenizer`: which base it takes, what it measures on, and what it says when that is missing."""

import inspect
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from lilm.errors import LilmError
from lilm.progress import Reporter
from lilm.train.tokenizer import bench
from lilm.vocabulary.sentencepiece import NORMAL, read_proto


def paragraphs(*texts: str) -> str:
    return json.dumps({"data": [{"paragraphs": [{"context": text} for text in texts]}]}, ensure_ascii=False)


def test_the_base_is_the_largest_that_can_be_merged_into(shared_data: Path, stories: Path, tmp_path: Path) -> None:
    shutil.copytree(stories, tmp_path / "model" / "small")
    proto = read_proto(stories / "tokenizer.model")
    proto.pieces.add(piece="ther", score=-1e3, type=NORMAL)
    unigram = next((shared_data / "model" / "llm_jp_tok").glob("*.model"))
    for name, data in (("larger", proto.SerializeToString()), ("unigram", unigram.read_bytes())):
        (tmp_path / "model" / name).mkdir()
        (tmp_path / "model" / name / "tokenizer.model").write_bytes(data)
    assert bench.largest_base(tmp_path).parent.name == "larger"


def test_paragraphs_are_normalised_as_the_corpus_is(tmp_path: Path) -> None:
    folder = tmp_path / bench.EVALUATION
    folder.mkdir(parents=True)
    (folder / "jsquad-test.json").write_text(paragraphs("ＡＢＣ，ｱｲｳ．", "二つ目。"), encoding="utf-8")
    assert list(bench.jsquad(tmp_path)) == ["ABC、アイウ。", "二つ目。"]


def test_what_is_missing_is_named(tmp_path: Path, stories: Path, reporter: Reporter) -> None:
    with pytest.raises(LilmError, match="give a folder with ja_text by --data"):
        bench.measure(reporter)
    with pytest.raises(LilmError, match=r"no tokenizer\.model of a Llama"):
        bench.measure(reporter, tmp_path)
    shutil.copytree(stories, tmp_path / "model" / "base")
    with pytest.raises(LilmError, match="no JSQuAD"):
        bench.measure(reporter, tmp_path)
    (tmp_path / bench.EVALUATION).mkdir(parents=True)
    (tmp_path / bench.EVALUATION / "jsquad.json").write_text(paragraphs("文。"), encoding="utf-8")
    with pytest.raises(LilmError, match="no Japanese text"):
        bench.measure(reporter, tmp_path)


def test_figures_on_little_text(shared_data: Path, stories: Path, tmp_path: Path, reporter: Reporter) -> None:
    """A thirtieth of the text: the same way through both stages, and figures that a user can check."""
    shutil.copytree(stories, tmp_path / "model" / "base")
    shutil.copytree(shared_data / bench.EVALUATION, tmp_path / bench.EVALUATION)
    shutil.copytree(shared_data / "en_text" / "tinyshakespeare", tmp_path / "en_text" / "plays")
    wiki = tmp_path / "ja_text" / "jaquad_wiki"
    wiki.mkdir(parents=True)
    for path in sorted((shared_data / "ja_text" / "jaquad_wiki").glob("*.json"))[:2]:
        shutil.copy(path, wiki)
    found: dict[str, Any] = bench.measure(reporter, tmp_path)
    assert found["chars_per_token_ja"] > 3 * found["base_chars_per_token_ja"]
    assert (found["mismatches"], found["english_changed"], found["unreachable"]) == (0, 0, 0)
    assert found["vocab_size"] <= 512 + bench.NEW_PIECES
    assert found["vocab_size_with_llama"] <= bench.MOST_PIECES
    assert found["lines_en"] > 30_000, "all of the plays"
    assert set(inspect.signature(bench.measure).parameters) == {"reporter", "data"}
