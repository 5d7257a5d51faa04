"""Two models to export: a real tiny one, and a random one whose shape all block types fit."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
import sentencepiece
import torch
from gguf import LlamaFileType
from transformers import LlamaConfig, LlamaForCausalLM

from lilm.export.stage import run
from lilm.llamacpp.engine import quantize
from lilm.pipeline.stage import Context
from lilm.progress import Reporter
from lilm.recipe import ExportConfig

QUANTS = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_0", "IQ4_NL")

SENTENCES = [
    "The cat sat on the mat, and the dog sat by the door.",
    "むかしむかし、あるところに、おじいさんとおばあさんがいました。",
    "Once upon a time there was a little girl named Lily who loved to play outside.",
    "きょうは天気がいいので、公園へ行って友だちと遊びました。",
]


@pytest.fixture(scope="session")
def real_model(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """stories260K: hidden 64, tied embeddings, 8 heads over 4."""
    folder = tmp_path_factory.mktemp("real") / "hf"
    folder.mkdir()
    for file in (shared_data / "model" / "stories260K-hf").iterdir():
        shutil.copyfile(file, folder / file.name)
    return folder


@pytest.fixture(scope="session")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hidden 256, grouped queries, an output matrix of its own, weights in bfloat16 over several files."""
    return make_random_model(tmp_path_factory.mktemp("random") / "hf", 384)


@pytest.fixture(scope="session")
def random_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another such model, whose vocabulary has few pieces beside the bytes: its tokens are shorter."""
    return make_random_model(tmp_path_factory.mktemp("random-base") / "hf", 330)


def make_random_model(folder: Path, vocab_size: int) -> Path:
    folder.mkdir()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=3,
        num_attention_heads=8,
        num_key_value_heads=2,
        max_position_embeddings=256,
        tie_word_embeddings=False,
        initializer_range=0.06,
        rope_theta=50_000.0,
    )
    model = LlamaForCausalLM(config).to(torch.bfloat16)
    model.save_pretrained(folder, max_shard_size="1MB")
    train_tokenizer(folder, vocab_size)
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}", encoding="utf-8")
    return folder


def train_tokenizer(folder: Path, vocab_size: int) -> None:
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES * 20),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=vocab_size,
        model_type="bpe",
        byte_fallback=True,
        hard_vocab_limit=False,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        minloglevel=2,
    )


@pytest.fixture(scope="session")
def session_context() -> Context:
    return Context(seed=0, threads=2, language="ja", base_language="en", reporter=Reporter(quiet=True))


def export(model: Path, out_dir: Path, context: Context, quants: tuple[str, ...] = QUANTS) -> Path:
    out_dir.mkdir(exist_ok=True)
    run(ExportConfig.model_validate({"quants": quants}), {"finetune": model}, out_dir, context)
    return out_dir


@pytest.fixture(scope="session")
def random_export(random_model: Path, session_context: Context, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(random_model, tmp_path_factory.mktemp("random-export"), session_context)


@pytest.fixture(scope="session")
def stock_files(random_export: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """By name, the stage's files, and llama.cpp's Q3_K_M and Q5_0, which it does not make: a budget may have their
    types."""
    folder = tmp_path_factory.mktemp("stock")
    made = {name: folder / f"model-{name}.gguf" for name in ("Q3_K_M", "Q5_0")}
    for name, path in made.items():
        quantize(random_export / "model-f16.gguf", path, LlamaFileType[f"MOSTLY_{name}"], threads=1)
    return {**{name: random_export / f"model-{name}.gguf" for name in QUANTS}, **made}


@pytest.fixture(scope="session")
def real_export(real_model: Path, session_context: Context, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(real_model, tmp_path_factory.mktemp("real-export"), session_context)
