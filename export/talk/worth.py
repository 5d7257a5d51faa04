"""What a tuned model is worth: bits per byte of answers that nobody learnt, and how its own answers end."""

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from lilm.devices import prepare_torch
from lilm.documents import read_texts
from lilm.errors import LilmError
from lilm.export.gguf_writer import write_gguf
from lilm.export.quality.written import Written, beginnings, script_of, share_with, write
from lilm.export.talk.bed import Bed
from lilm.llamacpp.engine import Engine
from lilm.train.base.model_folder import load_llama
from lilm.train.finetune.format import Format
from lilm.train.finetune.heldout import ANSWERS, HeldOutAnswers

N_CTX, N_PREDICT = 1024, 256  # tokens; less where the model saw less in training
TEXTS = 20  # by which a language's script is told
GGUF = "answers.gguf"  # of the model that answers, while it does
SAMPLES = 3  # answers that are shown


def answer_bits(bed: Bed, folder: Path, own: Format | None = None) -> dict[str, float]:
    """{"answer_bpb"}: bits per UTF-8 byte of the tested answers, with the token that ends each, in the run's own
    template; with `own`, a template of the model's own, "answer_bpb_own" too."""
    model = load_llama(folder, prepare_torch(bed.recipe.seed, bed.recipe.threads))
    found = {"answer_bpb": HeldOutAnswers(bed.tested, bed.reporter).measure(model)[ANSWERS]}
    if own is not None:
        found["answer_bpb_own"] = HeldOutAnswers(bed.tested_in(own), bed.reporter).measure(model)[ANSWERS]
    return {name: round(value, 4) for name, value in found.items()}


def own_answers(bed: Bed, folder: Path, label: str, count: int) -> dict[str, Any]:
    """Of `count` answers to the tested questions, drawn as the page draws, in the folder's own template:
    {"answers", "n_predict", and as shares with intervals "ends_by_eos", "in_language", "loops"; "samples"}.

    Raises LilmError where no question leaves room for an answer.
    """
    recipe = bed.recipe
    languages = (recipe.language, recipe.base_language)
    scripts = {
        lang: script_of("".join(islice(read_texts(bed.folders["corpus"], lang, "heldout"), TEXTS)))
        for lang in languages
    }
    n_ctx = min(N_CTX, bed.positions)
    n_predict = min(N_PREDICT, n_ctx // 2)
    file = bed.out / GGUF
    try:
        write_gguf(folder, file, languages)
        with Engine(file, n_ctx=n_ctx, threads=recipe.threads) as engine:
            questions = [chat.messages for chat in bed.tested]
            asked = beginnings(engine, [], questions, scripts, count, n_ctx - n_predict)
            if not asked:
                what = f"no question leaves room for an answer of {n_predict} tokens"
                raise LilmError(what, where=str(bed.pretrained), remedy="give chats with shorter questions")
            with bed.reporter.bar(f"answers of {label}", len(asked)) as bar:
                written = write(engine, asked, recipe.site.sampling, n_predict, recipe.seed, bar.advance)
    finally:
        file.unlink(missing_ok=True)
    samples = [{"question": one.prompt, "answer": one.text} for one in written[:SAMPLES]]
    return {"answers": len(written), "n_predict": n_predict, **shares(written), "samples": samples}


def shares(written: Sequence[Written]) -> Mapping[str, Any]:
    """How many answers end by themselves, are in the question's language, go in circles, and are empty, which ends at
    once and is in no language; with intervals. in_language: of those whose script tells, None where none does."""
    return {
        "ends_by_eos": share_with(written, "ended"),
        "in_language": share_with(written, "wrong_language", wanted=False),
        "loops": share_with(written, "loops"),
        "empty": share_with(written, "empty"),
    }
