"""Byte-level tokenizers as they are read: what is none is refused by name, before anything is built on it."""

import json
import shutil
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lilm.errors import LilmError
from lilm.pipeline.stage import Context
from lilm.recipe import BaseConfig
from lilm.train.base import stage as base_stage
from lilm.train.base.model_folder import check_model_folder
from lilm.train.tokenizer.train import train_base_tokenizer
from lilm.vocabulary.byte_level import byte_alphabet, piece_bytes, read_byte_level, written
from lilm.vocabulary.pieces import open_pieces
from lilm.vocabulary.pretokenizers import KNOWN
from tests.train.tokenizer.byte_bases import EOS, LLAMA3, write_base, write_model

TEMPLATE = {
    "type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "<|begin|>", "type_id": 0}}],
    "pair": [],
    "special_tokens": {},
}
ENGLISH = ["Once upon a time there was a dog called Tom. It walked 12 times to the river."] * 3


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write_base(tmp_path / "base", "gpt-2", ENGLISH, 300)


def changed(base: Path, change: Callable[[dict[str, Any]], object], name: str = "tokenizer.json") -> Path:
    path = base / name
    data = json.loads(path.read_text(encoding="utf-8"))
    change(data)
    path.write_text(json.dumps(data), encoding="utf-8")
    return base


def refused(base: Path, part: str, where: str = "tokenizer.json") -> str:
    with pytest.raises(LilmError) as error:
        read_byte_level(base)
    line = str(error.value)
    assert part in line and error.value.where == str(base / where) and error.value.remedy
    assert "\n" not in line
    return line


@pytest.mark.parametrize("kind", ["llama-bpe", "qwen2", "smollm", "gpt-2"])
def test_what_each_kind_is_called_in_llamacpp(tmp_path: Path, kind: str) -> None:
    found = read_byte_level(write_base(tmp_path, kind, ENGLISH, 300))
    assert found.pre == kind
    assert (found.has_bos, found.adds_bos) == ((True, True) if kind == "llama-bpe" else (False, False))
    assert (found.bos_id == found.eos_id) == (kind != "llama-bpe"), "without BOS it is EOS that stands before a text"
    assert found.names[found.eos_id] == ("<|end_of_text|>" if kind == "llama-bpe" else EOS)


def test_whole_words_first_decide_the_name_too(tmp_path: Path) -> None:
    base = write_base(tmp_path, "llama-bpe", ENGLISH, 300)
    assert read_byte_level(changed(base, lambda data: data["model"].update(ignore_merges=False))).pre == "dbrx"


def test_an_unknown_pre_tokenizer_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    base = write_base(tmp_path, "llama-bpe", ENGLISH, 300)

    def other(data: dict[str, Any]) -> None:
        data["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = LLAMA3.replace("{1,3}", "{1,4}")

    line = refused(changed(base, other), "pre-tokenizer")
    assert all(name in line for name in KNOWN)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda data: data["model"].update(type="Unigram"), "'Unigram'"),
        (lambda data: data["model"].update(type="WordPiece"), "'WordPiece'"),
        (lambda data: data["model"].update(byte_fallback=True), "byte_fallback"),
        (lambda data: data["model"].pop("merges"), "no merges"),
        (lambda data: data["model"].update(merges=[]), "no merges"),
        (lambda data: data["model"]["merges"].append(["犬", "猫"]), "'犬 猫'"),
        (lambda data: data["model"]["vocab"].pop("Ġ"), "not of its vocabulary"),
        (lambda data: data["model"].update(end_of_word_suffix="</w>"), "ends of words"),
        (lambda data: data.update(normalizer={"type": "NFKC"}), "NFKC"),
        (lambda data: data.update(decoder={"type": "WordPiece"}), "decodes by WordPiece"),
        (lambda data: data.update(pre_tokenizer=None), "none"),
        (lambda data: data.update(pre_tokenizer={"type": "Whitespace"}), "Whitespace"),
        (lambda data: data["pre_tokenizer"].update(add_prefix_space=True), "ByteLevel"),
        (lambda data: data["added_tokens"][0].update(id=5), "id 5"),
        (lambda data: data.pop("model"), "not a tokenizer"),
        (lambda data: data["model"]["vocab"].update(zebra=10**9), "a token has id 1000000000"),
        (lambda data: data["model"]["vocab"].update(zebra=-1), "a token has id -1"),
        (lambda data: data["model"]["vocab"].update(zebra={"a": 1}), "not a tokenizer"),
        (lambda data: data["model"]["vocab"].update(zebra=float("inf")), "not a tokenizer"),
        (lambda data: data["model"]["vocab"].update(zebra=259.5), "not a tokenizer"),
        (lambda data: data["added_tokens"][0].update(id=float("inf")), "not a tokenizer"),
        (lambda data: data["model"]["merges"].append(5), "not a tokenizer"),
        (lambda data: data["added_tokens"][0].pop("special"), "not a tokenizer"),
        (lambda data: data["added_tokens"].append(5), "not a tokenizer"),
        (lambda data: data.update(normalizer=1.5), "not a tokenizer"),
        (lambda data: data.update(pre_tokenizer={"type": "Sequence"}), "not a tokenizer"),
        (lambda data: data.update(post_processor=TEMPLATE), "does not define"),
    ],
)
def test_other_kinds_are_refused_by_name(base: Path, change: Callable[[dict[str, Any]], object], part: str) -> None:
    refused(changed(base, change), part)


def test_broken_and_missing_files(base: Path) -> None:
    path = base / "tokenizer.json"
    path.write_text(path.read_text(encoding="utf-8")[:2000], encoding="utf-8")
    refused(base, "not JSON")
    path.unlink()
    refused(base, "no such file")


def test_a_real_unigram_tokenizer(shared_data: Path, base: Path) -> None:
    folder = shared_data / "model" / "llm_jp_tok"
    shutil.copyfile(next(folder.glob("*tokenizer.json")), base / "tokenizer.json")
    refused(base, "Unigram")


def test_names_of_bos_and_eos(base: Path) -> None:
    changed(base, lambda data: data.update(eos_token="<|nowhere|>"), "tokenizer_config.json")  # noqa: S106 - a name
    refused(base, "<|nowhere|>", "tokenizer_config.json")
    changed(base, lambda data: data.pop("eos_token"), "tokenizer_config.json")
    refused(base, "no eos_token is named", "tokenizer_config.json")
    changed(base, lambda data: data.update(bos_token_id=0, eos_token_id=[7, 8]), "config.json")
    found = read_byte_level(base)
    assert found.eos_id == 7 and not found.has_bos, "the tokenizer says that there is no BOS, whatever the model says"


def test_ids_that_the_file_leaves_out_have_unused_names(base: Path) -> None:
    def leave_out(data: dict[str, Any]) -> None:
        data["model"]["vocab"]["zebra"] = max(data["model"]["vocab"].values()) + 10

    found = read_byte_level(changed(base, leave_out))
    assert len(found.names) == len(set(found.names)) == found.names.index("zebra") + 1
    assert len(found.unused) == 7, "two of the nine are special tokens"


def test_a_model_folder_is_checked_whole(base: Path) -> None:
    write_model(base, tied=True)
    check_model_folder(base)
    changed(base, lambda data: data["model"]["vocab"].update(zebra=999))
    with pytest.raises(LilmError, match="the tokenizer has 1000 tokens and the model"):
        check_model_folder(base)
    (base / "tokenizer.json").unlink()
    with pytest.raises(LilmError, match=r"no tokenizer\.model and no tokenizer\.json"):
        check_model_folder(base)


def test_a_base_keeps_the_files_of_its_tokenizer(base: Path, tmp_path: Path, context: Context) -> None:
    """Of a folder with both kinds tokenizer.model counts."""
    write_model(base, tied=True)
    (base / "chat_template.jinja").write_text("{{ messages[0].content }}", encoding="utf-8")
    config = BaseConfig(kind="path", path=str(base))
    base_stage.check(config, context)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    base_stage.run(config, {}, tmp_path / "one", context)
    kept = {path.name for path in (tmp_path / "one").iterdir()}
    tokenizer = {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}
    assert {*tokenizer, "config.json", "model.safetensors"} <= kept
    train_base_tokenizer(ENGLISH, 290, base / "tokenizer.model")
    base_stage.run(config, {}, tmp_path / "two", context)
    assert {path.name for path in (tmp_path / "two").iterdir()} == kept - {"tokenizer.json"} | {"tokenizer.model"}
    read = {Path(name).name for name in base_stage.external(config, context)}
    assert read == kept - {"origin.json"} | {"tokenizer.model"}, "tokenizer.json too: it may have added tokens"


def test_tiktokens_file_beside_it_is_left_alone(base: Path, tmp_path: Path, context: Context) -> None:
    """Llama 3 comes with a tokenizer.model that is no SentencePiece model."""
    write_model(base, tied=True)
    lines = [f"{b64encode(bytes([byte])).decode()} {byte}\n" for byte in range(256)]
    (base / "tokenizer.model").write_text("".join(lines), encoding="utf-8")
    config = BaseConfig(kind="path", path=str(base))
    base_stage.check(config, context)
    (tmp_path / "out").mkdir()
    base_stage.run(config, {}, tmp_path / "out", context)
    kept = {path.name for path in (tmp_path / "out").iterdir()}
    assert "tokenizer.json" in kept and "tokenizer.model" not in kept
    assert len(open_pieces(base)) == len(read_byte_level(base).names)
    (base / "tokenizer.json").unlink()
    with pytest.raises(LilmError, match=r"is tiktoken's and no tokenizer\.json"):
        check_model_folder(base)


def test_text_as_bytes_and_back() -> None:
    assert len(set(byte_alphabet())) == 256
    assert written(" a") == "Ġa" and piece_bytes(written("日本 語\n")) == "日本 語\n".encode()
