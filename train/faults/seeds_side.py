"""Whole files that are given beside text and models: evaluation sets, questions, pairs of answers, what a translator is
told, importance matrices, adapters, and the export's recipe.json."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from lilm.train.faults.seeds import ENGLISH, JAPANESE, TALK, jsonl, write_file
from lilm.train.faults.seeds_model import write_bases

RANK = 2
CHOICES = ("東京", "大阪", "京都", "名古屋")


def write_evaluation_files(folder: Path) -> None:
    """Lines of text, JSON Lines, and JSON as SQuAD has it."""
    asked = {"question": JAPANESE.strip(), "choices": list(CHOICES), "answer": 0, "url": "https://example.org/a"}
    whole = {"data": [{"title": "a", "paragraphs": [{"context": JAPANESE * 2, "qas": [{"id": "1", "answers": []}]}]}]}
    write_file(folder / "lines" / "a.txt", JAPANESE * 3 + ENGLISH * 3)
    write_file(folder / "jsonl" / "a.jsonl", jsonl(asked, asked))
    write_file(folder / "json" / "a.json", json.dumps(whole, ensure_ascii=False, indent=1))


def write_choices(folder: Path) -> None:
    """As JCommonsenseQA and as JMMLU have theirs."""
    entry = {"q_id": 1, "question": "日本の首都は？", "label": 0}
    entry |= {f"choice{number}": choice for number, choice in enumerate(CHOICES)}
    row = ",".join(("日本の首都は？", f'"{CHOICES[0]}, 都"', *CHOICES[1:], "A"))
    write_file(folder / "jsonl" / "a.jsonl", jsonl(entry, entry))
    write_file(folder / "csv" / "a.csv", f"{row}\n{row}\n")


def write_questions(folder: Path) -> None:
    """With turns and without, as lines and as one list."""
    entries = [{"question_id": 1, "turns": ["猫とは？", "犬とは？"]}, {"id": "b", "input": "What is a cat?"}]
    write_file(folder / "jsonl" / "a.jsonl", jsonl(*entries))
    write_file(folder / "json" / "a.json", json.dumps(entries, ensure_ascii=False))


def write_pairs(folder: Path) -> None:
    """Texts beside a prompt, and whole chats."""
    good, bad = TALK[:3], [*TALK[:2], {"role": "assistant", "content": "猫です。"}]
    write_file(folder / "texts" / "a.jsonl", jsonl({"prompt": "猫とは？", "chosen": "動物です。", "rejected": "山。"}))
    write_file(
        folder / "chats" / "a.jsonl", jsonl({"chosen": good, "rejected": bad}, {"chosen": good, "rejected": bad})
    )
    write_file(folder / "beside" / "a.jsonl", jsonl({"messages": good[:2], "chosen": good[2:], "rejected": bad[2:]}))


def write_told(folder: Path) -> None:
    """A glossary and a template of what a translator is asked."""
    write_file(folder / "glossary" / "a.tsv", "# terms\nnoble gas\t希ガス|貴ガス\ncat\t猫\n")
    write_file(folder / "template" / "a.txt", "Translate from {source} to {target}.\n{glossary}\n\n{text}\n")


def write_imatrix_files(folder: Path) -> None:
    from lilm.export.imatrix.file import write_imatrix
    from lilm.export.imatrix.importance import Importance

    names = ("blk.0.attn_q.weight", "blk.0.ffn_up.weight")
    sums = {name: np.arange(1, 33, dtype=np.float64) for name in names}
    (folder / "one").mkdir(parents=True)
    write_imatrix(folder / "one" / "a.gguf", Importance(sums, dict.fromkeys(names, 64), ("text",), 1, 64))


def write_adapters(folder: Path) -> None:
    """A base, and an adapter that a pretrain stage would have left."""
    import torch

    from lilm.train.base.model_folder import load_llama
    from lilm.train.pretrain.adapter import save_adapter
    from lilm.train.pretrain.lora import with_lora

    place = folder / "one"
    write_bases(place / "bases")
    (place / "bases" / "pieces").rename(place / "base")
    torch.manual_seed(0)
    model = load_llama(place / "base", torch.device("cpu"))
    save_adapter(with_lora(model, lora_of(place)), place / "adapter", lora_of(place), vocabulary_of(model))


def lora_of(place: Path) -> Any:
    """The recipe's part about the adapter in `place`."""
    from lilm.recipe import LoraConfig

    return LoraConfig(rank=RANK, alpha=RANK, path=str(place / "adapter"))


def vocabulary_of(model: Any) -> Any:
    from lilm.train.pretrain.adapter import Vocabulary

    return Vocabulary(model.config.vocab_size, "0" * 64, "mean")


def write_recipe_json(folder: Path) -> None:
    """An F16 file, and what tells how a Q8_0 file is made of it."""
    from lilm.export.gguf_writer import write_gguf
    from lilm.export.quantise import quantise
    from lilm.export.recipe_json import NAME, FullEntry, QuantEntry, RecipeFile, made_by
    from lilm.gguf_file import open_gguf
    from lilm.pipeline.hashing import sha256_file

    place = folder / "one"
    write_bases(place / "bases")
    full, small = place / "model-f16.gguf", place / "model-Q8_0.gguf"
    write_gguf(place / "bases" / "pieces", full, ("en",))
    quantise(full, small, "Q8_0", 1, lambda *_: None)
    types = {name: tensor.type.name for name, tensor in open_gguf(small).tensors.items()}
    made, of = ({"name": one.name, "bytes": one.stat().st_size, "sha256": sha256_file(one)} for one in (small, full))
    entry = QuantEntry.model_validate({**made, "how": "llama.cpp", "quant": "Q8_0", "types": types})
    known = RecipeFile(
        made_by=made_by(),
        seed=0,
        threads=1,
        languages=("ja", "en"),
        shard_mb=0.0,
        full=FullEntry.model_validate({**of, "made_from": {}}),
        files=(entry,),
    )
    write_file(place / NAME, known.model_dump_json(indent=1))
    small.unlink()
