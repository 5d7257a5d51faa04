"""The examples of the page about Python run as they stand there."""

import re
import shutil
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "python.md"


def test_the_examples_of_the_python_page(
    small_recipe: Path,
    finished_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(finished_run, tmp_path / "runs" / "quickstart")
    shutil.copyfile(small_recipe, tmp_path / "small.toml")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 5
    # the quickstart takes minutes; the run that is there is of a smaller recipe
    code = "".join(blocks).replace('"quickstart"', '"small.toml"')
    names: dict[str, object] = {}
    exec(compile(code, str(PAGE), "exec"), names)  # noqa: S102 - it is our own page
    said = capsys.readouterr().out
    assert "Q4_K_M" in said and "no file 'Q3_K' | use one of: F16, Q8_0" in said
    assert "['corpus', 'base', 'tokenizer'" in said
