"""Chats kept apart: which ones, that nothing learns them, what is measured by them, and what that decides."""

import io
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from lilm.chat import CHAT_TEMPLATE
from lilm.chat.tokens import ChatVocabulary
from lilm.chat.turns import cut_template
from lilm.pipeline.hashing import sha256_file
from lilm.pipeline.stage import Context
from lilm.progress import Reporter
from lilm.recipe import FinetuneConfig
from lilm.train.finetune.heldout import ANSWERS, ReadChat, keep_apart
from lilm.train.finetune.lessons import read_lessons
from lilm.train.finetune.masking import TokenisedChat
from lilm.train.finetune.store import open_chats
from tests.train.finetune.conftest import KillingReporter, Tune


def chat(question: str, answer: str = "はい。", source: int = 0, tokens: int = 4) -> ReadChat:
    said = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return ReadChat(said, TokenisedChat([0] * tokens, [-100] * tokens), source)


def test_what_is_held_out_stands_nowhere_else() -> None:
    twice = [chat(f"質問{at}") for at in range(50)] * 2
    system = [ReadChat([{"role": "system", "content": "短く。"}, *one.messages], one.tokens, 0) for one in twice[:50]]
    spelt = [chat(f" 質問 {at} ", "はい。 ") for at in range(50)]
    longer = [
        ReadChat([*one.messages, *chat("Why?", "それは秘密です。").messages], one.tokens, 0) for one in twice[:50]
    ]
    split = keep_apart([*twice, *system, *spelt, *longer], 0.1, 8)
    apart = {one.messages[-2]["content"] for one in split.heldout if len(one.messages) == 2}
    assert len(split.heldout) == len(apart) == 5
    for one in split.learnt:
        first = next(message["content"] for message in one.messages if message["role"] == "user")
        assert first.replace(" ", "") not in apart
    assert (len(split.learnt), split.repeated) == (225, 20), "the share counts what is not learnt"


def test_of_a_tree_no_answer_is_learnt_where_another_is_held_out(tmp_path: Path, context: Context) -> None:
    answers = ("一", "二", "三")

    def tree(at: int) -> dict[str, Any]:
        replies = [{"role": "assistant", "text": f"{at}の{text}"} for text in answers]
        return {"prompt": {"role": "prompter", "text": f"質問{at}", "replies": replies}}

    path = tmp_path / "trees.jsonl"
    path.write_text("".join(json.dumps(tree(at)) + "\n" for at in range(30)), encoding="utf-8")
    source = {"name": "trees", "path": str(path), "branches": "all"}
    config = FinetuneConfig.model_validate({"sources": [source], "heldout": 0.2})
    turns = cut_template(CHAT_TEMPLATE, {"bos_token": "<s>", "eos_token": "</s>"}, "plain")
    vocabulary = ChatVocabulary({"<s>": 1, "</s>": 2}, 1, lambda text: [ord(char) for char in text])
    split = read_lessons(config, turns, vocabulary, 200, context).split
    asked = [{chat.messages[0]["content"] for chat in part} for part in (split.learnt, split.heldout)]
    assert [len(one) for one in asked] == [24, 6] and not asked[0] & asked[1]
    assert (len(split.learnt), len(split.heldout), split.repeated) == (24 * 3, 6, 6 * 2)


def test_what_a_source_says_often_is_still_learnt() -> None:
    common, rare = [chat("こんにちは。")] * 60, [chat(f"質問{at}") for at in range(40)]
    split = keep_apart([*common, *rare], 0.2, 8)
    assert len(split.heldout) == 20 and split.repeated == 0
    assert all(one.messages[0]["content"] != "こんにちは。" for one in split.heldout)
    alike = keep_apart(common, 0.2, 8)
    assert len(alike.learnt) == 60 and not alike.heldout, "not all of it is lost for one to measure"


def test_each_source_has_its_share_whatever_the_order() -> None:
    chats = [chat(f"質問{at}", source=0) for at in range(200)] + [chat(f"other {at}", source=1) for at in range(40)]
    split = keep_apart(chats, 0.1, 8)
    assert [sum(one.source == source for one in split.heldout) for source in (0, 1)] == [20, 4]
    again = keep_apart(chats[::-1], 0.1, 8)
    assert again.heldout == split.heldout
    assert keep_apart(chats, 0.0, 8).learnt == chats
    assert not keep_apart([chat(f"質問{at}", tokens=9) for at in range(100)], 0.1, 8).heldout, "none fits a window"


def test_the_figure_is_the_bits_of_the_answers_alone(tune: Tune, chat_file: Path, tmp_path: Path) -> None:
    """Counted anew with transformers: chats one by one, from the template's own text."""
    found = tune(tmp_path / "out").measurements
    learnt = open_chats(tmp_path / "out")
    assert learnt is not None
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out", local_files_only=True)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32).eval()
    texts = {tokenizer.decode(learnt.document(at).tolist()) for at in range(learnt.n_documents)}
    nats, size, chats = 0.0, 0, 0
    for line in chat_file.read_text().splitlines():
        messages = json.loads(line)["messages"]
        ids = tokenizer.apply_chat_template(messages, return_dict=False)
        if tokenizer.decode(ids) in texts:
            continue
        chats += 1
        with torch.no_grad():
            gains = model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
        for at, message in enumerate(messages):
            if message["role"] == "assistant":
                begin = len(tokenizer.apply_chat_template(messages[:at], add_generation_prompt=True, return_dict=False))
                end = ids.index(tokenizer.eos_token_id, begin)
                nats -= sum(float(gains[place - 1, ids[place]]) for place in range(begin, end + 1))
                size += len(message["content"].encode())
    assert chats == found["heldout"] + found["repeated"] == 23 and not found["repeated"]
    assert found["after"] == pytest.approx(nats / math.log(2) / size, rel=1e-4)
    assert found["after"] < found["before"] * 0.95, "it has learnt to answer"


OVERFITS = {
    "optim": {"steps": 60, "lr": 3e-2, "batch_size": 4, "schedule": "constant", "warmup": 0.0, "diverged": 0},
    "eval_every": 2,
    "patience": 2,
    "checkpoint_every": 3,
    "heldout": 0.5,
}


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stopped")


def metrics(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_it_stops_when_it_gets_no_better_and_keeps_the_best(tune: Tune, stopped: Path, tmp_path: Path) -> None:
    found = tune(stopped, **OVERFITS).measurements
    measured = {entry["step"]: entry[ANSWERS] for entry in metrics(stopped) if ANSWERS in entry}
    best = min(measured, key=lambda step: measured[step])
    assert 0 < best == found["kept_step"] and max(measured) == best + 4 < 60
    assert found["after"] == measured[best] < measured[best + 4]
    tune(tmp_path / "short", **{**OVERFITS, "optim": {**OVERFITS["optim"], "steps": best}})
    kept, short = (load_file(folder / "model.safetensors") for folder in (stopped, tmp_path / "short"))
    assert all(torch.equal(kept[name], short[name]) for name in kept), "its weights are those of that very step"


def test_killed_now_and_then_it_ends_in_the_same_bytes(tune: Tune, stopped: Path, tmp_path: Path) -> None:
    out, last = tmp_path / "out", metrics(stopped)[-1]["step"]
    best = json.loads((stopped / "report.json").read_text())["kept_step"]
    first = best if best % 3 else best + 2  # its weights are written, and no checkpoint knows of them
    for steps in (first, last - first // 3 * 3):  # then when all is done
        with pytest.raises(KeyboardInterrupt):
            tune(out, **OVERFITS, reporter=KillingReporter(steps))
    tune(out, **OVERFITS)
    for name in ("model.safetensors", "metrics.jsonl", "report.json"):
        assert sha256_file(out / name) == sha256_file(stopped / name), name


def test_the_page_has_the_curve_and_answers_nobody_chose(tune: Tune, chat_file: Path, tmp_path: Path) -> None:
    nasty = tmp_path / "nasty.jsonl"
    lines = [json.loads(line)["messages"] for line in chat_file.read_text().splitlines()][:20]
    for chat in lines:
        chat[0]["content"] += "<script>alert(1)</script>"
    nasty.write_text("".join(json.dumps({"messages": chat}) + "\n" for chat in lines), encoding="utf-8")
    said = io.StringIO()
    tune(
        tmp_path / "out",
        sources=[{"name": "x", "format": "messages", "path": str(nasty)}],
        samples=2,
        reporter=Reporter(Console(file=said, width=200)),
    )
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("<svg") == 4 and "held-out bits per byte" in page
    assert len(report["answers"]) == 2
    for row in report["answers"]:
        assert row["after"].split()[0] in page and row["wanted"] in page
    assert "&lt;script&gt;" in page and "<script>alert" not in page
    assert "held out: 4 of 20 chats" in said.getvalue()
    assert f"{report['after']:.3f} after" in said.getvalue()


def test_without_held_out_chats_it_learns_all(tune: Tune, tmp_path: Path) -> None:
    found = tune(tmp_path / "out", heldout=0.0).measurements
    assert found["heldout"] == 0 and "after" not in found and found["answers"] == []
    assert not any(ANSWERS in entry for entry in metrics(tmp_path / "out"))
