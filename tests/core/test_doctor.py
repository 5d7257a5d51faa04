"""The doctor says what is missing and how to mend it."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from lilm.cli import doctor
from lilm.cli.doctor import Finding, exit_code, find_all, parse_version, show_findings

in_python = doctor.in_python


@pytest.fixture(autouse=True)
def loads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading torch again for each test takes seconds."""
    monkeypatch.setattr(doctor, "in_python", lambda code: ('["2.0", 0, ""]', ""))


def rows() -> dict[str, Finding]:
    return {finding.name: finding for finding in find_all()}


def fake_tool(folder: Path, name: str, answer: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{answer}'\n")
    path.chmod(0o755)


def test_without_any_program_each_is_missing_with_its_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("EMSDK", raising=False)
    found = rows()
    for name, package in (("emcc", "emscripten"), ("node", "nodejs"), ("cmake", "cmake"), ("chromium", "chromium")):
        assert found[name].status == "missing"
        assert found[name].remedy == f"sudo apt-get install {package}"
    assert found["Python"].status == "ok"
    assert exit_code(list(found.values())) == 1


@pytest.mark.parametrize(("version", "status"), [("2.0.34", "too old"), ("3.1.6", "slow"), ("4.0.10", "ok")])
def test_an_old_emscripten_is_told(version: str, status: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake_tool(tmp_path, "emcc", f"emcc (Emscripten gcc/clang-like replacement) {version} ()")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("EMSDK", raising=False)
    found = rows()["emcc"]
    assert (found.status, found.found) == (status, version)
    assert bool(found.remedy) == (status != "ok")


def test_emsdk_comes_before_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    inner = tmp_path / "emsdk" / "upstream" / "emscripten"
    inner.mkdir(parents=True)
    fake_tool(inner, "emcc", "emcc 5.0.1")
    fake_tool(tmp_path, "emcc", "emcc 3.1.6")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("EMSDK", str(tmp_path / "emsdk"))
    assert rows()["emcc"].found == "5.0.1"


def test_a_program_that_fails_counts_as_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cmake").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "cmake").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert rows()["cmake"].status == "missing"


def test_an_openssl_that_knows_no_option_for_its_version_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "openssl").write_text('#!/bin/sh\n[ "$1" = version ] && echo "OpenSSL 3.0.19 27 Jan 2026"\n')
    (tmp_path / "openssl").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (rows()["openssl"].status, rows()["openssl"].found) == ("ok", "openssl 3.0.19")


def test_another_llama_cpp_python_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0.2.0")
    found = doctor.package("llama-cpp-python", "export", doctor.LLAMA_CPP_PYTHON)
    assert found.status == "too old"
    assert "llama-cpp-python==0.3.36" in found.remedy


@pytest.mark.parametrize(("name", "module"), [("torch", "torch"), ("llama-cpp-python", "llama_cpp")])
def test_a_package_that_cannot_be_loaded_is_told_with_the_reason(
    name: str, module: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As with a library that the system lacks."""
    monkeypatch.setattr(doctor, "in_python", in_python)
    check = {"torch": doctor.torch, "llama-cpp-python": doctor.llama_cpp}[name]
    why = "libcudart.so.12: cannot open shared object file"
    (tmp_path / f"{module}.py").write_text(f"raise ImportError({why!r})\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    found = check()
    assert found.status == "missing" and found.found.endswith(f"not loaded: ImportError: {why}")
    assert found.remedy.endswith(f"{name}=={found.found.split(',')[0]}") and exit_code([found]) == 1
    (tmp_path / f"{module}.py").write_text("import os\nos.abort()\n")
    assert "its process ended with -6" in check().found


def test_torch_that_is_there_is_told_with_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "in_python", in_python)
    found = doctor.torch()
    assert found.status == "ok" and found.found.split(",")[0] == torch.__version__


def test_little_disk_and_memory_are_low(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usage: Any = type("Usage", (), {"free": 2 * doctor.GB})
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    found = doctor.disk(tmp_path)
    assert (found.status, found.found) == ("low", "2 GB free")
    assert "free 8 GB" in found.remedy


def test_what_is_missing_is_installed_by_one_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("EMSDK", raising=False)
    assert show_findings() == 1
    (line,) = [one for one in capsys.readouterr().out.splitlines() if one.startswith("all at once: ")]
    assert line.startswith("all at once: sudo apt-get install build-essential make cmake patch ninja-build emscripten")
    assert line.endswith("chromium openssl")
    fake_tool(tmp_path, "emcc", "emcc 2.0.34")
    rows = [find for find in find_all() if find.name == "emcc"]
    assert rows[0].status == "too old" and doctor.all_at_once(rows) == ""


def test_optional_things_and_slow_ones_do_not_fail() -> None:
    fine = [Finding("a", "missing", "–", "x", "y", optional=True), Finding("b", "slow", "1", "x", "y")]
    assert exit_code(fine) == 0
    assert exit_code([*fine, Finding("c", "too old", "1", "x", "y")]) == 1


def test_json_has_every_row(capsys: pytest.CaptureFixture[str]) -> None:
    code = show_findings(json_out=True)
    printed = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in printed] == [finding.name for finding in find_all()]
    assert code == int(any(row["status"] in ("missing", "too old", "low") and not row["optional"] for row in printed))


def test_versions_are_numbers() -> None:
    assert parse_version("v20.19.2") == (20, 19, 2)
    assert parse_version("gcc (Debian 12.2.0-14) 12.2.0") == (12, 2, 0)
    assert parse_version("none") == ()
