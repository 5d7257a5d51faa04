"""Multiple choice: lm-evaluation-harness asks a GGUF file, and hears what transformers would say."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lilm.errors import LilmError
from lilm.export.gguf_writer import write_gguf
from lilm.export.quality.choice_figures import choice_figures
from lilm.export.quality.choice_files import read_choices
from lilm.export.quality.harness import ask_choices, likelihood, open_tasks
from lilm.llamacpp.engine import Engine, Score
from lilm.train.tokenizer.hf import write_tokenizer
from lilm.vocabulary.sentencepiece import read_proto

pytestmark = pytest.mark.usefixtures("one_torch_thread")

QUESTIONS = [
    {"question": "猫が座ったのはどこ？", "choice0": "マットの上", "choice1": "山", "choice2": "公園", "label": 0},
    {"question": "おじいさんが行ったのは？", "choice0": "海", "choice1": "公園へ", "choice2": "家", "label": 1},
    {"question": "犬は何匹？", "choice0": "二匹いた", "choice1": "三匹", "choice2": "いない", "label": 2},
]
JMMLU = '猫は何の上に座ったか, マット , 山 , 海 , "1,000段の階段",A\n犬はどこにいたか,空,戸口,海,山,B\n'


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one file of each form."""
    folder = tmp_path_factory.mktemp("choices")
    lines = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in QUESTIONS)
    (folder / "commonsense.json").write_text(lines, encoding="utf-8")
    (folder / "anatomy.csv").write_text(JMMLU, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def model(random_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model for transformers, with its GGUF file in it."""
    folder = tmp_path_factory.mktemp("model") / "hf"
    shutil.copytree(random_model, folder)
    write_tokenizer(read_proto(folder / "tokenizer.model"), folder, 256)
    write_gguf(folder, folder / "model-f16.gguf", ("ja", "en"))
    return folder


def test_the_harness_hears_of_a_gguf_file_what_transformers_says(asked: Path, model: Path) -> None:
    from lm_eval.evaluator import evaluate
    from lm_eval.models.huggingface import HFLM

    tasks = open_tasks(str(asked), 10, "ja")
    assert [(one.name, one.questions) for one in tasks] == [("anatomy", 2), ("commonsense", 3)]
    seen: list[int] = []
    with Engine(model / "model-f16.gguf", n_ctx=256, threads=1) as engine:
        found = ask_choices(engine, tasks, 256, lambda: seen.append(1))
    assert len(seen) == 5
    own = HFLM(pretrained=str(model), device="cpu", dtype="float32", batch_size=1, add_bos_token=True)
    for one in open_tasks(str(asked), 10, "ja"):
        loaded = {"tasks": {one.name: one.task}, "groups": {}}
        samples = evaluate(lm=own, task_dict=loaded, bootstrap_iters=0, log_samples=True)["samples"][one.name]
        samples.sort(key=lambda sample: sample["doc_id"])
        assert [sample["acc_norm"] for sample in samples] == found[one.name]["acc_norm"]
        for sample, margin in zip(samples, found[one.name]["margin"], strict=True):
            likelihoods = [reply[0] for reply in sample["filtered_resps"]]
            gold = likelihoods.pop(sample["target"])
            assert margin == pytest.approx(gold - max(likelihoods), abs=0.02)


def test_the_best_tokens_are_those_of_the_highest_logits(model: Path) -> None:
    with Engine(model / "model-f16.gguf", n_ctx=64, threads=1) as engine:
        ids = [engine.bos_id, *engine.tokenize("むかしむかし", add_bos=False)]
        for _ in range(4):
            ids.append(int(engine.logits(ids)[-1].argmax()))
        assert engine.score(ids).best[-4:].all()
        assert not engine.score([*ids[:-1], ids[-1] - 1]).best[-1]


def test_of_a_long_question_the_end_is_read(model: Path) -> None:
    with Engine(model / "model-f16.gguf", n_ctx=64, threads=1) as engine:
        value, _ = likelihood(engine, 64, "猫がマットの上に座った。" * 40, "犬")
        assert np.isfinite(value) and value < 0


class Joined:
    """Cuts into "答え", "：", letters, but "：「" is one token; each token costs as many nats as its number."""

    bos_id = 1
    pieces = ("", "<s>", "答え", "：", "：「", "東", "西", "」")

    def tokenize(self, text: str, *, add_bos: bool) -> list[int]:
        ids = []
        while text:
            piece = max((one for one in self.pieces if one and text.startswith(one)), key=len)
            ids.append(self.pieces.index(piece))
            text = text[len(piece) :]
        return ids

    def score(self, tokens: list[int]) -> Score:
        nats = np.array(tokens[1:], np.float64)
        return Score(nats, np.ones(len(nats), np.bool_), None, None, 0.0)


def test_a_choice_whose_first_letter_joins_the_question_s_last_one_counts_from_that_token() -> None:
    engine: Any = Joined()
    assert likelihood(engine, 64, "答え：", "東")[0] == -5
    assert likelihood(engine, 64, "答え：", "「東」")[0] == -(4 + 5 + 7)
    assert likelihood(engine, 64, "答え：", "「")[0] == -4, "not the whole question"
    assert likelihood(engine, 64, "答え：", "") == (0.0, True)


def test_lost_and_won_are_pairs_with_the_f16_file() -> None:
    full = {"a": {"acc": [1, 1, 0, 0, 1], "margin": [1.0, 2.0, -1.0, -2.0, 3.0]}}
    file = {"a": {"acc": [1, 0, 1, 0, 0], "margin": [1.0, -1.0, 1.0, -2.0, -2.0]}}
    found = choice_figures(file, full)["a"]
    assert (found["lost"], found["won"], found["accuracy"]["count"], found["metric"]) == (2, 1, 2, "acc")
    assert found["change"]["value"] == pytest.approx(-0.2)
    low, high = found["change"]["ci95"]
    assert low < -0.2 < 0 < high, "five questions tell nothing"
    assert found["margin_change"]["value"] == pytest.approx(-1.2)


def line(**changed: Any) -> str:
    return json.dumps({**QUESTIONS[0], **changed}, ensure_ascii=False)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.json", line(label=3), "which choice is right is not said (3)"),
        ("a.json", line(label="0"), "which choice is right is not said ('0')"),
        ("a.json", line(question=None), "a question or a choice is missing"),
        ("a.json", '{"question": "?", "choice0": "a", "label": 0}', "1 choices"),
        ("a.json", "", "no question in it"),
        ("a.json", line(question="?").replace("?", "\\ud83d"), "half a surrogate pair"),
        ("a.json", '{"question": ' + "[" * 90 + "]" * 90 + "}", "nested too deep"),
        ("a.csv", "q,a,b,c,A\n", "5 columns"),
        ("a.csv", "q,a,b,c,d,E\n", "which choice is right is not said"),
        ("a.csv", 'q,a,b,c,"d,A\n', "not CSV"),
    ],
)
def test_a_file_that_is_no_multiple_choice_is_named(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(LilmError) as caught:
        open_tasks(str(tmp_path / name), 10, "ja")
    assert said in str(caught.value) and str(tmp_path / name) in str(caught.value)


def test_spaces_around_jmmlu_s_cells_are_none_of_the_answer(asked: Path) -> None:
    first = read_choices(asked / "anatomy.csv")[0]
    assert first["choices"] == ["マット", "山", "海", "1,000段の階段"] and first["gold"] == 0


@pytest.mark.parametrize(
    ("names", "said"),
    [("no_such_task", "no task"), ("x.json,x.json", "twice"), (" , ", "no task"), ("one.json", "has one question")],
)
def test_tasks_that_cannot_be_asked_are_named(
    asked: Path, names: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(asked)
    shutil.copy("commonsense.json", "x.json")
    Path("one.json").write_text(line(), encoding="utf-8")
    with pytest.raises(LilmError, match=said):
        open_tasks(names, 10, "ja")


def test_without_the_harness_it_is_said_how_to_get_it(asked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lilm.export.quality.harness.find_spec", lambda name: None)
    with pytest.raises(LilmError, match=r"pip install 'lilm\[eval\]'"):
        open_tasks(str(asked), 10, "ja")
