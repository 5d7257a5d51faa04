"""A real model in Chromium: SmolLM2 out of a package index, in the page's types, knows the capital of France."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lilm.errors import LilmError
from lilm.export.gguf_writer import write_gguf
from lilm.export.quantise import quantise
from lilm.pipeline.hashing import write_json
from lilm.pipeline.stage import Context
from lilm.progress import Reporter
from lilm.recipe import BaseConfig
from lilm.train.base.stage import run as run_base
from lilm.wasm.javascript import runtime_dir
from lilm.wasm.limits import usable_bytes

ROOT = Path(__file__).resolve().parent.parent.parent

QUANTS = ("Q4_0", "Q8_0")
QUESTION = "What is the capital of France?"
GREETING = "こんにちは。"
SYSTEM = {"role": "system", "content": "You are a helpful assistant."}
"""After it the model stops in both types, in native llama.cpp too. After its template's own the 8-bit file loops, after
an empty one the 4-bit file talks on."""
ASK = """async ([file, messages]) => {
  const { load } = await import("./wasm/runtime/lilm.mjs");
  const model = await load(file);
  const result = await model.chat(messages, { temperature: 0, repeat_penalty: 1, n_predict: 48 });
  await model.unload();
  return { text: result.text, stop_reason: result.stop_reason };
}"""


@pytest.fixture(scope="module")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with model-Q4_0.gguf and model-Q8_0.gguf. Skipped where neither cache nor index has the model."""
    from lilm.train.base.smollm2 import fetch_smollm2_gguf

    reporter = Reporter(Console(quiet=True))
    try:
        fetched = fetch_smollm2_gguf(reporter)
    except LilmError as error:
        pytest.skip(error.line())
    folder = tmp_path_factory.mktemp("smollm2")
    base, corpus = folder / "base", folder / "corpus"
    base.mkdir()
    _write_corpus(corpus)
    context = Context(seed=0, threads=2, language="ja", base_language="en", reporter=reporter)
    run_base(BaseConfig(kind="gguf", path=str(fetched)), {"corpus": corpus}, base, context)
    full = folder / "model-f16.gguf"
    write_gguf(base, full, ("en",))
    for quant in QUANTS:
        quantise(full, folder / f"model-{quant}.gguf", quant, 2, lambda done, total: None)
    full.unlink()
    return folder


def _write_corpus(folder: Path) -> None:
    """Held-out lines that the base is proven on."""
    import polars as pl

    from lilm.documents import write_documents

    for language, text in (("ja", "日本の首都は東京です。"), ("en", "Tokyo is the capital of Japan.")):
        frame = pl.DataFrame({"id": ["0"], "source": ["made"], "text": [text]})
        for split in ("train", "heldout"):
            write_documents(folder, language, split, frame)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def trained() -> Path:
    """The run folder that `lilm bench real` left, its site made."""
    folder = Path(os.environ.get("LILM_REAL_RUN", ROOT / "runs" / "bench-real")) / "contenders" / "ours"
    if not (folder / "site").is_dir():
        pytest.skip("`lilm bench real` has left no page here (set LILM_REAL_RUN to its folder)")
    return folder


@pytest.fixture
def ask(
    browser: Any, serving: Callable[[Path], AbstractContextManager[str]], at_home: Callable[[Any, str], None]
) -> Iterator[Callable[..., dict[str, Any]]]:
    """What a model of a site answers to messages, greedily, in a page of it."""

    def answer(site: Path, quant: str, *messages: dict[str, str]) -> dict[str, Any]:
        with serving(site) as url:
            context = browser.new_context()
            at_home(context, url)
            page = context.new_page()
            page.set_default_timeout(300_000)
            page.goto(url)
            found: dict[str, Any] = page.evaluate(ASK, [f"models/model-{quant}.gguf", list(messages)])
            context.close()
        return found

    yield answer


@pytest.mark.parametrize("quant", QUANTS)
def test_a_real_model_answers(
    quant: str,
    smollm2: Path,
    real_core: Path,
    fake_inputs: Callable[[Path], dict[str, Path]],
    make_site: Callable[..., object],
    ask: Callable[..., dict[str, Any]],
    context: Context,
    tmp_path: Path,
) -> None:
    inputs = fake_inputs(tmp_path / "inputs")
    shutil.copyfile(smollm2 / f"model-{quant}.gguf", inputs["export"] / f"model-{quant}.gguf")
    shutil.rmtree(inputs["wasm"] / "threads")
    shutil.copytree(real_core, inputs["wasm"] / "threads")
    for path in runtime_dir().glob("*.mjs"):
        shutil.copyfile(path, inputs["wasm"] / "runtime" / path.name)
    limits = {"threads": usable_bytes("threads")}
    write_json(
        inputs["wasm"] / "memory.json",
        {"variants": ["threads"], "limits": limits, "n_ctx": 512, "n_batch": 64, "threads": 2, "models": {}},
    )
    bench = json.loads((inputs["bench"] / "report.json").read_text())
    write_json(inputs["bench"] / "report.json", {"files": [{**bench["files"][0], "name": f"model-{quant}.gguf"}]})
    make_site(inputs, tmp_path / "site", context, quants=(quant,))
    found = ask(tmp_path / "site", quant, SYSTEM, {"role": "user", "content": QUESTION})
    assert "Paris" in found["text"]
    assert found["stop_reason"] == "eos", "it stops at the end of its turn"


@pytest.mark.parametrize("quant", QUANTS)
def test_the_trained_model_answers_in_both_languages(
    quant: str, trained: Path, ask: Callable[..., dict[str, Any]]
) -> None:
    english = ask(trained / "site", quant, {"role": "user", "content": QUESTION})
    japanese = ask(trained / "site", quant, {"role": "user", "content": GREETING})
    assert "Paris" in english["text"]
    kana = [char for char in japanese["text"] if "ぁ" <= char <= "ヿ"]
    assert len(kana) > len(japanese["text"]) / 4, japanese["text"]
