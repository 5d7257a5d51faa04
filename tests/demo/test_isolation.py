"""Hosts that send no COOP and COEP headers, with the real engine: a worker adds them, or one thread does the work."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from lilm.demo.stage import SERVICE_WORKER, list_files, page_files
from lilm.progress import Reporter
from lilm.wasm.build import build_variant
from lilm.wasm.limits import usable_bytes
from tests.demo.page_visitor import ask, open_ready

Serving = Callable[[Path], AbstractContextManager[str]]


@pytest.fixture
def both_builds(real_site: Path) -> Path:
    """The real site, with the build for one thread too."""
    build_variant("single", Reporter(quiet=True)).copy_to(real_site / "wasm" / "single")
    limits = {variant: usable_bytes(variant) for variant in ("threads", "single")}
    for path in (real_site / "models.json", real_site / "wasm" / "memory.json"):
        known = json.loads(path.read_text())
        path.write_text(json.dumps({**known, "variants": ["threads", "single"], "limits": limits}))
    (real_site / SERVICE_WORKER).write_bytes(page_files()[SERVICE_WORKER])
    list_files(real_site)
    return real_site


@pytest.mark.usefixtures("without_headers")
@pytest.mark.parametrize(("workers", "threads"), [("allow", True), ("block", False)])
def test_without_the_headers_the_page_answers(
    workers: str,
    threads: bool,
    both_builds: Path,
    browser: Any,
    serving: Serving,
    at_home: Callable[[Any, str], None],
) -> None:
    context = browser.new_context(locale="en-US", service_workers=workers)
    with serving(both_builds) as url:
        at_home(context, url)
        page = open_ready(context, url)
        assert page.evaluate("crossOriginIsolated") == threads
        assert page.is_visible("#notice") != threads
        ask(page)
        assert ("threads" in page.inner_text("#speed")) == threads
    context.close()
