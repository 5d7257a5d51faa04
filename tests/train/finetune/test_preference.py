"""Pairs of answers: what is read of them, the loss, and that the preferred kind wins without much being forgotten."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from transformers import LlamaConfig, LlamaForCausalLM

from lilm.errors import LilmError
from lilm.pipeline.hashing import sha256_file
from lilm.pipeline.stage import Context
from lilm.progress import Reporter
from lilm.recipe import ChecksConfig, FinetuneConfig, PreferenceConfig
from lilm.train.finetune import stage
from lilm.train.finetune.checks.run import check_pairs
from lilm.train.finetune.heldout import ANSWERS
from lilm.train.finetune.masking import TokenisedChat
from lilm.train.finetune.messages import JOINED
from lilm.train.finetune.pair_loss import PairBatch, PairLoss
from lilm.train.finetune.pairs import Pair, PairReader
from lilm.train.finetune.preference import CHOSEN, IN_ALL, PREFERRED
from lilm.train.finetune.token_pairs import TokenPair, rows, split_pairs
from tests.train.finetune.conftest import KillingReporter, Tune

ASKED, ANSWERED = {"role": "user", "content": "空は？"}, {"role": "assistant", "content": "青い。"}
WORSE = {"role": "assistant", "content": "赤い。"}
GOOD = {"prompt": "空は？", "chosen": "青い。", "rejected": "赤い。"}


def written(path: Path, *entries: Any) -> Path:
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "entry",
    [
        GOOD,
        {"messages": [ASKED], "chosen": "青い。", "rejected": "赤い。"},
        {"prompt": [ASKED], "chosen": [ANSWERED], "rejected": [WORSE]},
        {"prompt": "空は？", "chosen": [ASKED, ANSWERED], "rejected": [ASKED, WORSE]},
    ],
)
def test_pairs_of_other_tools(tmp_path: Path, entry: dict[str, Any]) -> None:
    (pair,) = PairReader(written(tmp_path / "pairs.jsonl", entry))
    assert (pair.chosen, pair.rejected) == ([ASKED, ANSWERED], [ASKED, WORSE])


SYSTEM = {"role": "system", "content": "短く。"}


@pytest.mark.parametrize(
    "entry",
    [
        {**GOOD, "system": "短く。"},
        {**GOOD, "system_prompt": "短く。"},
        {"messages": [SYSTEM, ASKED], "system": "短く。", "chosen": "青い。", "rejected": "赤い。"},
        {"chosen": [ASKED, ANSWERED], "rejected": [ASKED, WORSE], "system": "短く。"},
    ],
)
def test_a_system_message_beside_the_prompt_is_read_first(tmp_path: Path, entry: dict[str, Any]) -> None:
    (pair,) = PairReader(written(tmp_path / "pairs.jsonl", entry))
    assert (pair.chosen, pair.rejected) == ([SYSTEM, ASKED, ANSWERED], [SYSTEM, ASKED, WORSE])


@pytest.mark.parametrize(
    "entry",
    [
        {"messages": [ASKED, ANSWERED], "chosen": "青い。", "rejected": "赤い。"},
        {"prompt": [ASKED, ANSWERED], "chosen": [ANSWERED], "rejected": [WORSE]},
        {"messages": [ASKED, WORSE], "prompt": "空は？", "chosen": "青い。", "rejected": "赤い。"},
    ],
)
def test_no_answer_is_learnt_twice_in_one(tmp_path: Path, entry: dict[str, Any]) -> None:
    answered = {"messages": [ASKED, {**ANSWERED, "content": "高い。"}], "chosen": "青い。", "rejected": "赤い。"}
    (pair,) = reader = PairReader(written(tmp_path / "pairs.jsonl", entry, answered))
    assert (pair.chosen, pair.rejected) == ([ASKED, ANSWERED], [ASKED, WORSE])
    assert reader.left_out == {"pairs whose prompt ends in an answer": 1}


def test_what_both_answers_follow_is_counted_once(tmp_path: Path) -> None:
    entry = {"prompt": [ASKED, ASKED], "chosen": "青い。", "rejected": "赤い。"}
    (pair,) = reader = PairReader(written(tmp_path / "pairs.jsonl", entry))
    assert pair.asked == [{**ASKED, "content": "\n".join([ASKED["content"]] * 2)}]
    assert reader.left_out == {JOINED: 1}


FIRST, SECOND = {"role": "user", "content": "海は？"}, {"role": "assistant", "content": "広い。"}


@pytest.mark.parametrize(
    ("prompt", "before"),
    [
        ([FIRST], [SECOND, ASKED]),  # the answer goes on from the prompt, over several turns
        ([SYSTEM, FIRST], [SECOND, ASKED]),
        ([SYSTEM, FIRST, SECOND, ASKED], [ASKED]),  # it repeats the prompt's end
        ([SYSTEM, FIRST, SECOND, ASKED], [FIRST, SECOND, ASKED]),
        ([SYSTEM], [FIRST, SECOND, ASKED]),
        ([SYSTEM, FIRST], [SYSTEM, FIRST, SECOND, ASKED]),  # or holds it whole
        ("海は？", [FIRST, SECOND, ASKED]),
        (None, [FIRST, SECOND, ASKED]),
    ],
)
def test_nothing_of_a_prompt_is_lost_beside_answers_of_several_messages(
    tmp_path: Path, prompt: Any, before: list[dict[str, str]]
) -> None:
    entry = {"prompt": prompt, "chosen": [*before, ANSWERED], "rejected": [*before, WORSE]}
    (pair,) = PairReader(written(tmp_path / "pairs.jsonl", entry))
    head = [SYSTEM] if isinstance(prompt, list) and SYSTEM in prompt else []
    assert (pair.asked, pair.chosen[-1], pair.rejected[-1]) == ([*head, FIRST, SECOND, ASKED], ANSWERED, WORSE)


def test_pairs_that_the_format_has_no_place_for_are_named_before_any_stage(
    tune_inputs: dict[str, Path], chat_file: Path, tmp_path: Path
) -> None:
    path = written(tmp_path / "pairs.jsonl", GOOD, {**GOOD, "prompt": [ASKED, SYSTEM]})
    sources = [{"name": "x", "format": "messages", "path": str(chat_file)}]
    config = FinetuneConfig.model_validate({"sources": sources, "preference": {"path": str(path)}})
    with pytest.raises(LilmError, match="a message of system after user") as caught:
        stage.check_base(config, tune_inputs["base"], Context(0, 1, "ja", "en", Reporter(Console(quiet=True))))
    assert caught.value.where == f"{path}:2"


def test_what_teaches_nothing_is_counted_and_what_is_wrong_is_named(tmp_path: Path) -> None:
    same, empty = {**GOOD, "rejected": "青い。"}, {**GOOD, "rejected": " "}
    other = {"chosen": [ASKED, ANSWERED], "rejected": [{**ASKED, "content": "海は？"}, WORSE]}
    path = written(tmp_path / "pairs.jsonl", same, empty, other, GOOD)
    reader = PairReader(path)
    assert len(list(reader)) == 1
    assert reader.left_out == {
        "pairs of one answer twice": 1,
        "empty answers": 1,
        "pairs whose answers follow different words": 1,
    }
    for entry in ({"prompt": "空は？", "chosen": "青い。"}, {"chosen": "青い。", "rejected": "赤い。"}):
        with pytest.raises(LilmError, match="no ") as caught:
            list(PairReader(written(tmp_path / "bad.jsonl", GOOD, entry)))
        assert str(caught.value.where).endswith("bad.jsonl:2")
    with pytest.raises(LilmError, match=r"no pair in it to learn from \(1 pairs of one answer twice\)"):
        list(PairReader(written(tmp_path / "none.jsonl", same)))


def test_few_pairs_that_do_not_fit_are_named_counted_and_left_out(tune: Tune, tmp_path: Path) -> None:
    path = written(tmp_path / "pairs.jsonl", *[GOOD] * 130, {**GOOD, "prompt": [ASKED, SYSTEM]}, *[GOOD] * 130)
    with path.open("a") as file:
        file.write('{"prompt": "空は？", \n')
    said = io.StringIO()
    optim = {"steps": 1, "lr": 1e-3, "batch_size": 4}
    keys = {"optim": optim, "preference": {"path": str(path), "heldout": 0, "optim": optim}}
    figures = tune(tmp_path / "out", reporter=Reporter(Console(file=said, width=500)), **keys).measurements
    assert figures["preference"]["pairs"] == 260
    assert figures["preference"]["left_out"] == {"records that do not fit": 2}
    first, second = figures["preference"]["misfits"]
    assert first.startswith(f"{path}:131: a message of system after user")
    assert second.startswith(f"{path}:262: not JSON")
    assert f"  does not fit: {first}\n" in said.getvalue()
    assert "  left out: 2 records that do not fit\n" in said.getvalue()


@pytest.mark.parametrize(("max_bad", "counted"), [(0.01, "; of 100 records 2 do not fit"), (0, "")])
def test_many_that_do_not_fit_end_the_run_with_the_first(tmp_path: Path, max_bad: float, counted: str) -> None:
    bad = {**GOOD, "chosen": None}
    path = written(tmp_path / "pairs.jsonl", GOOD, bad, *[GOOD] * 97, bad)
    chat = written(tmp_path / "chats.jsonl", {"messages": [ASKED, ANSWERED]})
    sources = [{"name": "x", "format": "messages", "path": str(chat)}]
    preference = {"path": str(path), "max_bad": max_bad}
    config = FinetuneConfig.model_validate({"sources": sources, "preference": preference})
    with pytest.raises(LilmError) as caught:
        stage.check(config, Context(0, 1, "ja", "en", Reporter(Console(quiet=True))))
    assert (caught.value.where, caught.value.what) == (f"{path}:2", f"no 'chosen' but None{counted}")
    assert "raise finetune.preference.max_bad" in caught.value.remedy


def test_pairs_that_ask_what_must_not_be_learnt_are_dropped(tune: Tune, tmp_path: Path) -> None:
    """Questions of held-out chats, to which other answers are better, and of an evaluation file."""
    one_step = {"steps": 1, "lr": 1e-3, "batch_size": 4}
    tune(tmp_path / "plain", optim=one_step)
    heldout = json.loads((tmp_path / "plain" / "heldout.json").read_text())["chats"]
    asked = [next(turn["content"] for turn in chat if turn["role"] == "user") for chat in heldout]
    evaluated = "時間管理能力を向上させるには、毎日どのような習慣を身につければいいですか？三つ挙げてください。"
    (tmp_path / "questions.txt").write_text(evaluated, encoding="utf-8")
    other = [f"{name}の鳴き声を、知っているだけ挙げてください。" for name in ("犬", "猫", "馬", "牛", "羊", "鳥")]
    near = evaluated.replace("三つ", "五つ")
    path = written(tmp_path / "pairs.jsonl", *({**GOOD, "prompt": text} for text in (*asked, near, *other)))
    keys: dict[str, Any] = {"optim": one_step, "preference": {"path": str(path), "heldout": 0, "optim": one_step}}
    keys["checks"] = {"path": [str(tmp_path / "questions.txt")]}
    said = io.StringIO()
    reporter = Reporter(Console(file=said, width=500))
    figures = tune(tmp_path / "out", reporter=reporter, **keys).measurements["preference"]
    assert len(asked) > 15 and figures["pairs"] == len(other)
    checks = figures["checks"]
    assert {key: (check["action"], check["found"]) for key, check in checks.items()} == {
        "evaluation": ("drop", 1),
        "held_out": ("drop", len(asked)),
    }
    (sample,) = checks["evaluation"]["samples"]
    assert (sample["where"], sample["text"]) == (f"{path}:{len(asked) + 1}", "青い。")
    assert "  pairs, evaluation questions: 1, dropped; " in said.getvalue()
    told = f"  pairs, questions of held-out chats: {len(asked)}, dropped; {path}:1: asks what a held-out chat asks: 「"
    assert told in said.getvalue()
    keys["checks"]["evaluation"] = "keep"
    assert tune(tmp_path / "kept", **keys).measurements["preference"]["pairs"] == len(other) + 1


WHY, MORE, DUSK = "空はなぜ青いのですか？", "もう少し詳しく説明していただけますか？", "夕焼けはなぜ赤く見えますか？"
LONG = (
    "光合成とは何ですか。葉のどこで何から何が作られるのか、夜にはどうなるのかも、小学生に分かるように教えてください。"
)


@pytest.mark.parametrize(
    ("asked", "dropped"),
    [
        (("海の水はなぜ塩辛いのですか？", MORE), False),
        (("海の水はなぜ塩辛いのですか？", "どこの海でもですか？", MORE), False),
        (("海の水はなぜ塩辛いのですか？", "こんにちは。"), False),  # what a held-out chat begins with, and no more
        (("海の水はなぜ塩辛いのですか？",), False),
        ((WHY, MORE), True),
        (("空は、なぜ青いのですか", "海の水はなぜ塩辛いのですか？"), True),
        (("こんにちは。", "海の水はなぜ塩辛いのですか？"), True),
        (("おはよう。", WHY), True),  # the first question of the held-out chat
        ((DUSK,), True),  # one of its others, that stands alone here
        (("おはよう。", LONG, MORE), True),  # the same conversation, but for a greeting
        (("おはよう。", "酸性雨とは何ですか。", MORE), False),
    ],
)
def test_a_question_that_follows_others_is_one_of_their_conversation(asked: tuple[str, ...], dropped: bool) -> None:
    def chat(*questions: str) -> list[dict[str, str]]:
        return [one for text in questions for one in ({"role": "user", "content": text}, ANSWERED)]

    heldout = [chat(WHY, MORE, DUSK), chat("こんにちは。", LONG, MORE)]
    pair = Pair(chat(*asked), [*chat(*asked)[:-1], WORSE], "a:1")
    kept, found = check_pairs([pair], heldout, ChecksConfig(), Reporter(Console(quiet=True)))
    assert (kept, found["held_out"]["found"]) == (([], 1) if dropped else ([pair], 0))


def test_passages_of_an_evaluation_in_either_answer_count(tmp_path: Path) -> None:
    passage = "月は地球の周りを回る天体で、太陽の光を反射して明るく見えます。およそ一か月で満ち欠けします。"
    (tmp_path / "texts.txt").write_text(passage, encoding="utf-8")
    answers = [("青い。", f"はい。{passage}"), (passage, "赤い。"), ("青い。", "赤い。")]
    pairs = [
        Pair([ASKED, {**ANSWERED, "content": chosen}], [ASKED, {**ANSWERED, "content": rejected}], f"a:{at}")
        for at, (chosen, rejected) in enumerate(answers)
    ]
    kept, _ = check_pairs(pairs, [], ChecksConfig(path=(str(tmp_path / "texts.txt"),)), Reporter(Console(quiet=True)))
    assert [pair.where for pair in kept] == ["a:2"]


def test_pairs_without_chats_are_refused_in_the_recipe() -> None:
    with pytest.raises(ValueError, match="it needs"):
        FinetuneConfig.model_validate({"preference": {"path": "pairs.jsonl"}})


def test_one_question_is_on_one_side() -> None:
    nothing = TokenisedChat([], [])
    pairs = [
        TokenPair(Pair([{**ASKED, "content": f"質問{at // 2}"}, ANSWERED], [ASKED, WORSE], ""), nothing, nothing)
        for at in range(40)
    ]
    learnt, heldout = split_pairs(pairs, 0.2)
    asked, apart = ({pair.pair.asked[0]["content"] for pair in part} for part in (learnt, heldout))
    assert len(heldout) == len(apart) == 4 and not asked & apart
    assert len(learnt) == 32


@pytest.mark.parametrize("loss", ["dpo", "simpo"])
def test_the_loss_is_that_of_its_paper(loss: str) -> None:
    """Against its formula, with gradients, through other code than the trainer's."""
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=50, num_key_value_heads=2, **shape)).eval()
    answers = [([3, 4, 5, 6], 1), ([3, 4, 7], 1), ([9, 8, 7, 6, 5], 2), ([9, 8, 7, 1], 2)]  # ids, where one begins
    made = [
        TokenisedChat(ids, [ids[at + 1] if begin <= at + 1 < len(ids) else -100 for at in range(len(ids))])
        for ids, begin in answers
    ]
    reference, beta, gamma, weight = torch.tensor([0.3, -0.2]), 0.5, 0.7, 0.25

    def of(ids: list[int], begin: int) -> torch.Tensor:
        gains = model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
        return torch.stack([gains[at - 1, ids[at]] for at in range(begin, len(ids))]).sum()

    wanted = torch.zeros(())
    for pair in range(2):
        chosen, rejected = (of(*answers[2 * pair + at]) for at in (0, 1))
        counts = [len(ids) - begin for ids, begin in answers[2 * pair : 2 * pair + 2]]
        margin = beta * (chosen - rejected - reference[pair])
        if loss == "simpo":
            margin = beta * (chosen / counts[0] - rejected / counts[1]) - gamma
        wanted = wanted - torch.sigmoid(margin).log() - weight * chosen / counts[0]
    (expected,) = torch.autograd.grad(wanted, [model.model.layers[0].mlp.up_proj.weight])
    loss_model = PairLoss(
        model,
        "float32",
        0,
        PreferenceConfig.model_validate(
            {"loss": loss, "beta": beta, "simpo_beta": beta, "simpo_gamma": gamma, "chosen_weight": weight}
        ),
    )
    parts = loss_model.inputs(PairBatch(*rows(made), reference=reference), 1)
    found = torch.stack([loss_model(*part) for part in parts]).sum()
    (gradient,) = torch.autograd.grad(found, [model.model.layers[0].mlp.up_proj.weight])
    assert len(parts) == 2 and found.item() == pytest.approx(wanted.item(), rel=1e-5)
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-6)


def test_the_preferred_kind_wins_and_little_is_forgotten(
    tune: Tune, whole_and_broken_off: Path, tmp_path: Path
) -> None:
    keys = {
        "optim": {"steps": 60, "lr": 1e-2, "batch_size": 4},
        "eval_every": 20,
        "checkpoint_every": 10,
        "preference": {
            "path": str(whole_and_broken_off),
            "heldout": 0.3,
            "optim": {"steps": 80, "lr": 3e-3, "batch_size": 4, "weight_decay": 0.0},
        },
    }
    said = io.StringIO()
    found = tune(tmp_path / "out", reporter=Reporter(Console(file=said, width=200)), **keys).measurements
    figures = found["preference"]
    assert figures["heldout"] >= 20
    assert figures[IN_ALL]["after"] >= figures[IN_ALL]["before"] + 0.2
    assert figures[PREFERRED]["after"] >= figures[PREFERRED]["before"] > 0.9, (
        "by token what is broken off was not likely"
    )
    assert figures["heldout_rise"] <= 0.01
    assert figures[CHOSEN]["after"] < figures[CHOSEN]["before"]
    assert figures[ANSWERS]["before"] == pytest.approx(found["after"], rel=1e-6), "it goes on from the best chats"
    assert "the chosen answer is the likelier one, by token: " in said.getvalue()
    assert figures["answer_tokens"] > 50, "as long as whole answers, though those of the report are cut after 8 tokens"
    assert min(figures["answer_bytes"].values()) > 50 and min(figures["answers_ended"].values()) > 0.5
    told = f"its own answers, of at most {figures['answer_tokens']} tokens, have"
    assert told in said.getvalue() and f"{figures['answers_ended']['after']:.0%} after\n" in said.getvalue()
    page = (tmp_path / "out" / "preference" / "report.html").read_text()
    assert "nats per pair" in page and "chosen" in page


def test_killed_among_the_pairs_it_ends_in_the_same_bytes(
    tune: Tune, whole_and_broken_off: Path, tmp_path: Path
) -> None:
    pairs = {"path": str(whole_and_broken_off), "optim": {"steps": 6, "lr": 1e-3}}
    pairs["optim"]["batch_size"] = 4
    keys = {"optim": {"steps": 4, "lr": 1e-2, "batch_size": 4}, "checkpoint_every": 2, "preference": pairs}
    artifact = tune(tmp_path / "whole", **keys)
    with pytest.raises(KeyboardInterrupt):
        tune(tmp_path / "killed", reporter=KillingReporter(5, "prefer"), **keys)
    tune(tmp_path / "killed", **keys)
    for name in ("model.safetensors", "report.json", "metrics.jsonl", "preference/metrics.jsonl"):
        assert sha256_file(tmp_path / "killed" / name) == sha256_file(tmp_path / "whole" / name), name
    assert "preference/report.html" in artifact.volatile
