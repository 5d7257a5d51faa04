"""The whole pipeline on text and a model that nobody here made, ending in bits per byte before and after."""

import json
from pathlib import Path

import pytest

from lilm.pipeline.runner import chosen_stages, run_stages
from lilm.progress import Reporter
from lilm.recipe.files import parse_recipe

RECIPE = """
name = "real-input"
threads = 1

[[corpus.sources]]
name = "aozora"
lang = "ja"
format = "aozora"
path = "{data}/ja_text/aozora/**/*.txt"
limit = 250

[[corpus.sources]]
name = "wikipedia"
lang = "ja"
format = "squad"
path = "{data}/ja_text/jaquad_wiki/*.json"
limit = 1500

[[corpus.sources]]
name = "sherlock"
lang = "en"
format = "html"
path = "{data}/en_text/sherlock/*-*-*.xhtml"

[[corpus.sources]]
name = "shakespeare"
lang = "en"
format = "text"
path = "{data}/en_text/tinyshakespeare/*.txt"

[corpus]
max_chars = 2000
heldout = 0.05

[base]
kind = "path"
path = "{data}/model/stories260K-hf"

[tokenizer]
pieces = 2000
train_chars = 1_000_000

[pretrain]
sequence_length = 256
replay = 0.3
dtype = "float32"
eval_every = 200
eval_bytes = 60_000

[pretrain.stage1]
steps = 100
lr = 1e-2
batch_size = 8

[pretrain.stage2]
steps = 300
lr = 3e-3
batch_size = 8

[[finetune.sources]]
name = "instructions"
format = "utterances"
path = "{data}/chat/instruction_ja/data/data.jsonl"

[finetune]
dtype = "float32"

[finetune.optim]
steps = 20
lr = 1e-3
batch_size = 8

[export]
quants = ["Q8_0", "Q4_0"]

[bench]
eval_tokens = 2000
prompts = ["吾輩は"]

[site]
quants = ["Q8_0"]
"""


@pytest.fixture(scope="session")
def real_run(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("real") / "run"
    recipe = parse_recipe(RECIPE.replace("{data}", str(shared_data)), "real-input", Path("/"))
    run_stages(recipe, run, chosen_stages(None, "bench"), Reporter())
    return run


def test_japanese_is_learnt_and_english_kept(real_run: Path) -> None:
    report = json.loads((real_run / "pretrain" / "report.json").read_text())
    before, after = report["before"], report["after"]
    print(f"bits per byte before {before} after {after}")  # noqa: T201
    assert after["bits_per_byte_ja"] <= 0.75 * before["bits_per_byte_ja"]
    assert after["bits_per_byte_en"] <= 1.10 * before["bits_per_byte_en"]


def test_the_merged_model_loads_with_transformers_alone(real_run: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(real_run / "finetune")
    model = AutoModelForCausalLM.from_pretrained(real_run / "finetune")
    assert model.get_input_embeddings().weight.shape[0] == len(tokenizer)
    text = "吾輩は猫である。名前はまだ無い。"
    assert tokenizer.decode(tokenizer(text).input_ids, skip_special_tokens=True) == text
    rendered = tokenizer.apply_chat_template(
        [{"role": "user", "content": "こんにちは"}], tokenize=False, add_generation_prompt=True
    )
    assert rendered == "<s>user\nこんにちは</s>\n<s>assistant\n"


def test_no_markup_of_the_sources_is_left(real_run: Path) -> None:
    import polars as pl

    from lilm.documents import read_documents

    documents = pl.concat([read_documents(real_run / "corpus", "ja", split) for split in ("train", "heldout")])
    works = documents.filter(pl.col("source") == "aozora")["text"]
    assert len(works) > 200
    for mark in ("《", "［＃", "底本：", "<p>"):
        assert not works.str.contains(mark, literal=True).any(), mark


def test_every_file_is_measured_in_both_languages(real_run: Path) -> None:
    files = json.loads((real_run / "bench" / "report.json").read_text())["files"]
    assert len(files) == 3
    for entry in files:
        assert 0 < entry["quality"]["ja"]["bits_per_byte"] < 10
        assert 0 < entry["quality"]["en"]["bits_per_byte"] < 10
