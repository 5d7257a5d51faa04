"""The corpus stage as a whole: on small text with everything planted, and on real text."""

import json
import random
import re
import shutil
from pathlib import Path

import pytest

from lilm.documents import count_documents, read_documents, read_texts
from lilm.errors import LilmError
from lilm.pipeline.artifact import Manifest, describe_outputs
from lilm.pipeline.stage import Context
from lilm.recipe import CorpusConfig, DecontaminateConfig, ScoreConfig
from lilm.train.corpus import stage
from lilm.train.corpus.finishing import finish
from lilm.train.corpus.finishing.finish import FinishTask, finish_block
from lilm.train.corpus.reading import shard
from lilm.train.corpus.reading.earlier import earlier_block, earlier_tasks, sign_earlier
from lilm.train.corpus.reading.estimate import Estimate
from lilm.train.pack.mix import copies, read_mixed, read_weights
from lilm.train.stories import stories
from tests.train.corpus.made import LOOSE, config, drops_of, english_houses, hashes, japanese_houses, made, report_of


@pytest.fixture
def small(tmp_path: Path) -> CorpusConfig:
    """40 documents a language, and in Japanese one copy, one edited copy and one short text."""
    ja = japanese_houses(40)
    ja += [ja[3], ja[4].replace("本がある。\n", "本がある。", 1) + "終わり。", "短い。"]
    en = english_houses(40)
    for lang, texts in (("ja", ja), ("en", en)):
        (tmp_path / f"{lang}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return config(
        {"name": "a", "lang": "ja", "format": "jsonl", "path": str(tmp_path / "ja.jsonl")},
        {"name": "b", "lang": "en", "format": "jsonl", "path": str(tmp_path / "en.jsonl")},
        rules=LOOSE,
        dedup={"near": 0.9},
    )


def test_report_and_documents_agree(small: CorpusConfig, tmp_path: Path, context: Context) -> None:
    out = made(small, tmp_path / "out", context)
    report = report_of(out)
    assert {name: rule for name, (rule, _) in drops_of(out).items()} == {
        "a-00000-0000042": "min_chars",
        "a-00000-0000040": "exact_duplicate",
        "a-00000-0000004": "near_duplicate",
    }
    assert drops_of(out)["a-00000-0000040"][1] == "copy of a-00000-0000003"
    assert drops_of(out)["a-00000-0000004"][1] == "like a-00000-0000041"
    assert {rule: entry["documents"] for rule, entry in report["drops"].items()} == {
        "min_chars": 1,
        "exact_duplicate": 1,
        "near_duplicate": 1,
    }
    assert report["drops"]["min_chars"]["samples"][0]["text"] == "短い。"
    assert report["drops"]["min_chars"]["key"] == "corpus.rules.min_chars"
    assert set(report["drops"]["min_chars"]["kept_by"]) == {"45", "37", "25", "12"}
    steps = {step: figures["documents"] for step, figures in report["sources"]["a"].items()}
    assert steps == {
        "read": 43,
        "normalised": 43,
        "filtered": 42,
        "exact_deduplicated": 41,
        "near_deduplicated": 40,
        "written": 40,
    }
    for lang in ("ja", "en"):
        train, heldout = (read_documents(out, lang, split) for split in ("train", "heldout"))
        assert (
            (train.height, heldout.height)
            == (39, 1)
            == tuple(count_documents(out, lang, split) for split in ("train", "heldout"))
        )
        assert not set(train["id"]) & set(heldout["id"])
        assert train.columns == ["id", "source", "text"]
        assert report["languages"][lang]["train"]["bytes"] == sum(len(text.encode()) for text in train["text"])
        assert list(read_texts(out, lang, "train")) == train["text"].to_list()
    assert sum(entry["share"] for entry in report["languages"].values()) == pytest.approx(1, abs=1e-3)
    page = (out / "report.html").read_text()
    assert "near_duplicate" in page and "短い。" in page


def test_the_same_bytes_from_one_process_two_and_small_blocks(
    small: CorpusConfig, tmp_path: Path, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = hashes(made(small, tmp_path / "one", context))
    two = small.model_copy(update={"workers": 2, "memory_mb": 1000})
    assert hashes(made(two, tmp_path / "two", context)) == wanted
    monkeypatch.setattr(shard, "BLOCK_BYTES", 5_000)
    cut = made(small, tmp_path / "cut", context)
    for lang in ("ja", "en"):
        for split in ("train", "heldout"):
            assert read_documents(cut, lang, split).equals(read_documents(tmp_path / "one", lang, split))


def test_the_process_that_gives_out_the_work_is_counted_too() -> None:
    alone = Estimate(seconds=10.0, disk_bytes=5, memory_mb=150)
    assert alone.shared(1, apart=False) == alone
    assert alone.shared(2, apart=True) == Estimate(seconds=5.0, disk_bytes=5, memory_mb=450)


def test_the_disk_that_the_stage_takes_is_told(tmp_path: Path, context: Context) -> None:
    """Of files so small that reading a few lines of them reads them to the end."""
    sources = []
    for lang in ("ja", "en"):
        path = tmp_path / f"{lang}.jsonl"
        path.write_text("".join(json.dumps({"text": text}) + "\n" for text in stories(lang, 1200, 3)))
        sources.append({"name": lang, "lang": lang, "format": "jsonl", "path": str(path)})
    out = made(config(*sources), tmp_path / "out", context)
    timing = json.loads((out / "timing.json").read_text())
    assert timing["predicted"]["disk_bytes"] == pytest.approx(timing["actual"]["disk_bytes"], rel=0.25)


def test_what_is_done_is_not_done_again(
    small: CorpusConfig, tmp_path: Path, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ended in the middle of the last step, as by a kill: the shards read before are not read again."""
    wanted = hashes(made(small, tmp_path / "one", context))
    out = tmp_path / "killed"
    out.mkdir()

    def die(task: FinishTask) -> finish.FinishReport:
        if task.block.lang == "en":
            raise KeyboardInterrupt
        return finish_block(task)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(finish, "finish_block", die)
        stage.run(small, {}, out, context)
    left = {path: path.stat().st_mtime_ns for path in (out / "checkpoints" / "shards").glob("*.json")}
    assert len(left) == 2 and not list((out / "checkpoints" / "shards").glob("00000-*.parquet"))
    stage.run(small, {}, out, context)
    assert {path: path.stat().st_mtime_ns for path in left} == left
    assert hashes(out) == wanted


def test_long_documents_are_cut(small: CorpusConfig, tmp_path: Path, context: Context) -> None:
    out = made(small.model_copy(update={"max_chars": 120}), tmp_path / "out", context)
    ids = read_documents(out, "en", "train")["id"].to_list()
    assert any(re.fullmatch(r"b-\d{5}-\d{7}\.0003", name) for name in ids)
    assert max(map(len, read_texts(out, "en", "train"))) <= 120


def test_limit_and_changed_file(small: CorpusConfig, tmp_path: Path, context: Context) -> None:
    before = stage.external(small, context)
    (tmp_path / "en.jsonl").write_text((tmp_path / "en.jsonl").read_text() + '{"text": "more"}\n')
    changed = [path for path, mark in stage.external(small, context).items() if before[path] != mark]
    assert changed == [str(tmp_path / "en.jsonl")]
    limited = small.model_copy(
        update={"sources": tuple(source.model_copy(update={"limit": 10}) for source in small.sources)}
    )
    assert report_of(made(limited, tmp_path / "out", context))["sources"]["b"]["read"]["documents"] == 10


def test_a_source_without_text_is_named(small: CorpusConfig, tmp_path: Path, context: Context) -> None:
    (tmp_path / "en.jsonl").write_text("\n\n")
    stage.check(small, context)
    with pytest.raises(LilmError, match="source b: no text came out of it"):
        stage.run(small, {}, tmp_path, context)
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize(("policy", "broken", "stops"), [("skip", 1, False), ("skip", 3, True), ("stop", 1, True)])
def test_broken_records_are_counted_and_named_or_stop_the_run(
    policy: str, broken: int, stops: bool, small: CorpusConfig, tmp_path: Path, context: Context
) -> None:
    path = tmp_path / "en.jsonl"
    path.write_text(path.read_text() * 3 + '{"text": "cut\n' * broken)
    recipe = small.model_copy(update={"bad_input": policy})
    if stops:
        with pytest.raises(LilmError, match=r"en\.jsonl:121: not JSON"):
            made(recipe, tmp_path / "out", context)
        return
    entry = report_of(made(recipe, tmp_path / "out", context))["bad"]["b"]
    assert (entry["records"], entry["bad"]) == (121, 1)
    assert entry["samples"][0]["where"].endswith("en.jsonl:121")


def test_check_finds_a_missing_source_before_anything_is_written(small: CorpusConfig, context: Context) -> None:
    missing = small.sources[0].model_copy(update={"path": "/nowhere/*.txt"})
    with pytest.raises(LilmError, match=r"source a: /nowhere/\*\.txt: no file matches"):
        stage.check(small.model_copy(update={"sources": (missing,)}), context)


def test_a_language_that_nothing_tells_from_others_is_refused_before(small: CorpusConfig, context: Context) -> None:
    def web_of(lang: str) -> CorpusConfig:
        web = small.sources[0].model_copy(update={"lang": lang, "web": True})
        return small.model_copy(update={"sources": (web,)})

    for lang in ("ja", "my"):  # the second is none of the few that are looked for always
        stage.check(web_of(lang), context)
    with pytest.raises(LilmError, match="source a: lang: py3langid does not know 'zz'"):
        stage.check(web_of("zz"), context)


def test_a_new_dump_against_an_earlier_corpus(small: CorpusConfig, tmp_path: Path, context: Context) -> None:
    out = made(small, tmp_path / "first", context)
    Manifest("corpus", "", {}, {}, describe_outputs(out, ()), (), {}).write(out)
    texts = japanese_houses(50)
    texts[5] += "少しだけ違う。\n"
    (tmp_path / "new.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    new = small.sources[0].model_copy(update={"path": str(tmp_path / "new.jsonl"), "name": "new"})
    english = small.sources[1].model_copy(update={"path": str(tmp_path / "other.jsonl")})
    english_text = [
        f"{number} bottles of beer stood on the old wall, and {number * 7} more stood below." for number in range(60)
    ]
    (tmp_path / "other.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in english_text))
    dedup = small.dedup.model_copy(update={"earlier": (str(out),)})
    later = small.model_copy(update={"sources": (new, english), "dedup": dedup})
    stage.check(later, context)
    assert str(out) in stage.external(later, context)
    second = made(later, tmp_path / "second", context)
    drops = drops_of(second)
    assert drops["new-00000-0000003"] == ("exact_duplicate", drops["new-00000-0000003"][1])
    assert drops["new-00000-0000005"][0] == "near_duplicate"
    assert drops["new-00000-0000005"][1].startswith("like earlier/1-first/ja/")
    kept = {*read_texts(second, "ja", "train"), *read_texts(second, "ja", "heldout")}
    assert kept == {text.strip() for text in texts[40:]}
    with pytest.raises(LilmError, match="no finished corpus stage"):
        stage.check(later.model_copy(update={"dedup": dedup.model_copy(update={"earlier": (str(tmp_path),)})}), context)


def test_documents_of_earlier_corpora_have_ids_of_their_own(
    small: CorpusConfig, tmp_path: Path, context: Context
) -> None:
    outs = [made(small, tmp_path / run / "corpus", context) for run in ("a", "b")]
    tasks = earlier_tasks(tuple(map(str, outs)), 0.8, tmp_path)
    ids = [id for task in tasks for id in earlier_block(task, 0, sign_earlier(task)).ids(range(sign_earlier(task)))]
    languages = {task.lang for task in tasks}
    assert len(tasks) == 2 * len(list(outs[0].glob("docs/*/*/part-*.parquet"))) > 2 * len(languages)
    assert len(set(ids)) == len(ids)


def test_boilerplate_lines_are_taken_out_of_documents(small: CorpusConfig, tmp_path: Path, context: Context) -> None:
    banner = "このサイトの記事を無断で転載することはできません。"
    texts = [f"{text}{banner}\n" for text in japanese_houses(40)]
    (tmp_path / "ja.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    dedup = small.dedup.model_copy(update={"line_documents": 20})
    out = made(small.model_copy(update={"dedup": dedup}), tmp_path / "out", context)
    assert not any(banner in text for text in [*read_texts(out, "ja", "train"), *read_texts(out, "ja", "heldout")])
    found = report_of(out)["languages"]["ja"]["boilerplate_lines"]
    assert (found["lines"], found["removed"]) == (1, 40)
    assert found["samples"] == [{"text": banner, "documents": 40}]


def test_boilerplate_lines_are_counted_in_their_own_language(
    small: CorpusConfig, tmp_path: Path, context: Context
) -> None:
    """Also where there are more than the samples tell."""
    banners = "\n".join(f"{number}番目のお知らせを無断で転載することはできません。" for number in range(25))
    texts = [f"{text}{banners}\n" for text in japanese_houses(40)]
    (tmp_path / "ja.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    dedup = small.dedup.model_copy(update={"line_documents": 20, "substring_chars": 0, "near": 1})
    out = made(small.model_copy(update={"dedup": dedup}), tmp_path / "out", context)
    found = {lang: entry["boilerplate_lines"] for lang, entry in report_of(out)["languages"].items()}
    assert (found["ja"]["lines"], found["ja"]["removed"]) == (25, 25 * 40)
    assert (found["en"]["lines"], found["en"]["removed"]) == (0, 0)


def test_what_is_one_text_without_boilerplate_is_kept_once_and_never_held_out_too(
    small: CorpusConfig, tmp_path: Path, context: Context
) -> None:
    rng = random.Random(5)
    banners = [
        "".join(rng.choices("あいうえおかきくけこさしすせそたちつてと山川草木", k=40)) + "。" for _ in range(8 * 9)
    ]
    sites = ["\n".join(banners[9 * number : 9 * number + 9]) for number in range(8)]
    houses = japanese_houses(40)
    texts = [f"{sites[at % 8]}\n{text}" for number, text in enumerate(houses) for at in (number, number + 3)]
    texts.append(f"{sites[0]}\n短い。")  # of which too little is left
    (tmp_path / "ja.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    dedup = small.dedup.model_copy(update={"line_documents": 5})
    out = made(small.model_copy(update={"dedup": dedup, "heldout": 0.2}), tmp_path / "out", context)
    training, held = (list(read_texts(out, "ja", split)) for split in ("train", "heldout"))
    assert sorted([*training, *held]) == sorted({text.strip() for text in houses})
    assert len(held) == 8
    report = report_of(out)
    assert report["drops"]["exact_duplicate"]["documents"] == 40
    assert "without boilerplate" in report["drops"]["exact_duplicate"]["samples"][0]["reason"]
    assert report["drops"]["boilerplate_lines"]["documents"] == 1
    assert len(drops_of(out)) == 41
    assert report["languages"]["ja"]["heldout"]["lines_in_training"] < 0.5


def test_boilerplate_inside_of_lines_is_taken_out(small: CorpusConfig, tmp_path: Path, context: Context) -> None:
    notice = (
        "なお、この話は村の広報の許しを得てここに載せているので、" * 2
        + "ほかのところへ写すときはかならず役場の窓口まで申し出ること"
    )
    notice += "とし、写したものをだれかに売ってはならないことになっているのですが、"
    texts = [
        f"{text.rstrip()}{number}番、{notice}{number}番の話はこれで終わりです。"
        for number, text in enumerate(japanese_houses(40))
    ]
    (tmp_path / "ja.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    kept = []
    for chars in (100, 0):
        dedup = small.dedup.model_copy(update={"line_documents": 20, "substring_chars": chars})
        out = made(small.model_copy(update={"dedup": dedup}), tmp_path / str(chars), context)
        kept.append([*read_texts(out, "ja", "train"), *read_texts(out, "ja", "heldout")])
    cut, whole = kept
    reports = [report_of(tmp_path / str(chars))["languages"]["ja"]["boilerplate_passages"] for chars in (100, 0)]
    assert [report["removed"] for report in reports] == [40, 0]
    assert notice in reports[0]["samples"][0]["text"] and reports[0]["samples"][0]["documents"] == 40
    assert len(cut) == len(whole) > 30 and all(notice in text for text in whole)
    assert not any(notice[4:-4] in text for text in cut)
    assert sorted(text.replace(f"番、{notice}", "") for text in whole) == sorted(
        text.replace("番、", "") for text in cut
    )


def test_evaluation_text_is_not_learnt(small: CorpusConfig, tmp_path: Path, context: Context) -> None:
    question = "七番目の家の地下室にしまってある宝の地図を描いたのはだれですか。"
    texts = japanese_houses(40)
    texts[7] += question.replace("、", "，")
    (tmp_path / "ja.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    (tmp_path / "eval.json").write_text(json.dumps([{"question": question}]))
    recipe = small.model_copy(update={"decontaminate": DecontaminateConfig(path=(str(tmp_path / "eval.json"),))})
    out = made(recipe, tmp_path / "out", context)
    rule, reason = drops_of(out)["a-00000-0000007"]
    assert rule == "contaminated" and "eval.json" in reason
    assert report_of(out)["contaminated"] == {"documents": 1, "files": {"eval.json": 1}}


def test_scores_part_the_corpus_and_the_worst_goes(small: CorpusConfig, tmp_path: Path, context: Context) -> None:
    rng = random.Random(0)
    junk = ["".join(rng.choices(japanese_houses(1)[0], k=300)).replace("\n", "") for _ in range(8)]
    texts = japanese_houses(32) + junk
    (tmp_path / "ja.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    (tmp_path / "good.jsonl").write_text(
        "".join(json.dumps({"text": text}) + "\n" for text in japanese_houses(90)[40:])
    )
    good = small.sources[0].model_copy(update={"path": str(tmp_path / "good.jsonl"), "name": "good"})
    score = ScoreConfig(trusted=("good",), drop=0.09, buckets=2)
    recipe = small.model_copy(update={"sources": (*small.sources, good), "score": score})
    out = made(recipe, tmp_path / "out", context)
    dropped = {name for name, (rule, _) in drops_of(out).items() if rule == "score"}
    assert dropped and dropped <= {f"a-00000-{number:07d}" for number in range(32, 40)}
    names = {path.name.split("-")[1] for path in (out / "docs" / "ja" / "train").iterdir()}
    assert names == {"00", "01"}
    assert not any(text in junk for text in list(read_texts(out, "ja", "train"))[:30])
    found = report_of(out)["languages"]["ja"]
    assert found["score"]["cut"] == found["score"]["buckets"][-1]["up_to"] > found["score"]["buckets"][0]["up_to"] > 1
    assert len(found["score"]["buckets"]) == 2
    assert sum(bucket["documents"] for bucket in found["score"]["buckets"]) == found["train"]["documents"]
    assert report_of(out)["languages"]["en"]["score"] is None


def test_weights_say_how_often_a_source_is_packed(small: CorpusConfig, tmp_path: Path, context: Context) -> None:
    out = made(
        small.model_copy(update={"sources": (small.sources[0].model_copy(update={"weight": 2.0}), small.sources[1])}),
        tmp_path / "out",
        context,
    )
    weights = read_weights(out)
    assert weights == {"a": 2.0, "b": 1.0}
    for lang, times in (("ja", 2), ("en", 1)):
        assert {times} == {count for _, count in read_mixed(out, lang, "train", weights)}
        assert {1} == {count for _, count in read_mixed(out, lang, "heldout", weights)}
    assert 0.3 < sum(copies(f"a-{number}", 0.5) for number in range(1000)) / 1000 < 0.7


def test_too_small_a_disk_is_told_before_the_work(
    small: CorpusConfig, tmp_path: Path, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage._replace(free=10_000))
    with pytest.raises(LilmError, match="no space: the corpus needs"):
        stage.run(small, {}, tmp_path, context)
    assert not (tmp_path / "checkpoints").exists()
