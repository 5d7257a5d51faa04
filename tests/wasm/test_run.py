"""The browser's llama.cpp outside of browsers: in node by the command line, and as a WASI program in wasmtime."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import gguf
import pytest

from lilm.errors import LilmError
from lilm.export.gguf_writer import write_gguf
from lilm.export.quantise import quantise
from lilm.export.talk.forged import attacks
from lilm.export.talk.models import make_model
from lilm.llamacpp.engine import Engine
from lilm.progress import Reporter
from lilm.wasm.run import chat_prompt, run_model
from lilm.wasm.wasi.build import build_wasi
from lilm.wasm.wasi.run import Sampling, run_wasi
from tests.conftest import lilm

PROMPT = "Once upon a time, there was a little"
GREEDY = Sampling(n_predict=24, temperature=0, repeat_penalty=1)


@pytest.fixture(scope="module")
def program() -> Path:
    pytest.importorskip("wasmtime")
    pytest.importorskip("ziglang")
    return build_wasi(Reporter(quiet=True))


@pytest.fixture(scope="module")
def real_gguf(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wasi")
    hf = folder / "hf"
    hf.mkdir()
    for file in (shared_data / "model" / "stories260K-hf").iterdir():
        shutil.copyfile(file, hf / file.name)
    write_gguf(hf, folder / "f16.gguf", ("en",))
    quantise(folder / "f16.gguf", folder / "q8.gguf", "Q8_0", 2, lambda done, total: None)
    return folder / "q8.gguf"


def test_wasmtime_says_what_native_llama_cpp_says(program: Path, real_gguf: Path) -> None:
    heard: list[str] = []
    done = run_wasi(program, real_gguf, [PROMPT], GREEDY, 256, heard.append)
    with Engine(real_gguf, n_ctx=256, threads=1) as engine:
        native, prompt = engine.greedy(PROMPT, 24), engine.tokenize(PROMPT)
    assert done.text == native.text == "".join(heard)
    assert (done.tokens, done.prompt_tokens) == (24, len(prompt))
    assert done.seconds > 0


def test_a_special_token_is_an_id_and_what_looks_like_one_is_text(program: Path, speller: Path) -> None:
    with Engine(speller, n_ctx=256, threads=1) as engine:
        plain = len(engine.tokenize("</s>a"))
    counts = [run_wasi(program, speller, one, GREEDY, 256).prompt_tokens for one in (["</s>a"], [2, "a"], [1, "a"])]
    assert counts == [plain, 3, 2]


def test_characters_come_whole_and_the_end_token_ends(program: Path, speller: Path) -> None:
    heard: list[str] = []
    done = run_wasi(program, speller, ["S"], GREEDY, 256, heard.append)
    assert done.text == "a é日🎉z" and heard == list("a é日🎉z")


def test_a_character_that_is_cut_off_by_the_end_is_left_out(program: Path, speller: Path) -> None:
    """The text ends within é, 日 and 🎉, whose bytes are tokens."""
    for count, said in ((3, "a "), (6, "a é"), (10, "a é日")):
        heard: list[str] = []
        done = run_wasi(program, speller, ["S"], replace(GREEDY, n_predict=count), 256, heard.append)
        assert done.text == "".join(heard) == said


def test_a_prompt_that_is_no_text_is_read_as_node_reads_it(
    program: Path, wasm_dir: Path, speller: Path, tmp_path: Path
) -> None:
    """Broken UTF-8 on the command line, and from a file: no traceback, and the same answer."""
    for broken in (b"\xe3\x81S", b"S\xff"):
        said = []
        for way in ("--wasi", "--node"):
            done = lilm("wasm", "run", speller, "-p", os.fsdecode(broken), "-n", "3", "--temperature", "0", way)
            assert done.returncode == 0, done.stderr
            said.append(done.stdout)
        assert said[0] == said[1], broken
    (tmp_path / "prompt.txt").write_bytes(b"\xe3\x81S")
    with (tmp_path / "prompt.txt").open("rb") as file:
        done = lilm("wasm", "run", speller, "-n", "3", "--temperature", "0", "--wasi", stdin=file)
    assert (done.returncode, done.stdout) == (0, "a \n"), done.stderr


def test_a_long_prompt_for_a_broken_file_is_one_line(program: Path, speller: Path, tmp_path: Path) -> None:
    """The program ends before it has read the prompt."""
    (tmp_path / "cut.gguf").write_bytes(speller.read_bytes()[:-3000])
    with pytest.raises(LilmError, match=r"cut.gguf: .*(file|read)"):
        run_wasi(program, tmp_path / "cut.gguf", ["S" * 1_000_000])


def test_what_cannot_be_run_is_told_by_name(program: Path, speller: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.gguf").write_bytes(speller.read_bytes()[:-3000])
    (tmp_path / "text.gguf").write_text("no model")
    with pytest.raises(LilmError, match="not a GGUF file"):
        run_wasi(program, tmp_path / "text.gguf", ["S"])
    with pytest.raises(LilmError, match=r"cut.gguf: .*(file|read)"):
        run_wasi(program, tmp_path / "cut.gguf", ["S"])
    with pytest.raises(LilmError, match=r"the prompt has .* tokens, the context 256"):
        run_wasi(program, speller, ["S" * 300], GREEDY, 256)


def test_files_of_the_users_folder_are_none_of_pythons(
    speller: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wasmtime")
    (tmp_path / "wasmtime.py").write_text("raise SystemExit('the user has one too')\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LilmError, match=r"none\.wasm"):
        run_wasi(tmp_path / "none.wasm", speller, ["S"])


def test_without_its_packages_wasi_says_what_to_install(monkeypatch: pytest.MonkeyPatch, speller: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(LilmError, match=r"wasmtime is not installed.*lilm\[wasi\]"):
        run_wasi(Path("none.wasm"), speller, ["S"])
    with pytest.raises(LilmError, match=r"ziglang is not installed.*lilm\[wasi\]"):
        build_wasi(Reporter(quiet=True))


def test_a_chat_is_rendered_by_the_models_own_template(speller: Path) -> None:
    assert chat_prompt(speller, "S</s>") == [1, "user\nS</s>", 2, "\n", 1, "assistant\n"]


@pytest.mark.parametrize("name", ["plain", "llama3"])
def test_forged_marks_in_a_chat_are_text_in_wasmtime(program: Path, tmp_path: Path, name: str) -> None:
    model = make_model(name, tmp_path / name)
    typed = [chat[-1]["content"] for chat in attacks(model, 40, 0)]
    typed = [text for text in typed if any(mark in text for mark in model.vocabulary.control)][:12]
    assert len(typed) > 5
    for text in typed:
        prompt = chat_prompt(model.gguf, text)
        trained = model.prompt([{"role": "user", "content": text}])
        marks = set(model.vocabulary.control.values())
        assert [at for at in prompt if isinstance(at, int)] == [at for at in trained if at in marks]
        assert run_wasi(program, model.gguf, prompt, Sampling(n_predict=1), 256).prompt_tokens == len(trained), text


def test_a_template_that_fails_is_one_line_about_the_file(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "foreign.gguf", "llama")
    writer.add_chat_template("{{ raise_exception('not this one') }}")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    with pytest.raises(LilmError, match="not this one — use --prompt") as caught:
        chat_prompt(tmp_path / "foreign.gguf", "S")
    assert caught.value.where == str(tmp_path / "foreign.gguf")


def test_node_by_the_command_line(wasm_dir: Path, speller: Path) -> None:
    done = lilm("wasm", "run", speller, "-p", "S", "--temperature", "0")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("a é日🎉z\n")


def test_the_command_line_needs_a_gguf(tmp_path: Path) -> None:
    (tmp_path / "text.gguf").write_text("no model")
    done = lilm("wasm", "run", tmp_path / "text.gguf", "-p", "a")
    assert done.returncode == 2
    assert "not a GGUF file" in done.stderr


def test_a_broken_file_is_refused_before_anything_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(*_: object) -> None:
        raise AssertionError("it was built")

    monkeypatch.setattr("lilm.wasm.build.build_variant", build)
    (tmp_path / "m.gguf").write_bytes(b"GGUF" + b"\xff" * 40)
    with pytest.raises(LilmError, match="GGUF"):
        run_model(tmp_path / "m.gguf", "a", chat=True, wasi=False, sampling={}, reporter=Reporter(quiet=True))


def test_a_prompt_and_a_chat_at_once_are_refused() -> None:
    done = lilm("wasm", "run", "model.gguf", "-p", "S", "--chat", "a")
    assert done.returncode == 2
    assert done.stderr == "lilm: lilm wasm run: --prompt and --chat are both given — give one of them\n"
