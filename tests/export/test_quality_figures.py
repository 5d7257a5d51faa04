"""Intervals, windows, what is wrong with a text, ratios: the arithmetic of `lilm bench quant`."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lilm.errors import LilmError
from lilm.export.bench.measure import clustered_error
from lilm.export.quality.bench import _together
from lilm.export.quality.interval import (
    change_of,
    difference_of,
    mean_of,
    quantile_of,
    share_among,
    share_of,
    student,
)
from lilm.export.quality.opened import Measured
from lilm.export.quality.passages import SHORT, long_passages, ordered, short_passages
from lilm.export.quality.questions import read_questions, write_lines
from lilm.export.quality.ratios import KEYS, ratios
from lilm.export.quality.samples import read_samples
from lilm.export.quality.written import Beginning, Written, as_json, is_loop, judge, rates, script_of
from lilm.export.talk.worth import shares
from lilm.llamacpp.engine import Drawn, Engine
from lilm.llamacpp.probabilities import kl_divergence, log_softmax


def letters(text: str) -> list[int]:
    return [ord(letter) for letter in text]


def test_the_interval_of_a_mean_holds_the_truth_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        levels = generator.normal(1.0, 0.5, 12)  # tokens of a document are alike
        documents = [generator.normal(level, 0.1, 30) for level in levels]
        found = mean_of(np.array([one.sum() for one in documents]), np.full(12, 30.0))
        held += found.low <= 1.0 <= found.high
    assert 0.92 <= held / 400 <= 0.98
    assert found.se == pytest.approx(clustered_error(documents))


def test_a_difference_on_the_same_text_is_known_better_than_either_mean() -> None:
    generator = np.random.default_rng(1)
    hard = generator.gamma(2.0, 1.0, 40) * 50
    worse = hard * 1.1 + generator.normal(0, 0.5, 40)
    counts = np.full(40, 50.0)
    found = difference_of(worse, hard, counts)
    assert 0 < found.low < found.value < found.high
    assert found.se < mean_of(hard, counts).se / 3


def test_a_quantile_is_as_unsure_as_its_documents() -> None:
    generator = np.random.default_rng(2)
    document = np.repeat(np.arange(30), 100)
    apart = generator.exponential(1.0, 3000)
    alike = apart * np.repeat(generator.exponential(1.0, 30), 100)
    found = quantile_of(apart, document, 0.99)
    assert found.value == pytest.approx(-math.log(0.01), rel=0.2)
    assert found.low < found.value < found.high
    assert quantile_of(alike, document, 0.99).se > 2 * found.se
    assert quantile_of(apart, document, 0.99) == found


def test_a_share_of_none_is_not_sure_to_be_none() -> None:
    found = share_of(0, 200)
    assert found["value"] == 0
    assert found["ci95"] == [0.0, pytest.approx(0.0188, abs=1e-3)]
    assert [student(degrees) for degrees in (3, 10, 1000)] == pytest.approx([3.182, 2.228, 1.962], rel=0.01)


def test_the_interval_of_a_quantile_of_few_documents_knows_that_they_are_few() -> None:
    generator = np.random.default_rng(3)
    truth, held = -math.log(0.01), 0
    document = np.repeat(np.arange(2), 200)
    for _ in range(60):
        values = generator.exponential(1.0, 400) * np.repeat(generator.uniform(0.8, 1.2, 2), 200)
        found = quantile_of(values, document, 0.99)
        held += found.low <= truth <= found.high
    assert held >= 54, "the draws alone held it in every third"


def test_many_texts_of_few_beginnings_are_not_as_many_trials() -> None:
    generator = np.random.default_rng(4)
    held = 0
    for _ in range(200):
        loops = generator.random((4, 50)) < generator.beta(1, 4, 4)[:, None]
        low, high = share_among(loops.ravel().tolist(), np.repeat(np.arange(4), 50).tolist())["ci95"]  # type: ignore[misc]
        held += low <= 0.2 <= high
    assert held >= 180, "as 200 trials it was held in every second"
    assert share_among([True, False, True], "abc") == share_of(2, 3)
    assert share_among([False] * 200, ["a", "b"] * 100)["ci95"] == share_of(0, 2)["ci95"]
    assert share_among([True, False] * 100, ["a"] * 200)["count"] == 100


def test_no_change_in_a_few_questions_is_not_none_for_sure() -> None:
    low, high = change_of(0, 0, 20).as_json()["ci95"]  # type: ignore[misc]
    assert low < -0.05 and high > 0.05
    many = change_of(30, 10, 1000)
    assert many.value == -0.02 and -0.035 < many.low < -0.02 < many.high < -0.006


def test_a_language_that_no_script_tells_is_no_share_of_none() -> None:
    def text(number: int, wrong: bool | None) -> Written:
        return Written("de", f"{number}", "x", 1, True, False, wrong, False)

    found = rates([text(number, None) for number in range(9)])
    assert found["wrong_language"] is None and found["by_kind"]["de"]["wrong_language"] is None
    assert found["loops"]["of"] == 9
    some = [text(0, True), text(1, False), text(2, None)]
    assert rates(some)["wrong_language"]["of"] == 2
    assert shares(some)["in_language"]["value"] == 0.5 and shares(some[2:])["in_language"] is None


def test_short_windows_take_the_beginnings_of_many_documents_and_count_their_bytes() -> None:
    texts = ordered(["あ" * 3000, *(f"{number:03}" + "b" * 600 for number in range(20)), "c" * 10])
    found = short_passages("ja", texts, letters, 1, 4000)
    assert 4000 <= found.tokens < 4000 + SHORT
    assert len(found.documents) >= 15
    assert all(window.ids[0] == 1 and len(window.ids) <= SHORT for window in found.windows)
    text = [letter for window in found.windows for letter in window.ids[1:]]
    assert found.bytes is not None and sum(found.bytes) == len("".join(map(chr, text)).encode())
    assert found.as_json()["missing_tokens"] == 0
    assert len(short_passages("ja", texts, letters, 1, 100).documents) == 8
    everything = short_passages("ja", texts, letters, 1, 10**6)
    assert everything.tokens == sum(map(len, texts))
    assert everything.as_json()["missing_tokens"] == 10**6 - everything.tokens


def test_of_long_windows_only_what_a_short_one_cannot_see_counts() -> None:
    texts = ["x" * 2000, "y" * 200, "z" * 300]
    found = long_passages("en", texts, letters, 1, 512, 10**6)
    assert [len(window.ids) for window in found.windows] == [512, 301]
    assert [int(window.counted.sum()) for window in found.windows] == [512 - SHORT, 301 - SHORT]
    assert not found.windows[0].counted[: SHORT - 1].any()
    assert len(found.documents) == 2


@pytest.mark.parametrize(
    ("ids", "loops"),
    [
        (list(range(100)), False),
        ([*range(50), *[7] * 24], True),
        ([*range(50), *[7] * 20], False),
        ([1, 2, *[5, 6, 7, 8, 9, 10, 11, 12] * 3], True),
        ([*[5, 6, 7, 8] * 8, 1, 2, 3], False),
        ([*range(40), *range(40), *range(40)], True),
        ([*range(40), *range(40)], False),
        ([], False),
    ],
)
def test_a_loop_says_one_thing_at_its_end_three_times(ids: list[int], loops: bool) -> None:
    assert is_loop(ids) is loops


def test_a_text_in_another_script_or_with_broken_characters_is_told() -> None:
    beginning = Beginning("ja", [1, 2], script_of("むかしむかし、あるところに"))

    def told(text: str) -> tuple[bool | None, bool]:
        written = judge(beginning, "", Drawn((1, 2, 3), text, True))
        return written.wrong_language, written.broken

    assert told("おじいさんが山へ行きました。OK") == (False, False)
    assert told("Once upon a time there was a cat.") == (True, False)
    assert told("1 + 2 = 3") == (None, False), "no letters, no language"
    assert told("关于这个问题，我们认为人工智能的发展非常迅速，将来会有更多的应用。") == (True, False), "Chinese"
    assert told("東京都千代田区丸の内") == (False, False)
    assert told("明治、大正、昭和、平成、令和") == (None, False), "may be either"
    assert told("おじい\ufffdさんが山へ行きました。") == (False, True)
    nowhere = Beginning("fr", [1], "")
    assert judge(nowhere, "", Drawn((1,), "Once upon a time there was", True)).wrong_language is None


def test_texts_with_odd_line_ends_are_shown_side_by_side(tmp_path: Path) -> None:
    said = "one\u2028two\x85three\x1cfour\x0bfive\r\nsix"
    write_lines(tmp_path / "written" / "model-f16.jsonl", as_json([Written("en", "zero", said, 6, True, *[False] * 3)]))
    shown = read_samples(tmp_path, [Measured(Path("model-f16.gguf"), "F16", "reference")])
    assert [one["texts"]["F16"]["text"] for one in shown] == [said]


def test_score_in_parts_says_what_all_logits_at_once_say(random_export: Path) -> None:
    tokens = [1, *(number * 37 % 380 for number in range(699))]
    full, file = random_export / "model-f16.gguf", random_export / "model-Q4_0.gguf"
    logits = []
    for path in (full, file):
        with Engine(path, n_ctx=700, threads=1) as engine:
            logits.append(log_softmax(engine.logits(tokens)[:-1]))
    with Engine(file, n_ctx=700, threads=1, reference=full) as engine:
        found = engine.score(tokens)
    assert found.kld is not None and found.same_top is not None
    assert found.nll == pytest.approx(-logits[1][np.arange(699), tokens[1:]], abs=1e-5)
    assert found.kld == pytest.approx(kl_divergence(*logits), abs=1e-5)
    assert (found.same_top == (logits[0].argmax(-1) == logits[1].argmax(-1))).mean() > 0.99


def test_the_same_seed_draws_the_same_text_and_greedy_is_temperature_0(random_export: Path) -> None:
    from lilm.recipe import SamplingConfig

    with Engine(random_export / "model-Q8_0.gguf", n_ctx=64, threads=1) as engine:
        drawn = [engine.sample([1, 5, 9], SamplingConfig(), 20, seed) for seed in (1, 1, 2)]
        best = engine.sample([1, 5, 9], SamplingConfig(temperature=0, repeat_penalty=1), 20, 1)
        assert best.ids == engine.greedy([1, 5, 9], 20).ids
    assert drawn[0] == drawn[1] != drawn[2]


def row(quant: str, method: str, mb: float, kld: float, based_on: str = "", bpw: float = 5.0) -> dict[str, Any]:
    klds = {"kld_ja": kld, "kld_en": kld / 2, "kld_chat": None}
    return {"quant": quant, "method": method, "mb": mb, "bpw": bpw, "based_on": based_on, **klds}


ROWS = [
    row("Q8_0", "stock", 146.0, 0.001),
    row("Q4_K_M", "stock", 100.0, 0.02, bpw=6.37),
    row("Q4_0", "stock", 80.0, 0.08),
    row("Q4_K_M + imatrix", "stock + imatrix", 100.0, 0.016, "Q4_K_M"),
    row("Q4_0 + imatrix", "stock + imatrix", 80.0, 0.06, "Q4_0"),
    row("mix", "search", 90.0, 0.02, bpw=4.8),
    row("mix by error", "by error", 90.0, 0.1, "mix"),
    row("mix by relative error", "by relative error", 90.0, 0.025, "mix"),
    row("mix by chance", "by chance", 90.0, 0.05, "mix"),
    row("Q8_0-learned", "learnt", 146.0, 0.0005, "Q8_0"),
    row("Q4_0-learned", "learnt", 80.0, 0.012, "Q4_0"),
    row("mix-learned", "learnt", 90.0, 0.01, "mix", bpw=4.8),
]


def test_ratios_of_files_that_are_there_and_null_for_others() -> None:
    model = {"languages": ["ja", "en"], "smollm2": True, "files": ROWS}
    found = ratios([model])
    assert set(found) == set(KEYS)
    assert found["search_vs_stock"] == pytest.approx(0.02 / math.sqrt(0.02 * 0.08), rel=1e-3)
    assert (found["search_vs_proxy"], found["search_vs_random"]) == (0.8, 0.4)
    assert (found["learnt_vs_imatrix_ja"], found["learnt_vs_imatrix_en"]) == (0.625, 0.625), "of the mix, by Q4_K_M's"
    assert found["learnt_vs_imatrix_chat"] is None
    assert found["q4_0_learnt_vs_imatrix"] == 0.75, "by Q4_K_M with an importance matrix, too"
    assert found["mb_at_equal_kld"] == 0.8, "80 MB are as near as its 100"
    assert found["three_bit_vs_q3"] is None
    assert found["smollm2_learnt_vs_q4_0"] == pytest.approx(0.012 / 0.06)
    assert found["smollm2_49_vs_637"] == 0.5
    without = [one for one in ROWS if one["method"] != "stock + imatrix"]
    lacking = {key for key, value in ratios([{**model, "files": without}]).items() if value is None}
    assert {"learnt_vs_imatrix_ja", "mb_at_equal_kld", "smollm2_learnt_vs_q4_0"} <= lacking
    alone = ratios([{**model, "smollm2": False, "files": ROWS[:3]}])
    assert set(alone.values()) == {None}


def test_ratios_that_are_not_smollm2_s_are_the_other_model_s_whichever_was_named_first() -> None:
    smollm2 = {"languages": ["ja", "en"], "smollm2": True, "files": ROWS}
    by_error = {"mix": 0.01, "mix by error": 0.1, "mix by relative error": 0.2}
    files = [{**one, "kld_ja": by_error.get(one["quant"], one["kld_ja"])} for one in ROWS]
    other = {"languages": ["ja", "en"], "smollm2": False, "files": files}
    found = ratios([smollm2, other])
    assert found["search_vs_proxy"] == 0.1
    assert found["smollm2_49_vs_637"] == 0.5
    assert found == ratios([other, smollm2])


def test_of_several_runs_the_worst_is_told() -> None:
    one: dict[str, Any] = {"models": [], "size_bytes_off": 0, "blocks_exact": 1.0, "fit_error": 0.004}
    other: dict[str, Any] = {"models": [], "size_bytes_off": 32, "blocks_exact": 0.5, "fit_error": -0.2}
    unmeasured: dict[str, Any] = {"models": [], "size_bytes_off": None, "blocks_exact": None, "fit_error": None}
    found = _together([one, unmeasured, other])
    assert (found["size_bytes_off"], found["blocks_exact"], found["fit_error"]) == (32, 0.5, -0.2)
    assert (_together([unmeasured])["blocks_exact"], _together([unmeasured])["fit_error"]) == (None, None)


def test_questions_of_the_usual_lists_are_read(tmp_path: Path) -> None:
    lists = {
        "elyza.jsonl": '{"input": "仕事の熱意を取り戻すには？", "output": "x"}\n\n{"input": "二つ目"}\n',
        "alpaca.jsonl": '{"instruction": "訳して。", "input": "猫"}\n{"instruction": "歌って。", "input": ""}\n',
        "elyza.csv": '\ufeffinput,output,eval_aspect\n"クマが海辺に行き、\n次に何をしますか。",x,y\n\n三つ目,"a, b",\n',
        "vicuna.jsonl": '{"question_id": 7, "turns": ["一つ目？", "二つ目？"]}\n',
        "rakuda.json": json.dumps([{"qid": 3, "text": "日本の首都は？"}, {"question": "富士山の高さは？"}]),
    }
    for name, text in lists.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    read = {name: [(one.name, one.turns) for one in read_questions(tmp_path / name)] for name in lists}
    assert read["elyza.jsonl"] == [("1", ("仕事の熱意を取り戻すには？",)), ("2", ("二つ目",))]
    assert read["alpaca.jsonl"] == [("1", ("訳して。\n猫",)), ("2", ("歌って。",))]
    assert read["elyza.csv"] == [("1", ("クマが海辺に行き、\n次に何をしますか。",)), ("2", ("三つ目",))]
    assert read["vicuna.jsonl"] == [("7", ("一つ目？", "二つ目？"))]
    assert read["rakuda.json"] == [("3", ("日本の首都は？",)), ("2", ("富士山の高さは？",))]
    (tmp_path / "bad.jsonl").write_text('{"input": "a"}\n{"answer": "b"}\n', encoding="utf-8")
    with pytest.raises(LilmError, match=r"bad.jsonl:2: no question in it \(found answer\)"):
        read_questions(tmp_path / "bad.jsonl")
    for text, said in (
        ("prompt,output\na,b\n", r"bad.csv:1: no question"),
        ("input,output\n ,b\n", r"bad.csv:2: no q"),
    ):
        (tmp_path / "bad.csv").write_text(text, encoding="utf-8")
        with pytest.raises(LilmError, match=said):
            read_questions(tmp_path / "bad.csv")
