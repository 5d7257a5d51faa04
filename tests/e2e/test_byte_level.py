"""The whole pipeline on a base whose tokenizer is a byte-level BPE, by the command line."""

import json
import subprocess
import sys
from pathlib import Path

import gguf
import pytest
import tomlkit
import torch
from safetensors.torch import load_file

from lilm.llamacpp.chat import ChatEngine
from lilm.llamacpp.engine import Engine
from lilm.recipe import SamplingConfig, recipe_text
from lilm.train.finetune.agreement import template_equal
from lilm.train.stories import stories
from lilm.vocabulary.byte_level import read_byte_level
from tests.chat.formats import instruct_base
from tests.train.tokenizer.byte_bases import write_base, write_model


def recipe_for(base: Path) -> str:
    recipe = tomlkit.parse(recipe_text("quickstart")).unwrap() | {"name": "bytes", "threads": 1}
    for source in recipe["corpus"]["sources"]:
        source["limit"] = 200
    recipe["base"] = {"kind": "path", "path": str(base)}
    recipe["tokenizer"] = {"pieces": 250}
    recipe["pretrain"]["stage1"]["steps"] = recipe["pretrain"]["stage2"]["steps"] = 2
    recipe["pretrain"] |= {"eval_every": 8, "checkpoint_every": 8, "eval_bytes": 2000, "sequence_length": 128}
    recipe["finetune"]["sources"][0]["limit"] = 40
    recipe["finetune"]["optim"]["steps"] = 2
    recipe["finetune"]["keep_base_rows"] = True
    recipe["export"] = {"quants": ["Q8_0"]}
    recipe["site"]["quants"] = ["Q8_0"]
    recipe["bench"]["eval_tokens"] = 300
    return tomlkit.dumps(recipe)


@pytest.fixture(scope="module", params=["llama3", "chatml"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """llama3: BOS before a text, special tokens behind the vocabulary. chatml: BOS and EOS are marks of turns."""
    root = tmp_path_factory.mktemp(request.param)
    base = instruct_base(root / "base", request.param)
    (root / "lilm.toml").write_text(recipe_for(base), encoding="utf-8")
    arguments = ["run", "--recipe", root / "lilm.toml", "--run", root / "run", "--to", "bench"]
    result = subprocess.run(
        [sys.executable, "-m", "lilm", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return root / "run"


def test_llamacpp_says_what_the_trained_model_says(run: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(run / "finetune", local_files_only=True)
    model = AutoModelForCausalLM.from_pretrained(run / "finetune", dtype=torch.float32).eval()
    found = read_byte_level(run / "finetune")
    with Engine(run / "export" / "model-f16.gguf", n_ctx=128, threads=1, exact=True) as engine:
        for text in ("昔々、ある村に", "Once upon a time"):
            ids = tokenizer(text)["input_ids"]
            assert engine.tokenize(text) == ids
            assert (ids[0] == found.bos_id) == found.adds_bos
            said = engine.greedy(ids, 8, stop=False)
            with torch.no_grad():
                for token in said.ids:
                    logits = model(torch.tensor([ids])).logits[0, -1]
                    for better in (logits > logits[token] + 0.05).nonzero().flatten().tolist():  # but for half floats
                        assert "\ufffd" in tokenizer.decode([*ids, better]), "it would break a character"
                    ids.append(token)
        chat = [{"role": "user", "content": "こんにちは"}]
        asked = tokenizer.apply_chat_template(chat, add_generation_prompt=True)["input_ids"]
        assert engine.tokenize_chat(chat) == asked
        assert found.eos_id in asked, "it ends the user's turn"


def test_keys_that_tell_llamacpp_what_to_do(run: Path) -> None:
    fields = gguf.GGUFReader(run / "export" / "model-Q8_0.gguf").fields
    value = {name: field.contents() for name, field in fields.items() if name.startswith("tokenizer.")}
    found, base = read_byte_level(run / "finetune"), read_byte_level(run / "base")
    assert value["tokenizer.ggml.model"] == "gpt2" and value["tokenizer.ggml.pre"] == base.pre
    assert value["tokenizer.ggml.eos_token_id"] == base.eos_id and value["tokenizer.ggml.bos_token_id"] == found.bos_id
    assert value["tokenizer.ggml.add_bos_token"] is base.adds_bos
    kinds = value["tokenizer.ggml.token_type"]
    assert len(kinds) == len(value["tokenizer.ggml.tokens"]) == len(found.names)
    assert all(kinds[at] == gguf.TokenType.CONTROL for at in base.special)
    assert {at for at, kind in enumerate(kinds) if kind == gguf.TokenType.UNUSED} == found.unused
    merges = value["tokenizer.ggml.merges"]
    assert merges[: len(base.merges)] == [" ".join(merge) for merge in base.merges] and len(merges) > len(base.merges)


def test_an_instruct_base_keeps_its_voice(run: Path) -> None:
    template = (run / "base" / "chat_template.jinja").read_text(encoding="utf-8")
    assert (run / "finetune" / "chat_template.jinja").read_text(encoding="utf-8") == template
    fields = gguf.GGUFReader(run / "export" / "model-Q8_0.gguf").fields
    assert fields["tokenizer.chat_template"].contents() == template
    assert template_equal(run / "finetune", run / "export" / "model-Q8_0.gguf")
    end = read_byte_level(run / "base").eos_id
    for name in ("config.json", "generation_config.json"):
        assert json.loads((run / "finetune" / name).read_text(encoding="utf-8"))["eos_token_id"] == end, name
    assert read_byte_level(run / "finetune").eos_id == end


def test_chats_leave_the_rows_of_the_bases_pieces_as_they_are(run: Path) -> None:
    name, base = "model.embed_tokens.weight", len(read_byte_level(run / "base").names)
    before, after = (load_file(run / stage / "model.safetensors")[name] for stage in ("pretrain", "finetune"))
    assert torch.equal(before[:base], after[:base])
    assert not torch.equal(before[base:], after[base:]), "new rows have learnt nothing"


def test_texts_stand_between_marks_that_no_turn_has(run: Path) -> None:
    found, packed = read_byte_level(run / "finetune"), json.loads((run / "pack" / "tokens.json").read_text())
    names = found.names[packed["bos_id"]], found.names[packed["eos_id"]]
    assert names in (("<|begin_of_text|>", "<|end_of_text|>"), ("<|endoftext|>", "<|endoftext|>"))
    assert packed["eos_id"] != found.eos_id and packed["bos_id"] == found.bos_id


def test_a_base_without_a_template_that_is_wanted_is_refused_before_anything_starts(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base", "gpt-2", stories("en", 20, 0), 300)
    write_model(base, tied=True)
    text = recipe_for(base).replace("[finetune]", '[finetune]\ntemplate = "base"')
    (tmp_path / "lilm.toml").write_text(text, encoding="utf-8")
    arguments = ["run", "--recipe", tmp_path / "lilm.toml", "--run", tmp_path / "run"]
    result = subprocess.run(
        [sys.executable, "-m", "lilm", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    line = result.stderr.strip().splitlines()[-1]
    assert line.startswith("lilm: ") and str(base) in line and "no chat template" in line
    assert not (tmp_path / "run").exists()


def test_a_chat_ends_at_the_bases_eos(run: Path) -> None:
    sampling = SamplingConfig()
    with ChatEngine(run / "export" / "model-Q8_0.gguf", n_ctx=128, threads=1) as engine:
        said = "".join(engine.chat([{"role": "user", "content": "こんにちは"}], sampling, n_predict=12))
    assert "<|end" not in said
    assert said


def test_another_kind_of_tokenizer_is_refused_before_anything_starts(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base", "gpt-2", stories("en", 20, 0), 300)
    write_model(base, tied=True)
    path = base / "tokenizer.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"type": "BPE"', '"type": "Unigram"'), encoding="utf-8")
    (tmp_path / "lilm.toml").write_text(recipe_for(base), encoding="utf-8")
    arguments = ["run", "--recipe", tmp_path / "lilm.toml", "--run", tmp_path / "run"]
    result = subprocess.run(
        [sys.executable, "-m", "lilm", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    line = result.stderr.strip().splitlines()[-1]
    assert line.startswith("lilm: ") and str(path) in line and "'Unigram'" in line and "byte-level BPE" in line
    assert not (tmp_path / "run").exists()
