"""From a little text in Vietnamese and in Korean to a page: letters of English's own, and a script of its own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomlkit

from lilm.llamacpp.engine import Engine
from lilm.train.faults.small import small_recipe_text
from lilm.train.stories import stories
from tests.conftest import lilm
from tests.train.made_languages import korean, vietnamese
from tests.train.tokenizer.byte_bases import write_base, write_model

TEXTS: dict[str, Callable[[], list[str]]] = {"vi": vietnamese, "ko": korean}
ASKED = {
    "vi": ("Xin chào.", "Chào bạn, hôm nay bạn muốn nghe chuyện gì?"),
    "ko": ("안녕하세요.", "안녕하세요, 무엇을 이야기할까요?"),
}
TITLES = {"vi": "Chuyện làng", "ko": "마을 이야기"}


def recipe_for(lang: str, folder: Path, base: Path) -> str:
    """The quickstart made small, on a file of stories and a file of chats in the folder."""
    recipe: Any = tomlkit.parse(small_recipe_text()).unwrap()
    (folder / "stories.txt").write_text("\n\n".join(TEXTS[lang]()), encoding="utf-8")
    question, answer = ASKED[lang]
    chat = {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}
    (folder / "chats.jsonl").write_text((json.dumps(chat, ensure_ascii=False) + "\n") * 2, encoding="utf-8")
    own = {"name": "own", "lang": lang, "format": "text", "path": str(folder / "stories.txt"), "separator": "\n\n"}
    english = {"name": "english", "lang": "en", "format": "stories", "limit": 400}
    recipe |= {"name": lang, "language": lang, "threads": 1}
    # stories of one pattern are near duplicates of each other
    recipe["corpus"] |= {"sources": [own, english], "dedup": {"near": 1.0}, "heldout": 0.1}
    recipe["tokenizer"]["pieces"] = 150
    recipe["base"] = {"kind": "path", "path": str(base)}
    recipe["pretrain"] |= {"eval_bytes": 2_000, "sequence_length": 128}
    recipe["pretrain"]["stage1"]["steps"] = recipe["pretrain"]["stage2"]["steps"] = 2
    chats = {"name": "chats", "format": "messages", "path": str(folder / "chats.jsonl")}
    recipe["finetune"] |= {"sources": [chats], "sequence_length": 128}
    recipe["finetune"]["optim"]["steps"] = 2
    recipe["export"] = {"quants": ["Q8_0"]}
    recipe["bench"] = {"eval_tokens": 300, "prompts": [question], "chats": [question], "n_predict": 4}
    recipe["wasm"]["n_ctx"] = 256
    recipe["site"] |= {"title": TITLES[lang], "quants": ["Q8_0"], "prompts": [question]}
    return tomlkit.dumps(recipe)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of random weights with a vocabulary of English, as SmolLM2's is."""
    folder = write_base(tmp_path_factory.mktemp("base"), "smollm", stories("en", 200, 0), 800)
    write_model(folder, tied=True)
    return folder


@pytest.fixture(scope="module", params=["vi", "ko"])
def run(request: pytest.FixtureRequest, base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "lilm.toml").write_text(recipe_for(request.param, folder, base), encoding="utf-8")
    result = lilm("run", "--recipe", folder / "lilm.toml", "--run", folder / "run")
    assert result.returncode == 0, result.stdout + result.stderr
    return request.param, folder / "run"


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_new_pieces_shorten_the_language_and_leave_english(run: tuple[str, Path]) -> None:
    lang, folder = run
    found = read(folder / "tokenizer" / "report.json")
    assert found[lang]["merged_tokens"] < 0.6 * found[lang]["base_tokens"]
    assert all(check["mismatches"] == 0 for check in found["checks"].values())
    if lang == "vi":
        assert found["english"]["share_changed"] <= 0.002
    else:
        assert found["en"]["merged_tokens"] == found["en"]["base_tokens"]


def test_nothing_of_the_text_was_lost(run: tuple[str, Path]) -> None:
    lang, folder = run
    found = read(folder / "corpus" / "report.json")["languages"][lang]
    kept = found["train"]["documents"] + found["heldout"]["documents"]
    assert kept == len(TEXTS[lang]())


def test_llamacpp_reads_the_language_as_training_did(run: tuple[str, Path]) -> None:
    from transformers import AutoTokenizer

    lang, folder = run
    tokenizer = AutoTokenizer.from_pretrained(folder / "finetune", local_files_only=True)
    with Engine(folder / "export" / "model-Q8_0.gguf", n_ctx=128, threads=1) as engine:
        for line in TEXTS[lang]()[0].split("\n"):
            assert engine.tokenize(line) == tokenizer(line)["input_ids"]


def test_the_page_and_the_report_are_the_languages(run: tuple[str, Path]) -> None:
    lang, folder = run
    site = folder / "site"
    told = "".join(path.read_text(encoding="utf-8") for path in (site / "index.html", *site.glob("*.json")))
    assert TITLES[lang] in told and ASKED[lang][0] in told
    assert {"vi": "Vietnamese", "ko": "Korean"}[lang] in (folder / "report.html").read_text(encoding="utf-8")
