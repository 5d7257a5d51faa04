"""`lilm bench languages` on small packages of our own: what is read, what is left out, and what goes on."""

import json
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lilm.errors import LilmError
from lilm.pipeline.hashing import sha256_file
from lilm.pipeline.runner import locked
from lilm.progress import Reporter
from lilm.recipe.corpus import DedupConfig
from lilm.train.languages import bench, debian
from lilm.train.languages.by_pieces import sizes_for
from lilm.train.languages.debian import Package, find_packages
from lilm.train.languages.page import MARK, page
from lilm.train.languages.sources import ENGLISH, LANGUAGES, Language, Source
from lilm.train.languages.texts import Page, read_pages
from lilm.train.stories import stories
from tests.train.made_languages import vietnamese
from tests.train.tokenizer.byte_bases import write_base, write_model

PAGE = '<page xmlns="http://projectmallard.org/1.0/"><info><desc>{}</desc></info>{}</page>'
HELP = '<html><body><p>menu</p><div id="DisplayArea">{}</div></body></html>'


def mallard(lines: list[str]) -> str:
    return PAGE.format(lines[0], "".join(f"<p>{line}</p>" for line in lines[1:]))


def build(folder: Path, name: str, files: dict[str, bytes]) -> Path:
    """A package as Debian has them."""
    root = folder / name
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    (root / "DEBIAN").mkdir()
    control = f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n"
    (root / "DEBIAN" / "control").write_text(control)
    deb = folder / f"{name}_1_all.deb"
    subprocess.run(["dpkg-deb", "--build", "-Znone", str(root), str(deb)], check=True, capture_output=True)
    return deb


def catalogue(messages: dict[str, str]) -> bytes:
    """A .mo file (gettext's manual, chapter 10.3)."""
    pairs = sorted((key.encode(), value.encode()) for key, value in messages.items())
    at = 28 + 16 * len(pairs)
    tables, data = [b"", b""], b""
    for side in (0, 1):
        for pair in pairs:
            tables[side] += struct.pack("<II", len(pair[side]), at + len(data))
            data += pair[side] + b"\0"
    head = struct.pack("<7I", 0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, 0)
    return head + tables[0] + tables[1] + data


def english_lines() -> list[list[str]]:
    """Sentences of stories."""
    return [text.replace("\n", " ").split(". ") for text in stories("en", 300, 0)]


@pytest.fixture(scope="module")
def debs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    if shutil.which("dpkg-deb") is None:
        pytest.skip("no dpkg-deb")
    folder = tmp_path_factory.mktemp("debs")
    english, told = english_lines(), vietnamese()
    pages = {
        f"usr/share/help/{place}/gnome-help/{at}.page": mallard(lines).encode()
        for at, one in enumerate(english)
        for place, lines in (("C", one), ("vi", [*told[at % len(told)].split("\n"), f"{at}", one[0]]))
    }
    helped = {
        f"usr/share/libreoffice/help/{place}/text/a.html": HELP.format(
            f"<p>{line}</p><p class='code'>x = 1</p>"
        ).encode()
        for place, line in (("en-US", "Opens a file."), ("vi", "Mở một tập tin."))
    }
    messages = {
        "": "Content-Type: text/plain; charset=UTF-8\n",
        "menu\x04Open the file that was saved last": "เปิดแฟ้มที่บันทึกไว้ล่าสุดในเครื่องนี้",
    }
    return {
        "gnome-user-docs": build(folder, "gnome-user-docs", pages),
        **{name: build(folder, name, helped) for name in ("libreoffice-help-en-us", "libreoffice-help-vi")},
        "libreoffice-l10n-th": build(folder, "libreoffice-l10n-th", {"usr/lib/x.mo": catalogue(messages)}),
        "mate-user-guide": build(folder, "mate-user-guide", {"usr/share/x": b"x"}),
    }


def test_what_is_not_translated_is_left_out(debs: dict[str, Path]) -> None:
    pages = read_pages(LANGUAGES["vi"], debs)
    english = {line.strip() for one in english_lines() for line in one}
    assert len(pages) > 250 and not any(line in english for one in pages for line in one.text.split("\n"))
    assert all(one.original.split("\n")[0] in english for one in pages)


def test_messages_are_read_with_their_english(debs: dict[str, Path]) -> None:
    assert read_pages(LANGUAGES["th"], debs) == [Page("เปิดแฟ้มที่บันทึกไว้ล่าสุดในเครื่องนี้", "Open the file that was saved last")]
    broken = Language("xx", (Source("gnome-user-docs", "messages", r"usr/share/help/C/gnome-help/(0\.page)"),))
    with pytest.raises(LilmError, match=r"0\.page is no catalogue"):
        read_pages(broken, debs)


def test_a_package_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.deb").write_bytes(b"no package")
    with pytest.raises(LilmError, match="not a Debian package") as error:
        list(debian.read_files(tmp_path / "x.deb", "usr/.*"))
    assert error.value.where == str(tmp_path / "x.deb")


@pytest.fixture
def small(debs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The bench with our packages and a small base; answers how often each was fetched."""
    fetched: dict[str, int] = {}

    def fetch(package: Package, reporter: Reporter) -> Path:
        fetched[package.name] = fetched.get(package.name, 0) + 1
        return debs[package.name]

    found = {name: Package(name, path.name, f"http://x/{path.name}", sha256_file(path)) for name, path in debs.items()}
    monkeypatch.setattr(bench, "find_packages", lambda names: {name: found[name] for name in names})
    monkeypatch.setattr(bench, "fetch", fetch)
    monkeypatch.setattr(bench, "PIECES", 100)
    base = write_base(tmp_path / "base", "smollm", stories("en", 200, 0), 600)
    write_model(base, tied=True)
    monkeypatch.setattr(bench, "_base", lambda root, reporter: base)
    monkeypatch.setattr(bench, "_model", lambda folder, reporter: base)
    corpus = bench._corpus
    alike = DedupConfig(near=1)  # our stories are of one pattern
    monkeypatch.setattr(bench, "_corpus", lambda code, work: corpus(code, work).model_copy(update={"dedup": alike}))
    return fetched


def test_figures_of_a_language_are_kept_for_the_next_time(
    small: dict[str, int], tmp_path: Path, reporter: Reporter
) -> None:
    out, told = tmp_path / "out.json", tmp_path / "page.md"
    told.write_text(f"old\n{MARK}\n\nby hand\n", encoding="utf-8")
    figures = bench.measure(reporter, tmp_path / "kept", "vi", "30,100", told, out)
    row = figures["languages"][0]
    assert row["language"] == "vi" and row["token_mismatches"] == 0
    assert row["chars_per_token_after"] > 1.5 * row["chars_per_token_before"]
    assert row["english_ids_changed"] <= 0.002 and row["kept_share"] > 0.95
    assert row["packages"]["gnome-user-docs"]["file"] == "gnome-user-docs_1_all.deb"
    assert json.loads(out.read_text(encoding="utf-8")) == figures
    assert "| Vietnamese (vi) |" in told.read_text(encoding="utf-8") and "by hand" in told.read_text(encoding="utf-8")
    assert not (tmp_path / "kept" / "work").exists()
    small.clear()
    assert bench.measure(reporter, tmp_path / "kept", "vi", "100,30") == figures
    assert small == {}, "nothing was read again"


def test_english_is_told_by_how_many_pieces_there_are(
    small: dict[str, int], tmp_path: Path, reporter: Reporter
) -> None:
    told = tmp_path / "page.md"
    row = bench.measure(reporter, tmp_path / "kept", "vi", "40,100", told)["languages"][0]
    few, many = row["by_pieces"]
    assert (few["pieces"], many["pieces"]) == (40, 100) and few["pieces_added"] < many["pieces_added"]
    assert many["english_tokens_rise"] == row["english_tokens_rise"], "of the same pieces"
    assert many["english_ids_changed"] == row["english_ids_changed"]
    for one in (few, many):
        before, after = one["english_bits_per_byte_before"], one["english_bits_per_byte_after"]
        assert before == few["english_bits_per_byte_before"] > 0
        assert after != before, "the new rows take a part of what is likely"
        assert one["english_bits_per_byte_rise"] == pytest.approx(after - before, abs=2e-5)
        assert one["interval"][0] <= one["english_bits_per_byte_rise"] <= one["interval"][1]
        assert one["init"] == "frequency", "as lilm init's recipe has it"
    shown = told.read_text(encoding="utf-8")
    assert "lilm bench languages --pieces 40,100" in shown
    assert f"| {few['english_bits_per_byte_after']:.4f} |" in shown


def test_a_script_of_its_own_is_not_told_by_pieces() -> None:
    assert sizes_for("ko", (10, 20)) == () and sizes_for("tr", (10, 20)) == (10, 20)
    figures = {"base": "x", "pieces": 1, "languages": []}
    assert "by how many pieces" not in page(figures)


@pytest.mark.parametrize("said", ["many", "1000,", "0", "-5,10"])
def test_numbers_of_pieces_that_are_none_are_refused(said: str, reporter: Reporter) -> None:
    with pytest.raises(LilmError, match=r"--pieces.*like 1000,3000,8000"):
        bench.measure(reporter, pieces=said)


def test_two_at_once_do_not_share_a_folder(small: dict[str, int], tmp_path: Path, reporter: Reporter) -> None:
    (tmp_path / "kept").mkdir()
    with locked(tmp_path / "kept"), pytest.raises(LilmError, match="another lilm works in this run folder"):
        bench.measure(reporter, tmp_path / "kept", "vi")


def test_what_is_not_there_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch, reporter: Reporter) -> None:
    with pytest.raises(LilmError, match=r"no text of language 'xx'.*ko, zh"):
        bench.measure(reporter, kinds="vi,xx")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(LilmError, match="no apt-get: the text is of Debian's packages"):
        find_packages(["gnome-user-docs"])


def test_a_package_that_apt_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: name)

    def run(command: list[str], **options: Any) -> Any:
        return subprocess.CompletedProcess(command, 100, "", "E: Unable to locate package gnome-user-docs\n")

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(LilmError, match=r"Unable to locate package gnome-user-docs.*run apt-get update first"):
        find_packages(["gnome-user-docs"])


def test_each_language_names_its_packages() -> None:
    for language in (ENGLISH, *LANGUAGES.values()):
        assert language.packages() and all(name == name.lower() for name in language.packages())
