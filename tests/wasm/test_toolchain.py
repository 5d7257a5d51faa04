"""What is missing or too old is told with the command that mends it."""

import sys
from pathlib import Path

import pytest

from lilm.cli.doctor import emcc
from lilm.errors import LilmError
from lilm.progress import Reporter
from lilm.wasm import toolchain
from lilm.wasm.toolchain_fetch import fetch_toolchain, wrapper_script


def fake_tools(folder: Path, emcc_says: str, tools: tuple[str, ...] = ("emcc", "cmake", "ninja", "node")) -> Path:
    """A PATH folder with `tools`; emcc is a link into an Emscripten folder, as Debian has it."""
    emscripten = folder / "upstream" / "emscripten"
    (emscripten / "cmake" / "Modules" / "Platform").mkdir(parents=True)
    (emscripten / "cmake" / "Modules" / "Platform" / "Emscripten.cmake").touch()
    (folder / "bin").mkdir()
    for name in tools:
        tool = emscripten / name if name == "emcc" else folder / "bin" / name
        tool.write_text(f"#!/bin/sh\necho '{emcc_says}'\n")
        tool.chmod(0o755)
        if name == "emcc":
            (folder / "bin" / name).symlink_to(tool)
    return folder / "bin"


@pytest.fixture(autouse=True)
def no_emsdk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("EMSDK", raising=False)
    monkeypatch.setenv("LILM_CACHE", str(tmp_path / "empty"))


@pytest.mark.parametrize(
    ("tools", "named"),
    [
        ((), "apt-get install emscripten"),
        (("emcc", "ninja", "node"), "apt-get install cmake"),
        (("emcc", "cmake", "node"), "apt-get install ninja-build"),
        (("emcc", "cmake", "ninja"), "apt-get install nodejs"),
    ],
)
def test_a_missing_tool_is_named_with_its_command(
    tools: tuple[str, ...], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(fake_tools(tmp_path, "emcc (Emscripten) 3.1.64", tools)))
    with pytest.raises(LilmError, match=named):
        toolchain.find_toolchain()


def test_emsdk_goes_before_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(fake_tools(tmp_path / "a", "emcc (Emscripten gcc/clang-like) 3.1.6 ()")))
    assert toolchain.find_toolchain().version == (3, 1, 6)
    assert toolchain.find_toolchain().stack_setting == "TOTAL_STACK"
    fake_tools(tmp_path / "sdk", "emcc (Emscripten) 6.0.5 (abc)")
    monkeypatch.setenv("EMSDK", str(tmp_path / "sdk"))
    assert toolchain.find_toolchain().version == (6, 0, 5)
    assert toolchain.find_toolchain().stack_setting == "STACK_SIZE"


@pytest.mark.parametrize("says", ["emcc (Emscripten) 2.0.12", "Segmentation fault"])
def test_an_unusable_emcc_is_refused(says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(fake_tools(tmp_path, says)))
    with pytest.raises(LilmError, match=r"older than|does not run"):
        toolchain.find_toolchain()


def test_settings_meant_for_our_python_do_not_reach_emcc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """emcc imports the modules beside it, which PYTHONSAFEPATH forbids."""
    tools = fake_tools(tmp_path, "")
    (tmp_path / "upstream" / "emscripten" / "emcc").write_text(
        f"#!{sys.executable}\nfrom beside import VERSION\nprint('emcc', VERSION)\n"
    )
    (tmp_path / "upstream" / "emscripten" / "beside.py").write_text("VERSION = '3.1.6'\n")
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    found = toolchain.find_toolchain()
    assert found.version == (3, 1, 6)
    assert "PYTHONSAFEPATH" not in found.environment()


def test_a_fetched_compiler_goes_before_an_older_one_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(fake_tools(tmp_path / "old", "emcc (Emscripten) 3.1.6")))
    monkeypatch.setenv("LILM_CACHE", str(tmp_path / "cache"))
    old = toolchain.find_toolchain()
    assert "slow core" in old.remark and "lilm wasm toolchain" in old.remark
    fake_tools(toolchain.toolchain_dir(), "emcc (Emscripten) 6.0.5", ("emcc",))
    new = toolchain.find_toolchain()
    assert new.version == (6, 0, 5) and new.relaxed_simd and new.remark == ""


@pytest.mark.parametrize(("version", "status"), [("3.1.6", "slow"), ("6.0.5", "ok")])
def test_the_doctor_tells_what_an_old_compiler_costs_and_the_command(
    version: str, status: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(fake_tools(tmp_path, f"emcc (Emscripten) {version}")))
    found = emcc()
    assert (found.status, found.found) == (status, version)
    assert ("lilm wasm toolchain" in found.remedy) == ("twice as fast" in found.remedy) == (status == "slow")


def test_fetching_where_there_is_no_apt_names_what_else_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LilmError, match=r"apt-get is not here.*EMSDK"):
        fetch_toolchain(tmp_path / "toolchain", Reporter(quiet=True))
    assert not (tmp_path / "toolchain").exists()


def test_a_fetched_compiler_is_wrapped_for_its_own_loader() -> None:
    script = wrapper_script(["/a b/ld.so", "--library-path", "/l"], "/a b/clang", ["-resource-dir=/r"])
    assert script.splitlines()[-1] == """exec '/a b/ld.so' --library-path /l --argv0 "$0" '/a b/clang' "$@\""""
    assert "-cc1*" in script and "-resource-dir=/r" in script
