"""From a folder of one's own to a page, by the tutorial's commands, each as LiLM printed it before."""

import csv
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import tomlkit

from lilm.train.stories import stories

TUTORIAL = Path(__file__).resolve().parents[2] / "docs" / "tutorial.md"
PROGRAM = f"{shlex.quote(sys.executable)} -m lilm"
STORIES_A_FILE = 12


def own_texts() -> list[str]:
    told = stories("ja", 21 * STORIES_A_FILE, seed=11)
    return ["\n\n".join(islice(told, STORIES_A_FILE)) + "\n" for _ in range(21)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty texts: UTF-8 with a byte order mark and without, Shift_JIS; an empty file, a PDF, a table."""
    *texts, rows = own_texts()
    (tmp_path / "texts" / "old").mkdir(parents=True)
    for number, text in enumerate(texts):
        encoding = ("utf-8", "utf-8-sig", "cp932")[number % 3]
        place = tmp_path / "texts" / ("old" if encoding == "cp932" else "") / f"{number:02d}.txt"
        place.write_bytes(text.encode(encoding))
    (tmp_path / "texts" / "empty.txt").touch()
    (tmp_path / "texts" / "paper.pdf").write_bytes(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n")
    table = io.StringIO()
    csv.writer(table).writerows([["id", "text"], *enumerate(rows.split("\n\n"))])
    (tmp_path / "texts" / "table.csv").write_text(table.getvalue(), encoding="utf-8")
    return tmp_path


def tutorial() -> list[str]:
    """What it says to type, from the recipe to the page."""
    blocks: list[str] = re.findall(r"```sh\n(.*?)\n```", TUTORIAL.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 3
    return blocks


def plain(printed: str) -> str:
    """A printed command as the tutorial writes it."""
    return printed.replace(PROGRAM, "lilm")


def typed(line: str, cwd: Path, **options: Any) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["bash", "-c", line], cwd=cwd, capture_output=True, text=True, check=False, **options)


def shorten(path: Path) -> None:
    """Edit the recipe as a user does who has a minute."""
    recipe: Any = tomlkit.parse(path.read_text(encoding="utf-8"))
    recipe["corpus"]["sources"][1]["limit"] = 300
    recipe["tokenizer"]["pieces"] = 60
    recipe["pretrain"] |= {"eval_bytes": 2000, "dtype": "float32"}
    recipe["pretrain"]["stage1"] |= {"steps": 2}
    recipe["pretrain"]["stage2"] |= {"steps": 4}
    recipe["export"]["quants"] = ["Q4_0"]
    recipe["bench"] |= {"eval_tokens": 200, "n_predict": 8}
    recipe["wasm"]["n_ctx"] = 256
    recipe["site"]["quants"] = ["Q4_0"]
    path.write_text(tomlkit.dumps(recipe), encoding="utf-8")


def test_from_a_messy_folder_to_a_page_by_what_is_printed(folder: Path, finished_run: Path) -> None:
    init, run, serve = tutorial()
    commands = [f"{init} --base {shlex.quote(str(finished_run / 'base'))}".replace("lilm ", f"{PROGRAM} ", 1)]
    refused = typed(commands[-1], folder)
    assert refused.returncode == 2 and "1 of 23 files is no text: paper.pdf (a PDF)" in refused.stderr
    assert not (folder / "my-model").exists()

    commands.append(refused.stderr.split("`")[1])
    wrote = typed(commands[-1], folder)
    assert wrote.returncode == 0, wrote.stderr
    assert "22 files of text" in wrote.stdout and "left out: 1 of 23 files" in wrote.stdout
    shorten(folder / "my-model" / "lilm.toml")

    commands.append(wrote.stdout.split("then: ")[1].strip())
    assert plain(commands[-1]) == run
    ran = typed(commands[-1], folder)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    report = json.loads((folder / "my-model" / "run" / "corpus" / "report.json").read_text(encoding="utf-8"))
    assert report["sources"]["mine"]["read"]["documents"] == 20 + STORIES_A_FILE
    assert "paper.pdf" in (folder / "my-model" / "run" / "corpus" / "report.html").read_text(encoding="utf-8")
    printed = [line.strip() for line in ran.stdout.split("go on with")[1].splitlines() if line.strip()]

    commands.append(printed[0])
    assert plain(commands[-1]).replace("serve run --open", "serve my-model/run") == serve
    served_page(commands[-1], folder / "my-model")

    assert plain(printed[1]).startswith("lilm serve run --lan --certificate")
    commands.append(f"{printed[2]} --terminal --temp 0 --n-predict 8")
    answered = typed(commands[-1], folder / "my-model", input="こんにちは。\n")
    assert answered.returncode == 0 and answered.stdout.strip()
    assert len(commands) <= 6


def served_page(line: str, cwd: Path) -> None:
    """The page and its model come from the address that is printed."""
    environment = {**os.environ, "BROWSER": "true", "PYTHONUNBUFFERED": "1", "COLUMNS": "300"}
    process = subprocess.Popen(
        ["bash", "-c", f"exec {line}"],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    url = process.stdout.readline().split(" at ")[1].split(" ")[0]
    listed = json.load(urlopen(f"{url}models.json"))  # noqa: S310 - our own server
    assert (listed["title"], listed["models"][0]["quant"]) == ("My model", "Q4_0")
    assert urlopen(url + listed["models"][0]["file"]).read(4) == b"GGUF"  # noqa: S310
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20)[1] == "" and process.returncode == 0


def test_a_tidy_folder_is_read_whole(tmp_path: Path, finished_run: Path) -> None:
    (tmp_path / "texts").mkdir()
    for number, text in enumerate(own_texts()[:20]):
        (tmp_path / "texts" / f"{number:02d}.md").write_text(text, encoding="utf-8")
    init = f"{tutorial()[0]} --base {shlex.quote(str(finished_run / 'base'))}".replace("lilm ", f"{PROGRAM} ", 1)
    wrote = typed(init, tmp_path)
    assert wrote.returncode == 0 and "20 files of text" in wrote.stdout and "left out" not in wrote.stdout
    shorten(tmp_path / "my-model" / "lilm.toml")
    ran = typed(wrote.stdout.split("then: ")[1].strip() + " --to corpus", tmp_path)
    assert ran.returncode == 0, ran.stderr
    report = json.loads((tmp_path / "my-model" / "run" / "corpus" / "report.json").read_text(encoding="utf-8"))
    assert report["sources"]["mine"]["read"]["documents"] == 20
    assert report["languages"]["ja"]["train"]["documents"] > 10
