"""`lilm init` writes a recipe that runs: of one's own text by options or questions, or a shipped one."""

import gzip
import os
import pty
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from lilm.cli import init
from lilm.cli.init import write_own, write_shipped
from lilm.errors import LilmError
from lilm.recipe import Recipe, load_recipe


@pytest.fixture
def texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with text in the folder that one is in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "texts" / "more").mkdir(parents=True)
    (tmp_path / "texts" / "a.txt").write_text("吾輩は猫である。", encoding="utf-8")
    (tmp_path / "texts" / "more" / "b.md").write_text("名前はまだ無い。", encoding="utf-8")
    return tmp_path / "texts"


def written(folder: str) -> Recipe:
    return load_recipe(f"{folder}/lilm.toml")


def test_a_recipe_of_ones_own(texts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_own(Path("models/mine"), 'Neko "1"', "Japanese", "texts", None)
    recipe = written("models/mine")
    assert (recipe.site.title, recipe.name, recipe.language) == ('Neko "1"', "Neko-1", "ja")
    assert Path(recipe.corpus.sources[0].path).resolve() == texts, "though the recipe lies elsewhere"
    assert not any("うさぎ" in prompt for prompt in recipe.site.prompts)
    said = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("note: ")]
    assert "2 files of text" in said[0]
    assert (
        said[1].startswith("next: cd models/mine && lilm plan here") and said[2] == "then: cd models/mine && lilm run"
    )


@pytest.mark.parametrize(("lang", "doubts"), [("my", False), ("zz", True)])
def test_a_code_that_nobody_knows_is_doubted(
    lang: str, doubts: bool, texts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_own(Path("mine"), None, lang, "texts", None)
    assert ("no language 'zz' is known here" in capsys.readouterr().out) is doubts
    assert written("mine").language == lang


def test_a_folder_behind_a_link_finds_the_text(texts: Path) -> None:
    (texts.parent / "far" / "away").mkdir(parents=True)
    Path("near").symlink_to("far/away")
    write_own(Path("near/mine"), None, None, "texts", None)
    assert Path(written("near/mine").corpus.sources[0].path).resolve() == texts


def test_it_trains_as_the_shipped_recipe_for_ones_own_text(texts: Path) -> None:
    write_own(Path("mine"), "x", None, "texts", None)
    mine, shipped = (one.model_dump() for one in (written("mine"), load_recipe("smollm2-ja")))
    for key in ("corpus", "site", "name", "bench"):
        del mine[key], shipped[key]
    assert mine == shipped


@pytest.mark.parametrize(("lang", "pieces", "chats"), [("ko", 3000, 1), ("de", 3000, 1), ("ja", 3000, 2)])
def test_other_languages(texts: Path, lang: str, pieces: int, chats: int) -> None:
    write_own(Path("mine"), None, lang, "texts", "a/b")
    recipe = written("mine")
    assert (recipe.language, recipe.tokenizer.pieces, len(recipe.finetune.sources)) == (lang, pieces, chats)
    assert (recipe.base.kind, recipe.base.repo, recipe.site.title) == ("hub", "a/b", "mine")


def test_bases_that_need_no_hub(texts: Path) -> None:
    Path("base.gguf").write_bytes(b"GGUF")
    write_own(Path("one"), None, None, "texts", "base.gguf")
    recipe = written("one")
    assert (recipe.base.kind, Path(recipe.base.path).resolve()) == ("gguf", Path("base.gguf").resolve())
    assert "hub" not in {source.format for source in (*recipe.corpus.sources, *recipe.finetune.sources)}
    write_own(Path("two"), None, None, "texts", "https://example.org/base.gguf")
    assert written("two").base.url == "https://example.org/base.gguf"


@pytest.mark.parametrize(
    ("text", "lang", "base", "expected"),
    [
        ("nothing", "ja", None, "no such file"),
        ("empty", "ja", None, "no file in this folder"),
        ("texts", "klingon", None, "no code of a language"),
        ("texts", "English", None, "knows English already"),
        ("texts", "ja", "x.gguf", "no such file or folder"),
        ("texts", "ja", "tiny llama", "is no base"),
        ("letter.docx", "ja", None, r"letter\.docx \(a Word document\)"),
    ],
)
def test_what_cannot_be_is_told_and_nothing_written(
    texts: Path, text: str, lang: str, base: str | None, expected: str
) -> None:
    Path("empty").mkdir()
    Path("letter.docx").write_bytes(b"PK\x03\x04rest")
    with pytest.raises(LilmError, match=expected):
        write_own(Path("mine"), None, lang, text, base)
    assert not Path("mine").exists()


def test_files_that_are_no_text_are_left_out_when_asked(texts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (texts / "more" / "paper's.pdf").write_bytes(b"%PDF-1.4\n")
    (texts / "rows.csv").write_text("id,text\n1,吾輩は猫である。\n", encoding="utf-8")
    with pytest.raises(LilmError) as refused:
        write_own(Path("my models/mine"), "It's", "ko", "texts", "a/b")
    assert refused.value.what == "1 of 4 files is no text: paper's.pdf (a PDF)"
    again = shlex.split(refused.value.remedy.split("`")[1])
    given = ["--name", "It's", "--lang", "ko", "--text", "texts", "--base", "a/b"]
    assert again[1:] == ["init", "my models/mine", *given, "--leave-out"]
    write_own(Path("mine"), None, None, "texts", None, leave_out=True)
    assert written("mine").corpus.max_bad == 0.25
    said = capsys.readouterr().out
    assert "3 files of text" in said and "left out: 1 of 4 files is no text: paper's.pdf" in said
    (texts / "more" / "paper's.pdf").unlink()
    write_own(Path("other"), None, None, "texts", None, leave_out=True)
    assert written("other").corpus.max_bad == 0.01, "as every recipe has it"


def test_text_that_cannot_be_read_to_its_end_is_found_before_the_run(
    texts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the beginning does not show; and empty files, which a run does not count."""
    (texts / "old.txt").write_bytes("猫がいる。".encode("cp932"))
    (texts / "late.txt").write_bytes(("猫がいる。\n" * 20_000).encode() + b"\0")
    (texts / "cut.txt.gz").write_bytes(gzip.compress("猫がいる。".encode())[:-9])
    for number in range(9):
        (texts / f"empty{number}.txt").touch()
    with pytest.raises(LilmError) as refused:
        write_own(Path("mine"), None, "ko", "texts", None)
    assert refused.value.what.startswith("3 of 14 files are no text: cut.txt.gz (broken or cut short")
    assert "late.txt (NUL byte), old.txt (byte 0x94 is not utf-8)" in refused.value.what
    write_own(Path("mine"), None, "ko", "texts", None, leave_out=True)
    assert written("mine").corpus.max_bad == 0.6, "of five records"
    for name in ("a.txt", "more/b.md"):
        (texts / name).write_text(" \n", encoding="utf-8")
    with pytest.raises(LilmError, match="3 of 14 files are no text"):
        write_own(Path("other"), None, "ko", "texts", None, leave_out=True)


def test_marks_and_text_that_is_read_too_often_are_told(texts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (texts / "film.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\n猫。\n\n" * 3, encoding="utf-8")
    write_own(Path("mine"), None, None, "texts", None)
    said = capsys.readouterr().out
    assert "note: 1 file has marks, which are learnt as text: film.srt (subtitles with times)" in said
    steps = re.search(r"read about [\d,]+ times, .*pretrain\.stage2\.steps = (\d+)", said)
    assert steps and int(steps[1]) < written("mine").pretrain.stage2.steps
    (texts / "film.srt").unlink()
    (texts / "a.txt").write_text("吾輩は猫である。" * 100_000, encoding="utf-8")
    write_own(Path("other"), None, None, "texts", None)
    assert "note: " not in capsys.readouterr().out


def test_a_shipped_recipe_gets_the_users_title(texts: Path) -> None:
    write_shipped(Path("mine"), "quickstart", "猫の本")
    assert (written("mine").site.title, written("mine").name) == ("猫の本", "model")
    with pytest.raises(LilmError, match="there is one already"):
        write_shipped(Path("mine"), "quickstart", None)


def test_questions_are_asked_again_until_the_answer_can_be(
    texts: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter(["猫", "日本語", "nowhere", "texts", "no base", "a/b"])
    monkeypatch.setattr(init.typer, "prompt", lambda *_, **__: next(answers))
    init.ask(Path("mine"))
    assert written("mine").site.title == "猫"
    assert "no such file" in (errors := capsys.readouterr().err) and "is no base" in errors


def run(tmp_path: Path, *arguments: str, **options: object) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-m", "lilm", "init", *arguments], cwd=tmp_path, **options)  # type: ignore[call-overload, no-any-return]


def test_only_a_terminal_without_options_is_asked(texts: Path, tmp_path: Path) -> None:
    assert run(tmp_path, "quiet", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL).wait() == 0
    assert written("quiet").name == "quickstart"
    main, other = pty.openpty()
    process = run(tmp_path, "asked", stdin=other, stdout=other, stderr=other)
    os.close(other)
    os.write(main, b"Cat\n\ntexts\n\n")
    said = b""
    while chunk := _read(main):
        said += chunk
    assert process.wait() == 0, said
    assert written("asked").site.title == "Cat" and b"folder or file of your text" in said
    both = run(tmp_path, "both", "--recipe", "quickstart", "--text", "texts", stderr=subprocess.PIPE)
    assert b"--text and --recipe" in both.communicate()[1] and both.returncode == 2


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # how Linux says that the other end is closed
        return b""
