"""How far what pairs changed is kept: what decides it, and that it keeps to what the recipe allows."""

import io
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from lilm.chat.files import read_format
from lilm.progress import Reporter
from lilm.recipe import FinetuneConfig
from lilm.train.finetune.format import chat_vocabulary, choose_format
from lilm.train.finetune.heldout import HeldOutAnswers, ReadChat, Split
from lilm.train.finetune.masking import TokenisedChat, tokenise_chat
from lilm.train.finetune.part_way import Rise, ratio_rise, witnesses
from lilm.train.finetune.preference import IN_ALL
from lilm.train.finetune.teach import BEGUN
from lilm.train.stories import chats
from tests.train.finetune.conftest import Tune

CHATS: dict[str, Any] = {"optim": {"steps": 60, "lr": 1e-2, "batch_size": 4}, "eval_every": 60}
PAIRS: dict[str, Any] = {
    "loss": "simpo",
    "chosen_weight": 0.0,
    "heldout": 0.3,
    "optim": {"steps": 30, "lr": 3e-3, "batch_size": 4, "weight_decay": 0.0},
}


def test_what_pairs_changed_is_kept_as_far_as_held_out_answers_allow(
    tune: Tune, whole_and_broken_off: Path, tmp_path: Path
) -> None:
    pairs = {**PAIRS, "path": str(whole_and_broken_off)}
    said = io.StringIO()
    reporter = Reporter(Console(file=said, width=500))
    found = {
        most: tune(
            tmp_path / str(most), reporter=reporter, heldout=0.2, **CHATS, preference={**pairs, "most_rise": most}
        )
        for most in (0, 0.02)
    }
    whole, part = (found[most].measurements["preference"] for most in (0, 0.02))
    assert whole["kept"] == 1 and whole["heldout_rise"] > 0.05
    assert 0 < part["kept"] < 1 and part["heldout_rise"] <= 0.02
    assert whole[IN_ALL]["after"] >= part[IN_ALL]["after"] > part[IN_ALL]["before"]
    assert f"allows 2.0%: kept is {part['kept']:.0%} of what the pairs changed" in said.getvalue()


def chat(number: int, conversation: str = "") -> ReadChat:
    said = [{"role": "user", "content": f"質問{number}"}, {"role": "assistant", "content": "はい。"}]
    return ReadChat(said, TokenisedChat([], []), 0, conversation)


def numbers(chats: Sequence[ReadChat]) -> list[int]:
    return [int(one.messages[0]["content"][2:]) for one in chats]


@pytest.mark.parametrize(
    ("heldout", "measured", "learnt", "decide"),
    [
        (6, 6, 5_800, (6, 58)),
        (200, 3, 5_800, (64, 0)),  # few are measured, by finetune.eval_bytes
        (200, 90, 5_800, (90, 0)),
        (0, 0, 5_800, (0, 64)),
        (6, 6, 10, (6, 10)),
    ],
)
def test_64_chats_decide_as_many_as_possible_held_out(
    heldout: int, measured: int, learnt: int, decide: tuple[int, int]
) -> None:
    split = Split([chat(at) for at in range(learnt)], [chat(at) for at in range(heldout)], 0)
    apart, asked = witnesses(split, measured)
    assert (len(apart), len(asked)) == decide
    assert numbers(apart) == list(range(len(apart)))
    found = numbers(asked)
    steps = {after - before for before, after in pairwise([-1, *found, learnt])}
    assert not asked or max(steps) <= learnt // len(asked) + 1, "at even distances, from the first to the last"


def test_of_a_conversation_one_part_decides() -> None:
    split = Split([chat(at, f"{at // 10}") for at in range(100)], [], 0)
    assert numbers(witnesses(split, 0)[1]) == list(range(0, 100, 10))


def test_chats_that_pairs_speak_of_decide_nothing() -> None:
    """Their answers may be the chosen ones, which become likelier whatever else is lost."""
    split = Split([chat(at) for at in range(10)], [], 0)
    steered = [{"role": "system", "content": "短く。"}, {"role": "user", "content": "質問 3"}]
    longer = [*chat(5).messages, {"role": "user", "content": "なぜ。"}]
    assert numbers(witnesses(split, 0, [steered, longer])[1]) == [0, 1, 2, 4, 6, 7, 8, 9]


def test_few_chats_that_cost_nothing_by_chance_do_not_allow_much() -> None:
    """Of six chats five cost less and one costs far more: the mean is within the limit, and so it may be by chance."""
    before, after = [100.0] * 6, [99.0, 98.0, 99.0, 99.0, 98.0, 112.0]
    mean, error = ratio_rise(before, after)
    assert mean < 0.01 < Rise(mean, error, mean, error).upper


def test_the_error_is_that_of_other_chats_in_their_place() -> None:
    """Against the bootstrap."""
    draw = np.random.default_rng(0)
    before = draw.gamma(2, 50, 64)
    after = before * draw.normal(1.01, 0.03, 64)
    rise, error = ratio_rise(before.tolist(), after.tolist())
    assert rise == pytest.approx(after.sum() / before.sum() - 1)
    places = draw.integers(0, 64, (4_000, 64))
    assert error == pytest.approx((after[places].sum(1) / before[places].sum(1)).std(), rel=0.1)
    assert ratio_rise([2.0], [3.0]) == (0.5, 0.0)


def test_few_held_out_chats_do_not_decide_alone(tune: Tune, whole_and_broken_off: Path, tmp_path: Path) -> None:
    """The weights are kept to what is allowed on chats that nobody learnt and that decided nothing."""
    most = 0.02
    preference = {**PAIRS, "path": str(whole_and_broken_off), "most_rise": most}
    said = io.StringIO()
    found = tune(
        tmp_path, reporter=Reporter(Console(file=said, width=500)), **{**CHATS, "heldout": 0.02}, preference=preference
    )
    figures = found.measurements["preference"]
    rise, kept = figures["rise"], figures["kept"]
    assert (rise["heldout"], rise["learnt"]) == (2, 62) and 0 < kept < 1
    assert rise["whole"]["mean"] > most and rise["kept"]["error"] > 0
    assert rise["kept"]["mean"] + rise["kept"]["error"] <= most
    assert rise["kept"]["heldout"] + rise["kept"]["heldout_error"] <= most
    assert rise["kept"]["heldout"] == pytest.approx(figures["heldout_rise"], abs=1e-6)
    told = f"and 62 learnt ones cost {rise['whole']['mean']:.1%} ± {rise['whole']['error']:.1%} (the held-out ones "
    assert told in said.getvalue()
    assert unseen_rise(tmp_path) <= most


def unseen_rise(folder: Path) -> float:
    """By how much made chats' answers have become dearer by the pairs, which are hardly among the learnt ones."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    vocabulary = chat_vocabulary(tokenizer.backend_tokenizer)
    turns = choose_format(FinetuneConfig(), read_format(folder), str(folder)).turns
    made = [one[:4] for one in chats("ja", 400, 77) if sum(len(message["content"]) for message in one[:4]) < 100]
    read = [ReadChat(one, tokenise_chat(one, turns, vocabulary), 0) for one in made]
    asked = HeldOutAnswers(read, Reporter(Console(quiet=True)))
    model = AutoModelForCausalLM.from_pretrained(folder)
    after = asked.nats(model)
    model.load_state_dict(load_file(folder / "checkpoints" / BEGUN), strict=False)
    return ratio_rise(asked.nats(model), after)[0]
