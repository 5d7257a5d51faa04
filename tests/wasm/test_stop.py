"""A stop ends the text within one token, also while that one is evaluated."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import pytest

from lilm.wasm.limits import usable_bytes

# A token of this model takes tens of milliseconds, a message from the worker one: what came before the stop is known.
LAYERS = {"n_embd": 2048, "n_ff": 5632, "n_layer": 4, "kind": gguf.GGMLQuantizationType.Q4_0}
LIMITS = {"threads": usable_bytes("threads")}
TABLE = {"n_ctx": 512, "n_batch": 64, "threads": 2, "limits": LIMITS, "variants": ["threads"], "models": {}}
STOP = """
    const model = await load("m.gguf", { base: "./", keep: false, threads: 2, adapt: ADAPT });
    const controller = new AbortController();
    let before = 0;
    const onToken = (text, { tokens }) => {
      if (tokens < 5 || before) return;
      before = tokens;
      controller.abort();
    };
    const options = { temperature: 1, ignore_eos: true };
    const stopped = await model.complete("abc", { ...options, n_predict: 500, signal: controller.signal, onToken });
    return { before, stopped, after: await model.complete("abc", { ...options, n_predict: 3 }) };
"""


@pytest.fixture
def slow(tmp_path: Path, wasm_dir: Path, llama_writer: Callable[..., Path]) -> Path:
    """A folder with the build and m.gguf."""
    llama_writer(tmp_path / "m.gguf", pieces=[(f"<0x{byte:02X}>", 6) for byte in range(256)], **LAYERS)
    shutil.copytree(wasm_dir / "threads", tmp_path / "threads")
    return tmp_path


@pytest.mark.parametrize("adapt", [True, False], ids=["while threads are tried", "with all threads"])
def test_a_stop_takes_effect_within_one_token(adapt: bool, slow: Path, in_chromium: Callable[..., Any]) -> None:
    answer = in_chromium(slow, TABLE, STOP.replace("ADAPT", str(adapt).lower()))
    stopped = answer["stopped"]
    assert answer["before"] >= 5
    assert stopped["stop_reason"] == "aborted"
    assert stopped["tokens"] - answer["before"] <= 1
    assert answer["after"]["tokens"] == 3


WAITING = """
    const model = await load("m.gguf", { base: "./", keep: false, threads: 2 });
    const controller = new AbortController();
    const options = { temperature: 1, ignore_eos: true };
    const asked = model.complete("abc", { ...options, n_predict: 500, signal: controller.signal });
    controller.abort(); // the worker is measuring, and the text waits for it
    return { stopped: await asked, after: await model.complete("abc", { ...options, n_predict: 3 }) };
"""


def test_a_stop_while_threads_are_measured_counts(slow: Path, in_chromium: Callable[..., Any]) -> None:
    answer = in_chromium(slow, TABLE, WAITING)
    assert answer["stopped"]["stop_reason"] == "aborted" and answer["stopped"]["tokens"] == 0
    assert answer["after"]["tokens"] == 3
