"""Small inputs of the pretrain stage, made by the stages before it."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest
import torch
from rich.console import Console
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from lilm.documents import write_documents
from lilm.pipeline.stage import Context
from lilm.progress import Reporter
from lilm.recipe import PackConfig, TokenizerConfig, load_recipe
from lilm.train.base.model_folder import save_llama
from lilm.train.corpus.finishing.report import NO_CLUSTERS
from lilm.train.pack import stage as pack_stage
from lilm.train.stories import stories
from lilm.train.tokenizer import stage as tokenizer_stage
from lilm.train.tokenizer.train import train_base_tokenizer
from lilm.train.trainer.loop import Job


@pytest.fixture
def jobs_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[ModuleType], list[Job]]:
    """Gives the list of all jobs that a module lets `train` do from now on."""

    def watch(module: ModuleType) -> list[Job]:
        jobs: list[Job] = []
        train = module.train

        def kept(model: torch.nn.Module, job: Job, reporter: Reporter) -> object:
            jobs.append(job)
            return train(model, job, reporter)

        monkeypatch.setattr(module, "train", kept)
        return jobs

    return watch


@pytest.fixture(scope="session")
def tiny_recipe() -> dict[str, Any]:
    """The quickstart's recipe with so little text and so small a base that it is over in seconds."""
    data = load_recipe("quickstart").model_dump(mode="json") | {"threads": 1}
    for source, limit in zip(data["corpus"]["sources"], (300, 300), strict=True):
        source["limit"] = limit
    data["base"]["dtype"] = data["pretrain"]["dtype"] = "float32"
    data["base"]["scratch"] |= {"vocab_size": 500, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
    data["base"]["scratch"]["optim"]["steps"] = 20
    return data


def write_corpus(folder: Path) -> dict[str, list[str]]:
    """150 made-up stories of each language, of which 10 are held out; answers those to train on."""
    texts, figures = {}, {}
    for language in ("ja", "en"):
        made = list(stories(language, 150, 0))
        texts[language] = made[10:]
        read = {"documents": 140, "characters": sum(map(len, made[10:])), "bytes": len("".join(made[10:]).encode())}
        held = {"documents": 10, "bytes": 0, "characters": 0, "lines_in_training": 0.0, "30_grams_in_training": 0.0}
        figures[language] = {
            "score": None,
            "train": read,
            "heldout": held,
            "near_duplicates": NO_CLUSTERS,
            "boilerplate_lines": {"lines": 0, "removed": 0, "bytes": 0, "samples": []},
            "boilerplate_passages": {"removed": 0, "bytes": 0, "samples": []},
            "share": 0.5,
            "weighted_share": 0.5,
        }
        for split, part in (("train", made[10:]), ("heldout", made[:10])):
            frame = pl.DataFrame({"id": [str(i) for i in range(len(part))], "source": "made", "text": part})
            write_documents(folder, language, split, frame)  # type: ignore[arg-type]
    report = {
        "languages": figures,
        "sources": {},
        "weights": {"made": 1.0},
        "drops": {},
        "bad": {},
        "contaminated": {"documents": 0, "files": {}},
    }
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
    return texts


@pytest.fixture(scope="session")
def pretrain_inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of the stages that pretrain reads: corpus, a base of random weights, tokenizer and pack."""
    root = tmp_path_factory.mktemp("pretrain")
    inputs = {name: root / name for name in ("corpus", "base", "tokenizer", "pack")}
    for path in inputs.values():
        path.mkdir()
    texts = write_corpus(inputs["corpus"])
    train_base_tokenizer(texts["en"], 400, inputs["base"] / "tokenizer.model")
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    ends = {"bos_token_id": 1, "eos_token_id": 2}
    config = LlamaConfig(vocab_size=400, num_key_value_heads=2, tie_word_embeddings=True, **shape, **ends)
    model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(**ends)
    save_llama(model, inputs["base"])
    context = Context(seed=0, threads=2, language="ja", base_language="en", reporter=Reporter(Console(quiet=True)))
    tokenizer_stage.run(TokenizerConfig(pieces=100, verify_lines=20), inputs, inputs["tokenizer"], context)
    pack_stage.run(PackConfig(), inputs, inputs["pack"], context)
    return inputs
