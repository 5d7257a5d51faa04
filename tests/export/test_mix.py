"""The file of a budget, from a recipe's keys to what llama.cpp computes with it."""

import dataclasses
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from pydantic import ValidationError
from rich.console import Console
from transformers import LlamaForCausalLM

from lilm.documents import read_evenly, write_documents
from lilm.errors import LilmError
from lilm.export.budget.groups import groups_of, smallest
from lilm.export.calibration import choose_calibration, digest
from lilm.export.chunk import dequantise_matrix
from lilm.export.imatrix.file import read_imatrix
from lilm.export.matrices import matrices
from lilm.export.memory import require_measuring
from lilm.export.mix import check_target
from lilm.export.recipe_json import FileEntry
from lilm.export.remake import remake
from lilm.export.retyped import retyped_bytes
from lilm.export.stage import check_base, check_vocabulary, gguf_name, run
from lilm.fit.browser import page_use
from lilm.fit.device import Place
from lilm.fit.known.devices import find_device
from lilm.fit.model import read_model
from lilm.fit.needs import needed_bytes, room_for_weights
from lilm.gguf_file import open_gguf
from lilm.llama.config import read_llama_config
from lilm.llama.layout import layout, restore_rows
from lilm.llama.shape import Shape
from lilm.llamacpp.engine import Engine, quantize
from lilm.pipeline.hashing import sha256_file
from lilm.pipeline.stage import Context, stage_named
from lilm.progress import Reporter
from lilm.recipe import ExportConfig, WasmConfig
from lilm.recipe.files import parse_recipe
from tests.conftest import quickstart_without_budget

pytestmark = pytest.mark.usefixtures("one_torch_thread")

CONFIG: dict[str, Any] = {"quants": ("Q4_0",), "calibration_tokens": 1_000, "sensitivity_tokens": 256}
SPLITS = (range(300), range(300, 320))  # numbers of the documents: of training, held out


def text(lang: str, number: int) -> str:
    if lang == "en":
        return f"The cat number {number} sat on the mat, and {number * 7 % 50} dogs sat by the door of the house."
    return f"むかしむかし、あるところに{number}人のおじいさんが住んでいて、{number * 3 % 40}回も公園へ行きました。"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    for lang in ("ja", "en"):
        for split, numbers in zip(("train", "heldout"), SPLITS, strict=True):
            rows = [text(lang, number) for number in numbers]
            ids = [f"{lang}{number}" for number in numbers]
            frame = pl.DataFrame({"id": ids, "source": ["x"] * len(rows), "text": rows})
            for part in range(2):
                half = frame[part * len(rows) // 2 : (part + 1) * len(rows) // 2]
                write_documents(folder, lang, split, half, f"0{part}")  # type: ignore[arg-type]
    return folder


def mixed(model: Path, corpus: Path, out_dir: Path, context: Context, **keys: Any) -> tuple[dict[str, Any], Path]:
    """The report, and the mixed file."""
    out_dir.mkdir(exist_ok=True)
    config = ExportConfig.model_validate({**CONFIG, **keys})
    run(config, {"finetune": model, "corpus": corpus}, out_dir, context)
    report = json.loads((out_dir / "report.json").read_text(encoding="utf-8"))
    return report, out_dir / f"model-{config.exported_as('mix')}.gguf"


@pytest.fixture(scope="module")
def calm(session_context: Context) -> Context:
    return dataclasses.replace(session_context, threads=1)


@pytest.fixture(scope="module")
def made(
    random_model: Path, corpus: Path, calm: Context, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], Path]:
    return mixed(random_model, corpus, tmp_path_factory.mktemp("mix"), calm, bits_per_weight=6.5)


def test_it_is_as_large_as_it_may_be_and_of_several_types(made: tuple[dict[str, Any], Path]) -> None:
    report, path = made
    row = report["files"][-1]
    assert (row["name"], row["quant"]) == (path.name, "mix-6.5bpw")
    assert row["bytes"] == path.stat().st_size
    assert 6.4 < row["bits_per_weight"] <= 6.5
    assert len(row["tensor_types"]) >= 3
    assert "KL divergence measured on 256 training tokens, rounded with an importance matrix" in row["note"]
    assert [file["quant"] for file in report["files"]] == ["F16", "Q4_0", "mix-6.5bpw"]


def test_the_same_bytes_come_from_its_recipe(made: tuple[dict[str, Any], Path], calm: Context, tmp_path: Path) -> None:
    _, path = made
    recipe, full = path.with_name("recipe.json"), path.with_name("model-f16.gguf")
    (again,) = remake(recipe, full, tmp_path / "again", calm.reporter, names=[path.name])
    assert sha256_file(again) == sha256_file(path)
    (mix,) = (file for file in json.loads(recipe.read_text())["files"] if file["how"] == "mix")
    assert 0 < len(mix["plain"]) < len(mix["types"]), "some are rounded without importance"
    shutil.copyfile(recipe, tmp_path / "recipe.json")
    with pytest.raises(LilmError, match=r"the importance matrix of model-mix-6\.5bpw\.gguf is not there"):
        remake(tmp_path / "recipe.json", full, tmp_path / "other", calm.reporter)


def test_llama_cpp_computes_with_it_what_its_weights_say(
    made: tuple[dict[str, Any], Path], random_model: Path, tmp_path: Path
) -> None:
    """torch with the dequantised matrices; llama.cpp widens the file, so that it does not round the inputs of products
    to 8 bits as well."""
    file = open_gguf(made[1])
    llama = LlamaForCausalLM.from_pretrained(random_model, dtype=torch.float32).eval()
    for entry in layout(Shape.of(read_llama_config(random_model))):
        tensor = file.tensors[entry.target]
        if len(entry.shape) == 2:
            matrix = torch.from_numpy(dequantise_matrix(file.rows(tensor), tensor.type.name))
            llama.get_parameter(entry.source).data = restore_rows(matrix, entry.heads) if entry.heads else matrix
    tokens = [1, *(number * 37 % 380 for number in range(60))]
    with torch.no_grad():
        expected = llama(torch.tensor([tokens])).logits[0].numpy()
    quantize(made[1], tmp_path / "wide.gguf", 0, threads=1)
    logits = []
    for path in (tmp_path / "wide.gguf", made[1]):
        with Engine(path, n_ctx=128, threads=1, exact=True) as engine:
            logits.append(engine.logits(tokens))
    assert np.abs(logits[0] - expected).max() < 1e-3
    assert np.corrcoef(logits[1].ravel(), expected.ravel())[0, 1] > 0.999


def test_it_is_about_as_close_as_a_plain_file_of_its_size(
    made: tuple[dict[str, Any], Path], random_export: Path
) -> None:
    """Random weights count alike, so there is little to gain, and nothing may be lost."""
    klds = []
    for path in (made[1], random_export / "model-Q6_K.gguf"):
        with Engine(path, n_ctx=64, threads=2, exact=True, reference=random_export / "model-f16.gguf") as engine:
            ids = engine.tokenize(text("ja", 311) + text("en", 312))[:60]
            score = engine.score(ids)
            assert score.kld is not None
            klds.append(float(score.kld.mean()))
    assert klds[0] < 1.5 * klds[1]


def test_the_report_names_the_text_and_none_of_it_is_held_out(made: tuple[dict[str, Any], Path]) -> None:
    calibration = made[0]["calibration"]
    uses = [set(calibration[use]["documents_sha256"]) for use in ("imatrix", "sensitivity")]
    train, heldout = ({digest(text(lang, n)) for lang in ("ja", "en") for n in numbers} for numbers in SPLITS)
    assert uses[0] and uses[1]
    assert not uses[0] & uses[1]
    assert uses[0] | uses[1] <= train
    assert not (uses[0] | uses[1]) & heldout
    assert calibration["imatrix"]["tokens"] >= 1_000
    imatrix = read_imatrix(made[1].parent / calibration["imatrix"]["file"])
    assert imatrix.chunks * imatrix.chunk_size == calibration["imatrix"]["tokens"]
    table = json.loads((made[1].parent / calibration["sensitivity"]["file"]).read_text(encoding="utf-8"))
    assert sum(len(row["names"]) for row in table["rows"]) == 3 * 7 + 2


def test_the_same_bytes_again_also_after_a_try_that_was_killed(
    made: tuple[dict[str, Any], Path], random_model: Path, corpus: Path, calm: Context, tmp_path: Path
) -> None:
    kept = json.loads((made[1].parent / "calibration" / "sensitivity.json").read_text(encoding="utf-8"))
    (tmp_path / "calibration").mkdir()
    for name in ("imatrix.gguf", "sensitivity.json"):
        (tmp_path / "calibration" / name).write_bytes((made[1].parent / "calibration" / name).read_bytes())
    cut = {**kept, "rows": kept["rows"][:7]}
    (tmp_path / "calibration" / "sensitivity.json").write_text(json.dumps(cut), encoding="utf-8")
    mixed(random_model, corpus, tmp_path, calm, bits_per_weight=6.5)
    files = [path.relative_to(tmp_path) for path in sorted(tmp_path.rglob("*")) if path.is_file()]
    assert len(files) == 7
    assert [sha256_file(tmp_path / name) for name in files] == [sha256_file(made[1].parent / name) for name in files]


def test_measurements_of_other_text_are_not_used_again(
    made: tuple[dict[str, Any], Path], random_model: Path, corpus: Path, calm: Context, tmp_path: Path
) -> None:
    (tmp_path / "calibration").mkdir()
    mine = [tmp_path / name for name in ("mine.gguf", "film.mp4.part", "calibration/notes.txt")]
    for path in mine:
        path.write_text("mine")
    for name in ("imatrix.gguf", "sensitivity.json"):
        (tmp_path / "calibration" / name).write_bytes((made[1].parent / "calibration" / name).read_bytes())
    keys = {"target_mb": 1.9, "sensitivity_tokens": 384, "mix_types": ("Q8_0", "Q4_0"), "imatrix": False}
    report, path = mixed(random_model, corpus, tmp_path, calm, **keys)
    assert path.name == "model-mix-1.9MB.gguf"
    assert 1_850_000 < path.stat().st_size <= 1_900_000
    assert set(report["files"][-1]["tensor_types"]) == {"F32", "Q4_0", "Q8_0"}
    assert list(report["calibration"]) == ["sensitivity"]
    assert not (tmp_path / "calibration" / "imatrix.gguf").exists()
    assert all(path.read_text() == "mine" for path in mine), "what somebody put beside them stays"


def test_too_small_a_target_says_the_smallest(random_model: Path, corpus: Path, calm: Context, tmp_path: Path) -> None:
    with pytest.raises(LilmError) as caught:
        mixed(random_model, corpus, tmp_path, calm, target_mb=0.5)
    assert caught.value.where == "export.target_mb"
    enough = float(caught.value.remedy.split()[3])
    assert "the smallest file has" in caught.value.what
    assert not list(tmp_path.glob("model-mix*"))
    full, parameters = open_gguf(tmp_path / "model-f16.gguf"), 1_000_000
    config = ExportConfig(target_mb=enough)
    check_target(full, config, parameters, config.target_bytes(parameters))
    found = matrices(full)
    types = smallest(groups_of(found, 3), found, config.mix_types)
    assert set(types.values()) == {"IQ4_NL"}
    assert enough * 1e6 - 10_000 < retyped_bytes(full, types) <= enough * 1e6
    with pytest.raises(LilmError, match=r"0\.1 is too little"):
        few = ExportConfig(bits_per_weight=0.1)
        check_target(full, few, parameters, few.target_bytes(parameters))


@pytest.mark.parametrize("keys", [{"target_mb": 0.2}, {"bits_per_weight": 4.4}])
def test_a_budget_that_the_base_alone_exceeds_is_refused_before_any_training(
    keys: dict[str, float], random_model: Path, calm: Context
) -> None:
    check_base(ExportConfig(), random_model, calm)
    with pytest.raises(LilmError, match="is too little") as caught:
        check_base(ExportConfig.model_validate(keys), random_model, calm)
    enough = float(caught.value.remedy.split()[3])
    assert "more still for new pieces" in caught.value.remedy
    check_base(ExportConfig.model_validate(dict.fromkeys(keys, enough)), random_model, calm)


def test_few_bits_are_refused_before_any_training_where_no_block_divides_most_rows(
    random_model: Path, calm: Context, tmp_path: Path
) -> None:
    """Q4_0 and the others want rows of 32, K types of 256; these have 80, and 512 in one matrix of a layer."""
    config = json.loads((random_model / "config.json").read_text(encoding="utf-8"))
    config |= {"hidden_size": 80, "num_attention_heads": 5, "num_key_value_heads": 1, "head_dim": 16}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(LilmError, match=r"7.5 is too little: the base alone has 1\d\.\d+ in the smallest"):
        check_base(ExportConfig(bits_per_weight=7.5), tmp_path, calm)
    check_base(ExportConfig(bits_per_weight=14), tmp_path, calm)


def test_a_budget_that_the_grown_model_exceeds_is_refused_before_it_is_trained(
    random_model: Path, random_export: Path, calm: Context, tmp_path: Path
) -> None:
    """The base has 300 pieces, the vocabulary 384; what is foretold holds for the file that the export then writes."""
    config = json.loads((random_model / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "config.json").write_text(json.dumps({**config, "vocab_size": 300}), encoding="utf-8")
    tokenizer = tmp_path / "tokenizer"
    tokenizer.mkdir()
    for name in ("tokenizer.model", "chat_template.jinja"):
        (tokenizer / name).write_bytes((random_model / name).read_bytes())
    (tokenizer / "report.json").write_text(json.dumps({"vocab_size": 384}), encoding="utf-8")
    with pytest.raises(LilmError, match="the smallest file has") as caught:
        check_vocabulary(ExportConfig(target_mb=0.9), tmp_path, tokenizer, calm)
    enough = float(caught.value.remedy.split()[3])
    less = ExportConfig(target_mb=enough - 0.01)
    check_base(less, tmp_path, calm)
    with pytest.raises(LilmError, match=f"set it to {enough:g} or more"):
        check_vocabulary(less, tmp_path, tokenizer, calm)
    full = open_gguf(random_export / "model-f16.gguf")
    with pytest.raises(LilmError, match=f"set it to {enough:g} or more"):
        check_target(full, less, 0, less.target_bytes(0))
    check_vocabulary(ExportConfig(target_mb=enough), tmp_path, tokenizer, calm)
    check_target(full, ExportConfig(target_mb=enough), 0, ExportConfig(target_mb=enough).target_bytes(0))
    check_vocabulary(ExportConfig(), tmp_path, tokenizer, calm)


def test_a_device_sets_the_size(random_model: Path, corpus: Path, calm: Context, tmp_path: Path) -> None:
    small = dataclasses.replace(find_device("iphone-safari"), may_use_mb=16)
    place = Place(small, page_use(WasmConfig(max_threads=1), threaded=True), n_ctx=256)
    room = room_for_weights(place, Shape.of(read_llama_config(random_model)))
    context = dataclasses.replace(calm, place=place)
    report, path = mixed(random_model, corpus, tmp_path, context, device="iphone-safari")
    assert report["files"][-1]["quant"] == "mix-iphone-safari"
    assert 0.9 * room < path.stat().st_size <= room
    assert len(report["files"][-1]["tensor_types"]) >= 3  # neither the smallest nor the largest of all
    assert needed_bytes(small, read_model(path), place.use, place.n_ctx) <= 16_000_000
    less = dataclasses.replace(place, device=dataclasses.replace(small, may_use_mb=15))
    with pytest.raises(LilmError, match=r"iphone-safari leaves .* the base alone has") as caught:
        check_base(ExportConfig(device="iphone-safari"), random_model, dataclasses.replace(calm, place=less))
    assert caught.value.where == "export.device"


@pytest.mark.parametrize(
    ("key", "value", "name"),
    [
        ("target_mb", 1_000_000, "mix-1000000MB"),
        ("target_mb", 0.5, "mix-0.5MB"),
        ("bits_per_weight", 4.25, "mix-4.25bpw"),
        ("device", "iphone-safari", "mix-iphone-safari"),
    ],
)
def test_a_budgets_file_has_a_plain_name_and_what_it_wants_is_said_of_its_key(
    monkeypatch: pytest.MonkeyPatch, key: str, value: Any, name: str
) -> None:
    config = ExportConfig.model_validate({**CONFIG, key: value})
    assert config.exported_as("mix") == name
    FileEntry(name=gguf_name(name), bytes=1, sha256="0" * 64)
    monkeypatch.setattr("lilm.export.memory.free_memory", lambda: 0)
    with pytest.raises(LilmError, match="measuring the types of a budget wants") as caught:
        require_measuring(Shape(384, 256, 512, 3, 8, 2, 32, tied=False, context=256), config)
    assert caught.value.where == f"export.{key}"


def test_rows_that_no_block_divides_stay_half_floats(
    real_model: Path, corpus: Path, calm: Context, tmp_path: Path
) -> None:
    report, path = mixed(real_model, corpus, tmp_path, calm, target_mb=0.4)
    types = report["files"][-1]["tensors"]
    assert types["blk.0.ffn_down.weight"] == "F16"
    assert types["blk.0.attn_q.weight"] in ("Q8_0", "Q4_0", "IQ4_NL")
    assert path.stat().st_size <= 400_000


def test_less_text_than_was_asked_for_is_said(random_model: Path, corpus: Path, calm: Context, tmp_path: Path) -> None:
    console = Console(record=True, width=200, file=io.StringIO())
    context = dataclasses.replace(calm, reporter=Reporter(console))
    mixed(random_model, corpus, tmp_path / "out", context, bits_per_weight=6.5, calibration_tokens=100_000)
    said = console.export_text()
    found = re.search(r"export.calibration_tokens: ([\d,]+) tokens instead of 100,000: there is too little", said)
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert found and found[1] == f"{report['calibration']['imatrix']['tokens']:,}"
    assert "sensitivity_tokens" not in said


@pytest.mark.parametrize("imatrix", [True, False])
def test_a_model_that_computes_no_number_is_refused_before_types_are_chosen(
    imatrix: bool, random_model: Path, corpus: Path, calm: Context, tmp_path: Path
) -> None:
    """Its weights are numbers."""
    model = LlamaForCausalLM.from_pretrained(random_model, dtype=torch.float32)
    model.model.layers[1].input_layernorm.weight.data.mul_(1e30)
    shutil.copytree(random_model, tmp_path / "model", ignore=shutil.ignore_patterns("*.safetensors*"))
    model.save_pretrained(tmp_path / "model")
    with pytest.raises(LilmError, match="no numbers on training text") as caught:
        mixed(tmp_path / "model", corpus, tmp_path / "out", calm, bits_per_weight=6.5, imatrix=imatrix)
    assert (caught.value.where, caught.value.remedy) == ("the model", "train again with a lower learning rate")
    assert not (tmp_path / "out" / "model-mix-6.5bpw.gguf").exists()


def test_a_document_that_is_held_out_too_is_refused(random_export: Path, tmp_path: Path) -> None:
    for lang in ("ja", "en"):
        for split, numbers in (("train", range(40)), ("heldout", range(39, 45))):
            rows = [text(lang, number) for number in numbers]
            frame = pl.DataFrame({"id": [str(n) for n in numbers], "source": ["x"] * len(rows), "text": rows})
            write_documents(tmp_path, lang, split, frame)  # type: ignore[arg-type]
    with pytest.raises(LilmError, match="is held out too"):
        choose_calibration(tmp_path, ("ja", "en"), random_export / "model-f16.gguf", (100_000, 100_000), (64, 64))


def test_documents_are_taken_from_the_whole_corpus(corpus: Path) -> None:
    assert read_evenly(corpus, "en", "train", 3) == [text("en", number) for number in (0, 100, 200)]
    assert len(read_evenly(corpus, "en", "train", 10_000)) == 300


def test_only_a_budget_needs_the_corpus_and_the_page_may_have_its_file() -> None:
    plain = quickstart_without_budget()
    budget = plain.replace("[export]\n", "[export]\ntarget_mb = 3\n")
    export = stage_named("export")
    assert export.needs(parse_recipe(plain, "lilm.toml", Path("/"))) == ("base", "finetune")
    assert export.needs(parse_recipe(budget, "lilm.toml", Path("/"))) == ("base", "finetune", "corpus")
    on_page = 'quants = ["Q4_K_M", "Q8_0"]', 'quants = ["mix", "Q8_0"]'
    assert parse_recipe(budget.replace(*on_page), "lilm.toml", Path("/")).site.quants == ("mix", "Q8_0")
    with pytest.raises(LilmError, match=r"'mix'.*: set export.target_mb, bits_per_weight or device"):
        parse_recipe(plain.replace(*on_page), "lilm.toml", Path("/"))
    with pytest.raises(ValidationError, match="target_mb and bits_per_weight are both given"):
        ExportConfig(target_mb=3, bits_per_weight=4)
