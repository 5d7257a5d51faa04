"""Blocks that learn: nearer to the F16 file than llama.cpp's, and in the file as they were learnt."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
import torch
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, LlamaFileType
from transformers import LlamaForCausalLM

from lilm.errors import LilmError
from lilm.export.learned.formats import decode, encode
from lilm.export.learned.kinds import KINDS, Kind
from lilm.export.learned.learn import learn
from lilm.export.learned.matrix import LearntMatrix
from lilm.export.learned.memory import checkpoint_room
from lilm.export.learned.start import StartFile
from lilm.export.learned.student import Student
from lilm.export.learned.write import write_learnt
from lilm.export.remake import remake
from lilm.export.space import bytes_needed
from lilm.export.stage import run as run_export
from lilm.gguf_file import GGUFFile, open_gguf
from lilm.llama.config import read_llama_config
from lilm.llama.shape import Shape
from lilm.llamacpp.engine import Engine, quantize
from lilm.pipeline.hashing import sha256_file, write_json
from lilm.pipeline.stage import Context
from lilm.progress import Reporter
from lilm.recipe import ExportConfig, LearnedConfig
from lilm.train.pack.megatron import ShardWriter
from lilm.train.trainer.checkpoint import HEADERS
from tests.export.conftest import SENTENCES

N_CTX = 128

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def write_pack(folder: Path, vocab_size: int, documents: dict[str, list[list[int]]]) -> Path:
    """A token store of each language, as the pack stage writes it."""
    (folder / "tokens").mkdir(parents=True)
    stores = {}
    for language, texts in documents.items():
        name = f"{language}-train"
        writer = ShardWriter(folder / "tokens" / name, "uint16")
        for ids in texts:
            writer.add([1, *ids, 2])
        writer.close()
        tokens = sum(len(ids) + 2 for ids in texts)
        stores[name] = {"documents": len(texts), "tokens": tokens, "bytes": 0, "shards": [{"name": name}]}
    sidecar = {"tokenizer_sha256": "", "vocab_size": vocab_size, "bos_id": 1, "eos_id": 2, "stores": stores}
    write_json(folder / "tokens.json", sidecar)
    return folder


def shakespeare(shared_data: Path, model: Path, begin: int, end: int) -> list[list[int]]:
    """Ids of the lines of one part of the plays."""
    path = shared_data / "en_text" / "tinyshakespeare" / "data__tinyshakespeare__input.txt"
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(model / "tokenizer.model"))
    return [pieces.encode(text) for text in path.read_text()[begin:end].split("\n\n")]


@pytest.fixture(scope="session")
def real_pack(shared_data: Path, real_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two parts of the plays, as if they were two languages."""
    parts = {
        "ja": shakespeare(shared_data, real_model, 0, 60_000),
        "en": shakespeare(shared_data, real_model, 60_000, 120_000),
    }
    return write_pack(tmp_path_factory.mktemp("real") / "pack", 512, parts)


@pytest.fixture(scope="session")
def random_pack(random_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(random_model / "tokenizer.model"))
    parts = {"ja": [pieces.encode(SENTENCES[1])] * 40, "en": [pieces.encode(SENTENCES[0])] * 40}
    return write_pack(tmp_path_factory.mktemp("random") / "pack", 384, parts)


def config(quant: str, **changed: object) -> LearnedConfig:
    small = {"steps": 60, "batch_size": 4, "sequence_length": N_CTX, "dtype": "float32", "eval_every": 30}
    small["rounding_tokens"] = 2048
    return LearnedConfig.model_validate({"quant": quant, "lr": 2e-2, "scale_lr": 2e-3, **small, **changed})


def one_thread(reporter: Reporter | None = None) -> Context:
    quiet = reporter or Reporter(quiet=True)
    return Context(seed=0, threads=1, language="ja", base_language="en", reporter=quiet)


def divergence(file: Path, full: Path, windows: Sequence[Sequence[int]]) -> float:
    """By llama.cpp, nats per token."""
    with Engine(file, n_ctx=N_CTX, threads=1, reference=full) as engine:
        found = [engine.score(window).kld for window in windows]
    return float(np.concatenate([one for one in found if one is not None]).mean())


@pytest.mark.parametrize(("quant", "share"), [("Q4_0", 0.6), ("IQ4_NL", 0.7)])
def test_nearer_to_the_full_model_on_text_that_nothing_learnt(
    quant: str, share: float, real_model: Path, real_export: Path, real_pack: Path, shared_data: Path, tmp_path: Path
) -> None:
    stock, target = real_export / f"model-{quant}.gguf", tmp_path / "learnt.gguf"
    found = learn(config(quant), real_model, real_pack, stock, target, tmp_path / "log", one_thread())
    ids = [1, *(piece for line in shakespeare(shared_data, real_model, 200_000, 210_000) for piece in line)]
    windows = [ids[at : at + N_CTX] for at in range(0, 8 * N_CTX, N_CTX)]
    full = real_export / "model-f16.gguf"
    before, after = divergence(stock, full, windows), divergence(target, full, windows)
    assert after < share * before, (before, after)
    # what it says of the text kept apart is about as much
    assert found.stock["kld"] == pytest.approx(before, rel=0.5)
    assert found.after["kld"] == pytest.approx(after, rel=0.5)
    assert target.stat().st_size == stock.stat().st_size


@pytest.mark.parametrize(
    ("quant", "codes"),
    [("Q3_K_M", True), ("Q4_K_M", True), ("Q5_0", True), ("Q5_K_M", True), ("Q6_K", True), ("Q4_0", False)],
)
def test_every_type_and_scales_alone_learn(
    quant: str,
    codes: bool,
    random_model: Path,
    stock_files: Mapping[str, Path],
    random_pack: Path,
    tmp_path: Path,
) -> None:
    stock = stock_files[quant]
    named = "mix" if quant in ("Q3_K_M", "Q5_0") else quant
    wanted = config(named, steps=20, codes=codes, rounding_tokens=2048 * codes)
    found = learn(wanted, random_model, random_pack, stock, tmp_path / "learnt.gguf", tmp_path / "log", one_thread())
    assert found.after["kld"] < 0.8 * found.stock["kld"], found.note
    before, after = open_gguf(stock), open_gguf(tmp_path / "learnt.gguf")
    moved = [name for name, tensor in before.tensors.items() if _codes(before, name) != _codes(after, name)]
    assert bool(moved) == codes
    assert {name: tensor.type for name, tensor in before.tensors.items()} == {
        name: tensor.type for name, tensor in after.tensors.items()
    }


def _codes(file: GGUFFile, name: str) -> bytes:
    tensor = file.tensors[name]
    if tensor.type.name not in KINDS:
        return b""
    return decode(np.array(file.rows(tensor)), tensor.type.name).codes.tobytes()


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_what_the_model_computes_with_is_what_the_blocks_say(kind: Kind) -> None:
    """Whatever was learnt, also far off the grid it began with."""
    random = np.random.default_rng(0)
    torch.manual_seed(0)
    weight = torch.randn(8, 512)
    size = block_bytes(kind)
    rows = random.integers(0, 256, (8, 512 // kind.block * size), dtype=np.uint8)
    blocks = rows.reshape(-1, size)
    for at in (size - 2,) if kind.name in ("Q3_K", "Q6_K") else (0, 2)[: 1 + kind.has_mins]:
        blocks[:, at : at + 2] = random.normal(0, 0.02, len(blocks)).astype("<f2").view(np.uint8).reshape(-1, 2)
    matrix = LearntMatrix(weight, decode(rows, kind.name), kind)
    with torch.no_grad():
        for parameter in matrix.parameters():
            parameter.add_(torch.randn_like(parameter))
    parts = matrix.parts()
    assert np.array_equal(parts.weights(kind), matrix.weight().numpy())
    assert np.array_equal(decode(encode(parts, kind.name, 8), kind.name).codes, parts.codes)


def block_bytes(kind: Kind) -> int:
    return int(GGML_QUANT_SIZES[GGMLQuantizationType[kind.name]][1])


@pytest.mark.parametrize("quant", ["Q3_K_M", "Q4_K_M", "Q5_0"])
def test_the_file_computes_what_was_learnt(
    quant: str, random_model: Path, stock_files: Mapping[str, Path], tmp_path: Path
) -> None:
    """All types of such a file, moved at random and written; widened to F32, llama.cpp's logits are torch's."""
    start = stock_files[quant]
    target, wide = tmp_path / "learnt.gguf", tmp_path / "wide.gguf"
    teacher = LlamaForCausalLM.from_pretrained(random_model, dtype=torch.float32).eval()
    student = Student(teacher, StartFile(start, Shape.of(teacher.config.to_dict())))
    torch.manual_seed(0)
    with torch.no_grad():
        for name, parameter in student.named_parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3 if name.endswith("latent") else 0.05)
    student.refresh()
    assert write_learnt(start, target, student.blocks()) == 1.0
    quantize(target, wide, LlamaFileType.ALL_F32, threads=1)
    window = [1, *(index * 37 % 380 for index in range(120))]
    with torch.no_grad():
        wanted = student.get_base_model()(torch.tensor([window])).logits[0].numpy()
        far = teacher(torch.tensor([window])).logits[0].numpy()
    with Engine(wide, n_ctx=N_CTX, threads=1, exact=True) as engine:
        found = engine.logits(window)
    assert np.abs(found - wanted).max() < 1e-2 < 0.1 < np.abs(far - wanted).max()


class Killed(Exception):
    pass


class Stops(Reporter):
    """Goes down after so many layers that were rounded and steps of learning."""

    def __init__(self, steps: int) -> None:
        super().__init__(quiet=True)
        self._left = steps

    def bar(self, label: str, total: int, done: int = 0):  # type: ignore[no-untyped-def]
        from contextlib import contextmanager

        @contextmanager
        def watched():  # type: ignore[no-untyped-def]
            with Reporter.bar(self, label, total, done) as inner:
                advance = inner.advance

                def count(steps: int = 1, note: str = "") -> None:
                    self._left -= 0 if label == "measure" else steps
                    if self._left < 0:
                        raise Killed
                    advance(steps, note)

                inner.advance = count  # type: ignore[method-assign]
                yield inner

        return watched()


def test_killed_and_gone_on_the_bytes_are_the_same(
    real_model: Path, real_export: Path, real_pack: Path, tmp_path: Path
) -> None:
    wanted = config("Q4_0", steps=12, checkpoint_every=5, eval_every=6)
    stock = real_export / "model-Q4_0.gguf"

    def go(folder: Path, reporter: Reporter) -> str:
        learn(wanted, real_model, real_pack, stock, folder / "learnt.gguf", folder / "log", one_thread(reporter))
        return sha256_file(folder / "learnt.gguf")

    one, other = tmp_path / "one", tmp_path / "other"
    whole = go(one, Reporter(quiet=True))
    with pytest.raises(Killed):
        go(other, Stops(5 + 8))  # five layers are rounded first
    assert not (other / "learnt.gguf").exists()
    assert (other / "checkpoints" / "log" / "step-00000005").is_dir()
    assert go(other, Reporter(quiet=True)) == whole
    assert (other / "log" / "metrics.jsonl").read_bytes() == (one / "log" / "metrics.jsonl").read_bytes()


def test_the_stage_adds_a_file_and_says_how_it_was_made(real_model: Path, real_pack: Path, tmp_path: Path) -> None:
    learned = config("Q4_0", steps=10).model_dump()
    inputs = {"finetune": real_model, "pack": real_pack}
    export = ExportConfig.model_validate({"quants": ["Q8_0", "Q4_0"], "learned": [learned]})
    artifact = run_export(export, inputs, tmp_path, one_thread())
    files = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["files"]
    assert [file["quant"] for file in files] == ["F16", "Q8_0", "Q4_0", "Q4_0-learned"]
    stock, row = files[2:]
    assert row["name"] == "model-Q4_0-learned.gguf" and (tmp_path / row["name"]).is_file()
    assert (row["bytes"], row["tensors"]) == (stock["bytes"], stock["tensors"])
    assert "on 2,048 tokens, then learnt in 10 steps of 5,120 tokens together" in row["note"]
    assert row["learned"]["after"]["kld"] < row["learned"]["stock"]["kld"]
    assert set(artifact.volatile) <= {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}

    run = tmp_path / "run"
    run.mkdir()
    for name, folder in inputs.items():
        (run / name).symlink_to(folder)
    arguments = (tmp_path / "recipe.json", tmp_path / "model-f16.gguf", tmp_path / "again", Reporter(quiet=True))
    (again,) = remake(*arguments, names=[row["name"]], run=run)
    assert sha256_file(again) == sha256_file(tmp_path / row["name"])


@pytest.mark.parametrize("codes", [True, False])
@pytest.mark.parametrize("quant", ["Q4_0", "Q4_K_M", "Q6_K"])
def test_the_disk_that_checkpoints_take_is_asked_for_before_any_file(
    codes: bool,
    quant: str,
    random_model: Path,
    random_export: Path,
    random_pack: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wanted = config(quant, codes=codes, steps=1, rounding_tokens=0, checkpoint_every=1)
    start, target = random_export / f"model-{quant}.gguf", tmp_path / "learnt.gguf"
    learn(wanted, random_model, random_pack, start, target, tmp_path / "log", one_thread())
    taken = sum(path.stat().st_size for path in (tmp_path / "checkpoints").rglob("*") if path.is_file())
    shape = Shape.of(read_llama_config(random_model))
    assert 2 * taken <= checkpoint_room([wanted], shape) < 5 * taken + 2 * HEADERS
    export = ExportConfig.model_validate({"quants": [quant], "learned": [wanted.model_dump()]})
    files = bytes_needed(shape.parameters, shape.vocab, (quant, quant), whole_rows=True)  # type: ignore[arg-type]
    monkeypatch.setattr("shutil.disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, files + taken))
    (tmp_path / "out").mkdir()
    with pytest.raises(LilmError, match="no space: the export needs"):
        run_export(export, {"finetune": random_model, "pack": random_pack}, tmp_path / "out", one_thread())
    assert list((tmp_path / "out").iterdir()) == []


def test_rates_that_do_harm_and_text_that_was_not_there_are_told(
    random_model: Path, random_export: Path, random_pack: Path, tmp_path: Path
) -> None:
    wanted = config("Q4_0", lr=1.0, scale_lr=1.0, steps=20, rounding_tokens=20_000)
    start = random_export / "model-Q4_0.gguf"
    found = learn(wanted, random_model, random_pack, start, tmp_path / "learnt.gguf", tmp_path / "log", one_thread())
    assert "learning made it worse, so these are from before it: lr and scale_lr are too high" in found.note
    assert (found.best, found.after) == (0, found.before)
    gentle = config("Q4_0", steps=0, rounding_tokens=20_000)
    rounded = tmp_path / "rounded.gguf"
    learn(gentle, random_model, random_pack, start, rounded, tmp_path / "other", one_thread())
    one, other = open_gguf(tmp_path / "learnt.gguf"), open_gguf(rounded)
    for name in one.tensors.keys() - {"token_embd.weight"}:  # which `rounded` has as llama.cpp rounds it
        mine, theirs = (file.rows(file.tensors[name]) for file in (one, other))
        assert (mine == theirs).all(), f"{name}: what did harm is not in the file"
    there = sum(
        json.loads((random_pack / "tokens.json").read_text())["stores"][f"{lang}-train"]["tokens"]
        for lang in ("ja", "en")
    )
    assert 0 < found.rounding_tokens <= there


def test_too_little_text_is_refused(real_model: Path, real_export: Path, tmp_path: Path) -> None:
    pack = write_pack(tmp_path / "pack", 512, {"ja": [[5, 6, 7]], "en": [[5, 6, 7]]})
    stock = real_export / "model-Q4_0.gguf"
    with pytest.raises(LilmError, match="training text of ja fills 1 sequence"):
        learn(config("Q4_0"), real_model, pack, stock, tmp_path / "no.gguf", tmp_path / "log", one_thread())
    assert not (tmp_path / "no.gguf").exists()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"learned": [{"quant": "IQ4_NL"}]}, "export.learned begins with llama.cpp's"),
        ({"learned": [{"quant": "Q4_0"}, {"quant": "Q4_0"}]}, "stands twice"),
        ({"learned": [{"quant": "Q4_1"}]}, "Q4_1|Input should be"),
        ({"learned": [{"quant": "Q4_0", "steps": -1}]}, "greater than or equal to 0"),
        ({"learned": [{"quant": "Q4_0", "steps": 0, "rounding_tokens": 0}]}, "nothing would be learnt"),
        ({"learned": [{"quant": "Q4_0", "weight_decay": 0.1}]}, "less than or equal to 0"),
    ],
)
def test_a_bad_recipe_is_refused(changed: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ExportConfig.model_validate({"quants": ["Q4_0"], **changed})
