"""`lilm finetune vector`: instruct minus plain is added, new pieces stay, and what does not fit is named."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from lilm.chat import CHAT_TEMPLATE
from lilm.errors import LilmError
from lilm.export.gguf_writer import write_gguf
from lilm.export.vector import make_vector_model
from lilm.json_file import read_json_object
from lilm.llamacpp.engine import Engine
from lilm.pipeline.hashing import write_json
from lilm.progress import Reporter
from lilm.train.base.weights_check import EMBEDDING
from lilm.train.stories import stories
from lilm.train.tokenizer.hf import write_tokenizer
from lilm.train.tokenizer.train import train_base_tokenizer
from lilm.vocabulary.sentencepiece import read_proto

QUIET = Reporter(quiet=True)
WEIGHTS, OLD = "model.safetensors", 400  # pieces of the base
BOS, EOS = 1, 2  # the special tokens that the template writes


@pytest.fixture(scope="module")
def models(tune_inputs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders: plain, instruct (every weight a little off), and taught, from plain, with new pieces."""
    root = tmp_path_factory.mktemp("vector")
    plain = shutil.copytree(tune_inputs["base"], root / "plain")
    write_tokenizer(read_proto(plain / "tokenizer.model"), plain, 128)
    instruct = shutil.copytree(plain, root / "instruct")
    torch.manual_seed(1)
    tensors = {name: one + 0.02 * torch.randn_like(one) for name, one in load_file(plain / WEIGHTS).items()}
    save_file(tensors, instruct / WEIGHTS, metadata={"format": "pt"})
    (instruct / "chat_template.jinja").write_text(CHAT_TEMPLATE, encoding="utf-8")
    return {"plain": plain, "instruct": instruct, "taught": tune_inputs["pretrain"]}


def made(models: dict[str, Path], out: Path, scale: float = 1.0, **other: Path) -> dict[str, torch.Tensor]:
    """The tensors that come out; `other` models in place of those."""
    found = {**models, **other}
    make_vector_model(found["taught"], found["instruct"], found["plain"], out, scale, ("Q8_0",), "ja", QUIET)
    return load_file(out / "model" / WEIGHTS)


def test_the_difference_is_added_and_new_pieces_stay(models: dict[str, Path], tmp_path: Path) -> None:
    found = made(models, tmp_path / "out", 0.5)
    taught, instruct, plain = (load_file(models[name] / WEIGHTS) for name in ("taught", "instruct", "plain"))
    assert set(found) == set(taught) and len(taught[EMBEDDING]) > OLD
    for name in sorted(set(taught) - {EMBEDDING}):
        torch.testing.assert_close(found[name], taught[name] + 0.5 * (instruct[name] - plain[name]))
    rows, added = found[EMBEDDING], 0.5 * (instruct[EMBEDDING] - plain[EMBEDDING])
    assert torch.equal(rows[OLD:], taught[EMBEDDING][OLD:])
    assert torch.equal(rows[[BOS, EOS]], instruct[EMBEDDING][[BOS, EOS]])
    kept = [at for at in range(OLD) if at not in (BOS, EOS)]
    torch.testing.assert_close(rows[kept], (taught[EMBEDDING][:OLD] + added)[kept])
    told = read_json_object(tmp_path / "out" / "vector.json")
    assert (told["pieces"], told["special_rows"], told["new_rows"]) == (OLD, 2, len(rows) - OLD)
    nothing = made(models, tmp_path / "nothing", 0.0)
    assert torch.equal(nothing[EMBEDDING][kept], taught[EMBEDDING][kept])


def test_its_files_chat_and_gguf_files_do_as_folders(models: dict[str, Path], tmp_path: Path) -> None:
    found = made(models, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out" / "export").glob("*.gguf")) == [
        "model-Q8_0.gguf",
        "model-f16.gguf",
    ]
    with Engine(tmp_path / "out" / "export" / "model-Q8_0.gguf", n_ctx=64, threads=1) as engine:
        assert engine.tokenize_chat([{"role": "user", "content": "a"}])[0] == BOS
    files = {name: tmp_path / f"{name}.gguf" for name in ("plain", "instruct")}
    for name, path in files.items():
        write_gguf(models[name], path, ("en",))
    again = made(models, tmp_path / "again", **files)
    for name, tensor in found.items():
        torch.testing.assert_close(again[name], tensor, atol=2e-3, rtol=0)


def of_one_layer(folder: Path) -> None:
    config = read_json_object(folder / "config.json")
    tensors = load_file(folder / WEIGHTS)
    for name in [one for one in tensors if ".layers.1." in one]:
        del tensors[name]
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    write_json(folder / "config.json", config | {"num_hidden_layers": 1})


def of_another_tokenizer(folder: Path) -> None:
    texts = [text.swapcase() for text in stories("en", 150, 7)]
    train_base_tokenizer(texts, OLD, folder / "tokenizer.model")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink(missing_ok=True)


def without_template(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()


@pytest.mark.parametrize(
    ("name", "spoil", "what"),
    [
        ("plain", of_one_layer, "layers is 1"),
        ("taught", of_one_layer, "layers is 1"),
        ("plain", of_another_tokenizer, "its tokenizer is not that of"),
        ("instruct", without_template, "no chat template"),
    ],
)
def test_models_that_do_not_belong_together_are_one_line(
    models: dict[str, Path], tmp_path: Path, name: str, spoil: Callable[[Path], None], what: str
) -> None:
    other = shutil.copytree(models[name], tmp_path / name)
    spoil(other)
    with pytest.raises(LilmError, match=what) as caught:
        made(models, tmp_path / "out", **{name: other})
    assert str(other) in str(caught.value.where)
    assert [path.name for path in tmp_path.iterdir()] == [name], "nothing is left of it"


def test_what_cannot_be_is_said_before_any_work(models: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("")
    for out, scale, what in (("full", 1.0, "holds something"), ("new", float("nan"), "no factor")):
        with pytest.raises(LilmError, match=what):
            made(models, tmp_path / out, scale)
    with pytest.raises(LilmError, match="no such file or folder"):
        made(models, tmp_path / "new", plain=tmp_path / "nowhere")
    with pytest.raises(LilmError, match="--quants"):
        make_vector_model(*(models[name] for name in models), tmp_path / "new", 1.0, ("Q9",), "ja", QUIET)
    assert not (tmp_path / "new").exists()
