"""What LiLM does with a file that is given beside text and models, as far as the file alone decides about it."""

import json
from pathlib import Path

from lilm.train.faults.reading import QUIET, now_and_then


def read_evaluation_file(folder: Path, out: Path) -> None:
    """Its n-grams, and a text held against them."""
    from lilm.train.corpus.reading.contamination import EvaluationNgrams, write_evaluation
    from lilm.train.faults.seeds import JAPANESE

    (path,) = folder.glob("a.*")
    out.mkdir(exist_ok=True)
    write_evaluation((str(path),), 13, out / "evaluation.npy")
    EvaluationNgrams.load(out / "evaluation.npy").find(JAPANESE)


def read_choices_file(folder: Path, out: Path) -> None:
    from lilm.export.quality.choice_files import read_choices

    (path,) = folder.glob("a.*")
    _written(read_choices(path))


def read_questions_file(folder: Path, out: Path) -> None:
    from lilm.export.quality.questions import read_questions

    (path,) = folder.glob("a.*")
    _written([one.turns for one in read_questions(path)])


def read_pairs_file(folder: Path, out: Path) -> None:
    from lilm.train.finetune.pairs import PairReader

    _written([(pair.chosen, pair.rejected) for pair in PairReader(folder / "a.jsonl")])


def read_told(folder: Path, out: Path) -> None:
    """The glossary or the template, used once."""
    from lilm.train.finetune.translate.glossary import read_glossary
    from lilm.train.finetune.translate.prompts import read_template

    if folder.name == "glossary":
        _written([*read_glossary(folder / "a.tsv").of("Cats like a noble gas.").values()])
    else:
        _written(read_template(folder / "a.txt", glossary=True))


def read_imatrix_file(folder: Path, out: Path) -> None:
    from lilm.export.imatrix.file import read_imatrix, write_imatrix

    write_imatrix(folder / "again.gguf", read_imatrix(folder / "a.gguf"))


def read_adapter(folder: Path, out: Path) -> None:
    """Checked as before a run, then put on its base."""
    import torch

    from lilm.train.base.model_folder import load_llama
    from lilm.train.faults.seeds_side import lora_of, vocabulary_of
    from lilm.train.pretrain.adapter import check_adapter, check_belongs, load_adapter

    torch.set_num_threads(1)
    config = lora_of(folder)
    check_adapter(config)
    model = load_llama(folder / "base", torch.device("cpu"))
    check_belongs(model, config, vocabulary_of(model))
    load_adapter(model, config)


def read_recipe_file(folder: Path, out: Path) -> None:
    """Read, and now and then followed."""
    from lilm.export.recipe_json import NAME, read_recipe
    from lilm.export.remake import remake

    read_recipe(folder / NAME).model_dump_json().encode()
    if now_and_then(folder / NAME):
        remake(folder / NAME, folder / "model-f16.gguf", out, QUIET)


def _written(found: object) -> None:
    """What was read can be written again: no half of a surrogate pair is in it."""
    json.dumps(found, ensure_ascii=False).encode()
