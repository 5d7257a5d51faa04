"""llama.cpp in a child process: what it measures, and what it says when a file or the child is broken."""

import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import gguf
import numpy as np
import psutil
import pytest

from lilm.errors import LilmError
from lilm.export.quantise import quantise
from lilm.llamacpp.characters import BETWEEN, Characters
from lilm.llamacpp.engine import Engine, quantize
from lilm.pipeline.artifact import Manifest, describe_outputs

TEXT = "Once upon a time there was a little girl. きょうは天気がいいので、公園へ行きました。"


def divergence(export: Path, name: str) -> float:
    with Engine(export / name, n_ctx=128, threads=2, reference=export / "model-f16.gguf") as engine:
        score = engine.score(engine.tokenize(TEXT))
    assert score.kld is not None
    return float(score.kld.mean())


def test_divergence_grows_with_fewer_bits(random_export: Path) -> None:
    assert divergence(random_export, "model-f16.gguf") == pytest.approx(0, abs=1e-9)
    eight, six, four = (divergence(random_export, f"model-{quant}.gguf") for quant in ("Q8_0", "Q6_K", "Q4_0"))
    assert 0 < eight < six < four


def test_score_is_what_the_logits_say(random_export: Path) -> None:
    reference = random_export / "model-f16.gguf"
    with Engine(random_export / "model-Q4_0.gguf", n_ctx=128, threads=2, reference=reference) as engine:
        tokens = engine.tokenize(TEXT)
        score = engine.score(tokens)
        logits = engine.logits(tokens).astype(np.float64)
    with Engine(reference, n_ctx=128, threads=2) as engine:
        full = engine.logits(tokens).astype(np.float64)
    ours, theirs = (x - np.log(np.exp(x).sum(-1, keepdims=True)) for x in (logits[:-1], full[:-1]))
    assert score.kld is not None
    assert score.same_top is not None
    assert score.nll == pytest.approx(-ours[np.arange(len(tokens) - 1), tokens[1:]], abs=1e-4)
    assert score.kld == pytest.approx((np.exp(theirs) * (theirs - ours)).sum(-1), abs=1e-4)
    assert (score.same_top == (ours.argmax(-1) == theirs.argmax(-1))).all()


def test_greedy_is_the_best_token_each_time(random_export: Path) -> None:
    """Of those that may come: its random weights would write bytes that are no characters."""
    with Engine(random_export / "model-Q8_0.gguf", n_ctx=128, threads=2) as engine:
        prompt = engine.tokenize("The cat")
        said = engine.greedy(prompt, 8, stop=False)
        logits = engine.logits([*prompt, *said.ids])
    names = gguf.GGUFReader(random_export / "model-Q8_0.gguf").fields["tokenizer.ggml.tokens"].contents()
    pieces = [bytes([int(name[3:5], 16)]) if re.match("<0x..>$", name) else name.encode() for name in names]
    characters, state = Characters(pieces), BETWEEN
    for row, token, gap in zip(logits[len(prompt) - 1 :].copy(), said.ids, said.gaps, strict=False):
        characters.mask(row, state)
        second, best = np.sort(row)[-2:]
        assert row[token] >= best - 1e-2
        assert gap == pytest.approx(best - second, abs=2e-2)
        state = characters.after(state, token)


@pytest.mark.parametrize("share", [0.001, 0.1, 0.9])
def test_a_truncated_file_is_named(random_export: Path, tmp_path: Path, share: float) -> None:
    data = (random_export / "model-Q4_0.gguf").read_bytes()
    path = tmp_path / "cut.gguf"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(LilmError) as caught:
        Engine(path, n_ctx=64, threads=1)
    assert caught.value.where == str(path)
    assert "cannot load" in caught.value.what
    assert caught.value.remedy == "fetch or convert the file again"
    with pytest.raises(LilmError, match="cannot quantise"):
        quantize(path, tmp_path / "out.gguf", 7, threads=1)


def test_only_a_file_that_a_stage_made_is_made_again(
    random_export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run" / "export"
    folder.mkdir(parents=True)
    (folder / "model-Q4_0.gguf").write_bytes((random_export / "model-Q4_0.gguf").read_bytes())
    outputs = describe_outputs(folder, ())
    Manifest("export", "0", {}, {}, outputs, (), {}).write(folder)
    monkeypatch.chdir(folder)
    for name in ("model-Q4_0.gguf", "fetched.gguf"):
        (folder / name).write_bytes(b"GGUF and then nothing")
        with pytest.raises(LilmError) as caught:
            Engine(Path(name), n_ctx=64, threads=1)
        again = f"make it again: `lilm run --run {tmp_path / 'run'} --from export`"
        assert caught.value.remedy == (again if name in outputs else "fetch or convert the file again")


def test_what_is_no_gguf_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "page.gguf"
    path.write_text("<html>not found</html>")
    with pytest.raises(LilmError, match="not a GGUF file"):
        Engine(path, n_ctx=64, threads=1)
    with pytest.raises(LilmError, match="no such file"):
        Engine(tmp_path / "none.gguf", n_ctx=64, threads=1)
    with pytest.raises(LilmError, match="a folder, not a GGUF file"):
        Engine(tmp_path, n_ctx=64, threads=1)


def test_requantising_is_refused_with_llama_cpps_words(random_export: Path, tmp_path: Path) -> None:
    with pytest.raises(LilmError, match="requantizing from type q8_0 is disabled"):
        quantize(random_export / "model-Q8_0.gguf", tmp_path / "out.gguf", 2, threads=1)


def test_a_disk_that_is_full_is_not_blamed_on_the_model(random_export: Path, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, before[1]))
    try:
        with pytest.raises(LilmError, match="free on the disk") as caught:
            quantise(random_export / "model-f16.gguf", tmp_path / "out.gguf", "Q8_0", 1, lambda done, total: None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.where.startswith(str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_a_window_that_does_not_fit_is_a_value_error(random_export: Path) -> None:
    with Engine(random_export / "model-Q4_0.gguf", n_ctx=64, threads=1) as engine:
        with pytest.raises(ValueError, match="do not fit a context of 64"):
            engine.logits([1] * 65)
        with pytest.raises(ValueError, match="outside the vocabulary"):
            engine.logits([999_999])
        assert engine.logits([1, 2]).shape == (2, engine.n_vocab)


def test_a_child_that_dies_leaves_its_last_words(random_export: Path) -> None:
    with Engine(random_export / "model-Q4_0.gguf", n_ctx=64, threads=1) as engine:
        os.kill(engine._client.pid or 0, signal.SIGSEGV)
        with pytest.raises(LilmError, match=r"ended with signal 11.*compute buffer size"):
            engine.tokenize(TEXT)


def test_what_nobody_foresaw_is_the_error_of_one_request(random_export: Path) -> None:
    with Engine(random_export / "model-Q4_0.gguf", n_ctx=64, threads=1) as engine:
        with pytest.raises(ValueError, match="UnicodeEncodeError"):
            engine.tokenize("\ud800")
        assert engine.tokenize(TEXT)


def test_a_child_that_died_is_followed_by_another(random_export: Path) -> None:
    with Engine(random_export / "model-Q4_0.gguf", n_ctx=64, threads=1) as engine:
        ids = engine.tokenize(TEXT)
        os.kill(engine._client.pid or 0, signal.SIGSEGV)
        with pytest.raises(LilmError, match="ended with signal 11"):
            engine.tokenize(TEXT)
        assert engine.tokenize(TEXT) == ids


def test_the_child_ends_when_its_parent_is_killed(random_export: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from lilm.llamacpp.engine import Engine\n"
        "engine = Engine(Path(sys.argv[1]), n_ctx=64, threads=1)\n"
        "print(engine._client.pid, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(random_export / "model-Q4_0.gguf")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    assert psutil.wait_procs([child], timeout=10)[1] == []
