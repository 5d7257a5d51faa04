"""Tokenising by llama.cpp in a child process: keys it reads, and what a broken file or a crash looks like."""

import sys
from pathlib import Path
from typing import Any

import gguf
import pytest

from lilm.chat import CHAT_TEMPLATE
from lilm.errors import LilmError
from lilm.llamacpp import client
from lilm.llamacpp.engine import tokenize_lines
from lilm.llamacpp.vocab import add_vocab, write_vocab_gguf


def test_keys_of_the_vocabulary(trained: Any, tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "v.gguf", "llama")
    size = add_vocab(writer, trained.folder, CHAT_TEMPLATE)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    fields = gguf.GGUFReader(tmp_path / "v.gguf").fields
    value = {name: field.contents() for name, field in fields.items()}
    assert size == len(value["tokenizer.ggml.tokens"]) == len(trained.merged.proto.pieces)
    assert value["tokenizer.ggml.model"] == "llama"
    assert (value["tokenizer.ggml.bos_token_id"], value["tokenizer.ggml.eos_token_id"]) == (1, 2)
    assert value["tokenizer.ggml.add_bos_token"] is True and value["tokenizer.ggml.add_space_prefix"] is True
    assert value["tokenizer.chat_template"] == CHAT_TEMPLATE


def test_special_tokens_are_parsed_only_when_asked(trained: Any, tmp_path: Path) -> None:
    path = tmp_path / "v.gguf"
    write_vocab_gguf(trained.folder, path)
    plain = tokenize_lines(path, ["あ</s>"], add_bos=False)[0]
    parsed = tokenize_lines(path, ["あ</s>"], add_bos=False, parse_special=True)[0]
    assert 2 not in plain and parsed[-1] == 2
    assert tokenize_lines(path, ["", "a"])[0] == [1]


def test_a_corrupt_file_is_the_users_to_mend(trained: Any, tmp_path: Path) -> None:
    path = tmp_path / "v.gguf"
    with pytest.raises(LilmError, match="no such file"):
        tokenize_lines(path, ["a"])
    write_vocab_gguf(trained.folder, path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(LilmError, match=r"llama\.cpp cannot load it: .*(gguf|key|read)"):
        tokenize_lines(path, ["a"])


def test_a_crash_is_an_error_not_a_death(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "v.gguf"
    path.write_bytes(b"GGUF")
    crash = "import os, sys; sys.stderr.write('GGML_ASSERT(x) failed'); sys.stderr.flush(); os.abort()"
    monkeypatch.setattr(client, "child_command", lambda module: [sys.executable, "-c", crash])
    with pytest.raises(LilmError, match=r"SIGABRT.*GGML_ASSERT\(x\) failed"):
        tokenize_lines(path, ["a"])
