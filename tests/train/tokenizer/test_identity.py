"""The identity gate on real text: the same ids in SentencePiece, Hugging Face and llama.cpp, and the text back."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from lilm.chat import CHAT_TEMPLATE
from lilm.errors import LilmError
from lilm.llamacpp.engine import tokenize_lines
from lilm.llamacpp.vocab import write_vocab_gguf
from lilm.train.tokenizer.hf import write_tokenizer
from lilm.train.tokenizer.verify import Candidate, verify
from lilm.vocabulary.sentencepiece import empty_proto

CHATS = [
    [{"role": "user", "content": "日本で一番高い山は？"}, {"role": "assistant", "content": "富士山です。"}],
    [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "  leading spaces and 改行\n\n「二行目」"},
        {"role": "assistant", "content": "はい。\tTabs  too 😀"},
        {"role": "user", "content": ""},
    ],
    [{"role": "user", "content": "literal <s> and </s></s> in <unk> text"}],
]


def test_no_mismatch_on_real_lines(trained: Any, tmp_path: Path, record_testsuite_property: Any) -> None:
    report = verify(Candidate(trained.folder, trained.heldout, "en", tmp_path / "vocab.gguf"), trained.base)
    for name, check in report.checks.items():
        record_testsuite_property(name, f"{check.mismatches} of {check.lines}")
        assert check.mismatches == 0, f"{name}: {check.first}"
    assert min(map(len, trained.heldout.values())) >= 1000
    assert report.checks["SentencePiece = llama.cpp"].lines >= 5000
    assert report.checks["en ids = base ids"].lines >= 2900, "almost no English line holds Japanese"
    ja, en = report.figures["ja"], report.figures["en"]
    assert ja["merged_chars_per_token"] > 3 * ja["base_chars_per_token"]
    assert en["merged_tokens"] == en["base_tokens"]


def test_the_gate_sees_the_usual_recipe_fail(trained: Any, tmp_path: Path) -> None:
    """Score 0 for every added piece: SentencePiece and transformers then cut differently."""
    broken = empty_proto()
    broken.CopyFrom(trained.merged.proto)
    for piece in list(broken.pieces)[trained.merged.base_size :]:
        piece.score = 0.0
    write_tokenizer(broken, tmp_path, 512)
    (tmp_path / "tokenizer.json").write_bytes((trained.folder / "tokenizer.json").read_bytes())
    lines = {"ja": trained.heldout["ja"][:300]}
    report = verify(Candidate(tmp_path, lines, "en", tmp_path / "vocab.gguf"), trained.base)
    assert report.checks["SentencePiece = Hugging Face"].mismatches > 10
    with pytest.raises(LilmError, match=r"of \d+ lines fail .*; the first: .* gives "):
        report.raise_on_mismatch("tokenizer")


def test_auto_tokenizer_as_users_load_it(trained: Any, stories: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(trained.folder, tmp_path / "model")
    shutil.copy(stories / "config.json", folder)  # as beside a model: its type must not change the tokenizer
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    text = "むかしむかし、あるところにおじいさんがいました。 Once upon a time."
    ids = tokenizer(text)["input_ids"]
    assert ids[0] == tokenizer.bos_token_id == 1
    assert tokenizer.eos_token_id == 2
    assert tokenizer.decode(ids, skip_special_tokens=True) == text
    assert ids[1:] == tokenizer.encode(text, add_special_tokens=False)
    assert len(tokenizer) == len(trained.merged.proto.pieces)
    saved = tmp_path / "saved"
    tokenizer.save_pretrained(saved)
    assert AutoTokenizer.from_pretrained(saved, local_files_only=True)(text)["input_ids"] == ids


@pytest.mark.parametrize("prompt", [False, True])
def test_rendered_chats_are_cut_alike_in_training_and_inference(trained: Any, tmp_path: Path, prompt: bool) -> None:
    tokenizer = AutoTokenizer.from_pretrained(trained.folder, local_files_only=True)
    texts = [
        tokenizer.apply_chat_template(chat, chat_template=CHAT_TEMPLATE, tokenize=False, add_generation_prompt=prompt)
        for chat in CHATS
    ]
    write_vocab_gguf(trained.folder, tmp_path / "vocab.gguf")
    ids = tokenizer(texts)["input_ids"]
    assert ids == tokenize_lines(tmp_path / "vocab.gguf", texts, parse_special=True)
    assert ids[0].count(tokenizer.eos_token_id) == 2, "each turn ends with EOS, as one token"
