"""The JavaScript API that the page uses, driven in node through its worker."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from lilm.wasm.javascript import copy_runtime, runtime_dir
from lilm.wasm.limits import usable_bytes
from lilm.wasm.verify.node import runs_in_node

LIMITS = {"threads": usable_bytes("threads")}
TABLE = {"n_ctx": 512, "n_batch": 64, "threads": 4, "limits": LIMITS, "variants": ["threads"], "models": {}}


@pytest.fixture
def base(wasm_dir: Path) -> Path:
    (wasm_dir / "memory.json").write_text(json.dumps(TABLE))
    return wasm_dir


def drive(base: Path, gguf: Path, scenario: str, **options: Any) -> dict[str, Any]:
    """options: of the loading."""
    command = ["node", str(Path(__file__).with_name("drive.mjs"))]
    command += [runtime_dir().as_uri(), base.as_uri() + "/", str(gguf), scenario, json.dumps(options)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_texts_come_in_whole_characters(base: Path, speller: Path) -> None:
    out = drive(base, speller, "stream")
    assert out["answer"]["texts"] == list("a é日🎉z")
    result = out["answer"]["result"]
    assert result["text"] == "a é日🎉z"
    assert result["tokens"] == len("a é日🎉z".encode())
    assert result["stop_reason"] == "eos"
    size, last = speller.stat().st_size, out["progress"][-1]
    assert (last["phase"], last["loaded"], last["total"]) == ("load", size, size)
    assert last["speed"] >= 0


def test_a_stop_takes_effect_at_once(base: Path, endless: Path) -> None:
    """Asked for at the fifth text. This model makes a token in less time than a message takes from thread to thread on
    a busy machine, so some may be on their way; without the stop there would be two thousand."""
    answer = drive(base, endless, "stop")["answer"]
    assert answer["stopped"]["stop_reason"] == "aborted"
    assert answer["seen"] <= 40
    assert answer["after"]["text"].startswith("a ") and answer["after"]["stop_reason"] == "length"


def test_generations_wait_for_each_other(base: Path, endless: Path) -> None:
    answer = drive(base, endless, "queue")["answer"]
    assert answer["first"]["tokens"] == 50 and answer["first"]["stop_reason"] == "length"
    assert answer["second"]["tokens"] == 0 and answer["second"]["stop_reason"] == "aborted"


def test_a_second_turn_reuses_the_first(base: Path, endless: Path) -> None:
    answer = drive(base, endless, "turns")["answer"]
    assert answer["first"]["cached_tokens"] == 0
    assert answer["second"]["cached_tokens"] >= answer["first"]["prompt_tokens"] - 1


def test_words_and_statistics(base: Path, speller: Path) -> None:
    answer = drive(base, speller, "words")["answer"]
    assert answer["text"] == "\ufeff日本語🎉"
    stats = answer["stats"]
    assert (stats["variant"], stats["threads"], stats["n_ctx"], stats["n_batch"]) == ("threads", 2, 512, 64)
    assert stats["has_chat_template"] and stats["metadata"]["general.architecture"] == "llama"
    assert answer["info"]["n_vocab"] == stats["n_vocab"] == 260


def test_an_option_that_is_no_number_of_its_kind_is_refused(base: Path, speller: Path) -> None:
    """They were taken for some number: a text or NaN as n_predict went on to the end of the context."""
    answer = drive(base, speller, "odd")["answer"]
    assert answer["said"][:2] == [
        'unsupported: n_predict is "3", and it has to be a whole number from -1 on',
        "unsupported: n_predict is NaN, and it has to be a whole number from -1 on",
    ]
    assert all(" and it has to be a" in line for line in answer["said"]), answer["said"]
    assert answer["after"] == "a é日🎉z"


@pytest.mark.parametrize("wrong", [{"threads": 0}, {"threads": -1}, {"n_ctx": -1}, {"n_ctx": "256"}, {"n_batch": 0}])
def test_a_size_that_is_none_is_refused_before_the_loading(wrong: dict[str, Any], base: Path, speller: Path) -> None:
    """Without threads to compute, the loading never ended."""
    error = drive(base, speller, "words", **wrong)["error"]
    assert error["kind"] == "unsupported" and error["message"].startswith(f"{next(iter(wrong))} is ")


def test_minus_1_counts_repetition_in_the_whole_context(base: Path, endless: Path) -> None:
    """As for llama.cpp's tools; its library takes it for 0."""
    none, *all_of_them = drive(base, endless, "repeats")["answer"]
    assert none == "a é日🎉zSa é日"  # 20 tokens of it
    assert none not in all_of_them and all_of_them == 3 * all_of_them[:1]


def test_half_a_character_is_read_and_what_is_no_text_is_told(base: Path, speller: Path) -> None:
    half, replaced, none, tokens = drive(base, speller, "halves")["answer"]
    assert half == replaced > 0
    assert none == "unsupported: the content of message 1 is no text but null"
    assert tokens == "unsupported: 260 is no token: the model's have the numbers 0 to 259"


def test_a_file_s_name_may_have_a_percent_sign(base: Path, speller: Path, tmp_path: Path) -> None:
    odd = tmp_path / "100%.gguf"
    odd.symlink_to(speller)
    assert drive(base, odd, "words")["answer"]["text"] == "\ufeff日本語🎉"
    assert drive(base, tmp_path / "0%-00001-of-00002.gguf", "words")["error"]["kind"] == "network"


def test_an_unloaded_model_says_so(base: Path, speller: Path) -> None:
    assert drive(base, speller, "unload")["answer"] == {"kind": "aborted", "message": "the model is unloaded"}


def test_loading_can_be_stopped_and_fails_plainly(base: Path, speller: Path, tmp_path: Path) -> None:
    assert drive(base, speller, "abort-load")["error"]["kind"] == "aborted"
    assert drive(base, speller, "abort-begun-load")["error"]["kind"] == "aborted"
    assert drive(base, tmp_path / "nothing.gguf", "words")["error"]["kind"] == "network"
    assert drive(tmp_path, speller, "words")["error"]["kind"] == "network"
    (tmp_path / "page.gguf").write_text("<html>not found</html>")
    assert drive(base, tmp_path / "page.gguf", "words")["error"]["kind"] == "not_a_gguf"


def test_too_big_a_file_is_told_before_it_is_read(base: Path, tmp_path: Path) -> None:
    huge = tmp_path / "huge.gguf"
    with huge.open("wb") as file:
        file.write(b"GGUF" + b"\0" * 60)
        file.truncate(5 << 30)
    assert drive(base, huge, "words")["error"]["kind"] == "too_big"


def test_a_missing_build_is_told(base: Path, speller: Path, tmp_path: Path) -> None:
    (tmp_path / "memory.json").write_text(json.dumps(TABLE))
    assert drive(tmp_path, speller, "words")["error"]["kind"] == "network"
    (tmp_path / "memory.json").write_text(json.dumps(TABLE | {"variants": []}))
    assert drive(tmp_path, speller, "words")["error"]["kind"] == "unsupported"
    (tmp_path / "memory.json").write_text(json.dumps(TABLE | {"limits": {}}))
    assert "no limit for the build threads" in drive(tmp_path, speller, "words")["error"]["message"]


def test_the_modules_are_valid_and_need_nothing_else(tmp_path: Path) -> None:
    """The stage copies a list of modules: what they import is on it."""
    copy_runtime(tmp_path)
    script = f"await import('{tmp_path.as_uri()}/lilm.mjs'); await import('{tmp_path.as_uri()}/engine.mjs')"
    done = subprocess.run(["node", "--input-type=module", "-e", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_relaxed_build_is_chosen_where_it_is_there_and_runs(tmp_path: Path) -> None:
    script = tmp_path / "choose.mjs"
    script.write_text(
        f'import {{ chooseBuild }} from "{(runtime_dir() / "core.mjs").as_uri()}";\n'
        "console.log(process.versions.node.split('.')[0]);\n"
        'console.log(chooseBuild({}, "threads"), chooseBuild({ relaxed: ["single"] }, "threads"));\n'
        'console.log(chooseBuild({ relaxed: ["threads"] }, "threads"));\n'
    )
    done = subprocess.run(["node", str(script)], capture_output=True, text=True, check=True)
    release, *chosen = done.stdout.split()
    has_it = int(release) >= 21  # V8 11.4 brought relaxed SIMD
    assert chosen == ["threads", "threads", "threads-relaxed" if has_it else "threads"]
    assert runs_in_node("threads-relaxed") == has_it


NATIVE = """
import json, sys
import llama_cpp
model = llama_cpp.Llama(sys.argv[1], embedding=True, pooling_type=int(sys.argv[2]), verbose=False)
print(json.dumps([model.embed(text, normalize=True) for text in ("Sa", "zS")]))
"""


@pytest.mark.parametrize("pooling", [None, gguf.PoolingType.LAST], ids=["mean", "as the file says"])
def test_embeddings_are_those_of_native_llama_cpp(
    pooling: gguf.PoolingType | None, base: Path, tmp_path: Path, speller_writer: Callable[..., Path]
) -> None:
    endless = speller_writer(tmp_path / "endless.gguf", cycle=True, pooling=pooling)
    answer = drive(base, endless, "embed")["answer"]
    kind = str(int(pooling or gguf.PoolingType.MEAN))
    command = [sys.executable, "-c", NATIVE, str(endless), kind]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    native = np.array(json.loads(done.stdout))
    one, other, again = np.array(answer["vectors"])
    assert np.linalg.norm(one) == pytest.approx(1, abs=1e-5)
    assert one @ native[0] > 0.9999 and other @ native[1] > 0.9999
    assert one @ other < 0.99
    assert (one == again).all()
    assert answer["text"] == "a é" and answer["same"] and answer["kept"] > 0  # the chat was left alone
    assert answer["long"] == "context_full"
