"""A site whose engine is a stand-in and one with the real engine, servers good and bad, a browser, and a small random
model to chat with."""

import contextlib
import json
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lilm.chat import CHAT_TEMPLATE
from lilm.demo.chunks import chunk_list
from lilm.demo.handler import HEADERS, TYPES
from lilm.demo.serve import site_server
from lilm.demo.stage import SERVICE_WORKER, list_files, page_files, run
from lilm.errors import LilmError
from lilm.llamacpp.chat import ChatEngine
from lilm.pipeline.artifact import Artifact, Manifest, describe_outputs
from lilm.pipeline.stage import Context
from lilm.progress import Reporter
from lilm.recipe import SiteConfig
from lilm.wasm.build import build_variant
from lilm.wasm.javascript import runtime_dir
from lilm.wasm.limits import usable_bytes
from lilm.wasm.toolchain import find_toolchain

CHROMIUM = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run")
QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync")
QUANTS = ("Q4_K_M", "Q8_0")
PROMPTS = ("むかしむかし、",)
LONGEST_WAIT = 60_000  # milliseconds, for what comes at once unless other tests have the cores
FAKE_ENGINE = Path(__file__).with_name("fake_engine.mjs")


def write_inputs(folder: Path) -> dict[str, Path]:
    """Folders as export, bench and wasm leave them, with small files."""
    inputs = {name: folder / name for name in ("base", "export", "bench", "wasm")}
    sizes = {f"model-{quant}.gguf": 1000 * (place + 1) for place, quant in enumerate(QUANTS)}
    for path in inputs.values():
        path.mkdir(parents=True)
    for name, size in sizes.items():
        (inputs["export"] / name).write_bytes(b"GGUF" + bytes(size - 4))
    figures = {"bits_per_byte": 1.25, "kld_mean": 0.0123, "kld_se": 0.001, "kld_p99": 0.2, "top1_agreement": 0.95}
    rows = [{"name": name, "quality": {"ja": figures, "en": figures}} for name in sizes]
    (inputs["bench"] / "report.json").write_text(json.dumps({"files": rows}))
    (inputs["bench"] / "quality.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (inputs["bench"] / "report.html").write_text("<!doctype html><title>report</title>")
    (inputs["bench"] / "speed.svg").write_text("<svg/>")
    outputs = describe_outputs(inputs["bench"], ("speed.svg",))
    Manifest("bench", "0", {}, {}, outputs, ("speed.svg",), {}).write(inputs["bench"])
    for name in ("runtime/lilm.mjs", "runtime/run_node.mjs", "threads/lilm-core.js", "threads/lilm-core.wasm"):
        path = inputs["wasm"] / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(FAKE_ENGINE.read_text() if path.name == "lilm.mjs" else "")
    models = {name: {"threads": [{"n_ctx": 256, "initial_bytes": size + 50_000_000}]} for name, size in sizes.items()}
    (inputs["wasm"] / "memory.json").write_text(json.dumps({"variants": ["threads"], "n_ctx": 256, "models": models}))
    (inputs["wasm"] / "report.json").write_text("{}")
    return inputs


def build_site(inputs: dict[str, Path], out_dir: Path, context: Context, **config: Any) -> Artifact:
    out_dir.mkdir(exist_ok=True)
    return run(SiteConfig(**{"quants": QUANTS, "prompts": PROMPTS, **config}), inputs, out_dir, context)


@contextmanager
def serve_site(folder: Path) -> Iterator[str]:
    """The address of `folder`'s site while it is served."""
    with site_server(folder).in_background() as url:
        yield url


@dataclass
class Faults:
    """What a bad server does to GGUF files, and the ranges that it was asked for."""

    url: str = ""
    ranges: bool = True  # False: it sends whole files only
    break_after: int | None = None  # so many bytes into each answer the connection is closed
    corrupt: set[int] = field(default_factory=set)  # answers of more than a byte, by number, whose last byte is wrong
    down: bool = False  # connections are closed without an answer
    slow: float = 0  # seconds before each answer
    tag: str = ""  # the ETag of each answer
    asked: list[str] = field(default_factory=list)


def faulty_handler(folder: Path, faults: Faults) -> type[SimpleHTTPRequestHandler]:
    class Handler(SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        extensions_map = {**SimpleHTTPRequestHandler.extensions_map, **TYPES}  # noqa: RUF012 - its own name for it

        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(folder))

        def end_headers(self) -> None:
            for name, value in HEADERS.items():
                self.send_header(name, value)
            super().end_headers()

        def log_message(self, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            if faults.down:
                self.close_connection = True
                return
            path = Path(self.translate_path(self.path))
            if path.suffix != ".gguf":
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    super().do_GET()
                return
            time.sleep(faults.slow)
            header, size = self.headers.get("Range", ""), path.stat().st_size
            wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", header) if faults.ranges else None
            first, last = (int(wanted[1]), min(int(wanted[2]), size - 1)) if wanted else (0, size - 1)
            body = bytearray(path.read_bytes()[first : last + 1])
            count = len(body)
            if count > 1:
                if len(faults.asked) in faults.corrupt:
                    body[-1] ^= 1
                faults.asked.append(header)
            self.send_response(HTTPStatus.PARTIAL_CONTENT if faults.ranges else HTTPStatus.OK)
            self.send_header("Content-Length", str(count))
            if faults.tag:
                self.send_header("ETag", faults.tag)
            if faults.ranges:
                self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
            self.end_headers()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.wfile.write(body[: faults.break_after])
            if faults.break_after is not None:
                time.sleep(0.1)  # Chromium drops what came in the same moment as the end
                self.close_connection = True

    return Handler


@pytest.fixture
def faulty(real_site: Path) -> Iterator[Faults]:
    """The real site on a server whose faults the test chooses."""
    faults = Faults()
    with ThreadingHTTPServer(("127.0.0.1", 0), faulty_handler(real_site, faults)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        faults.url = f"http://127.0.0.1:{server.server_port}/"
        yield faults
        server.shutdown()
        thread.join()


@pytest.fixture
def real_site(tmp_path: Path, context: Context, chat_gguf: Path, real_core: Path) -> Path:
    """A site with the real engine and two models, whose chunk lists have chunks of 16 KiB."""
    inputs = write_inputs(tmp_path / "inputs")
    for path in inputs["export"].glob("*.gguf"):
        shutil.copyfile(chat_gguf, path)
    shutil.rmtree(inputs["wasm"] / "threads")
    shutil.copytree(real_core, inputs["wasm"] / "threads")
    for path in runtime_dir().glob("*.mjs"):
        shutil.copyfile(path, inputs["wasm"] / "runtime" / path.name)
    limits = {"threads": usable_bytes("threads")}
    table = {"variants": ["threads"], "limits": limits, "n_ctx": 256, "n_batch": 64, "threads": 2, "models": {}}
    (inputs["wasm"] / "memory.json").write_text(json.dumps(table))
    build_site(inputs, tmp_path / "real", context)
    for path in (tmp_path / "real" / "models").glob("*.gguf"):
        path.with_name(path.name + ".chunks.json").write_text(json.dumps(chunk_list(path, 16 << 10)))
    (tmp_path / "real" / "blank.html").write_text("<!doctype html><title>blank</title>")
    (tmp_path / "real" / SERVICE_WORKER).write_bytes(page_files()[SERVICE_WORKER])
    list_files(tmp_path / "real")
    return tmp_path / "real"


@pytest.fixture(scope="session")
def real_core(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The threads build (from the user's cache after the first time)."""
    try:
        find_toolchain()
    except LilmError as error:
        pytest.skip(error.line())
    folder = tmp_path_factory.mktemp("core")
    build_variant("threads", Reporter(quiet=True)).copy_to(folder)
    return folder


@pytest.fixture
def fake_inputs() -> Callable[[Path], dict[str, Path]]:
    return write_inputs


@pytest.fixture
def make_site() -> Callable[..., Artifact]:
    return build_site


@pytest.fixture
def serving() -> Callable[[Path], AbstractContextManager[str]]:
    return serve_site


@pytest.fixture
def site(tmp_path: Path, context: Context) -> Path:
    """A run folder with a site in it."""
    build_site(write_inputs(tmp_path), tmp_path / "site", context)
    return tmp_path


@pytest.fixture(scope="module")  # not longer: while it is there, nothing else can run an event loop
def browser() -> Iterator[Any]:
    """Chromium with a fresh profile."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium on this machine (sudo apt-get install chromium)")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=LONGEST_WAIT)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=[*CHROMIUM, *QUIET])
        yield chromium
        chromium.close()


@pytest.fixture
def at_home() -> Iterator[Callable[[Any, str], None]]:
    """Watches a context: at the end none of its requests may have left the URL."""
    strangers: list[str] = []

    def watch(context: Any, url: str) -> None:
        context.on("request", lambda request: request.url.startswith((url, "blob:")) or strangers.append(request.url))

    yield watch
    assert not strangers


@pytest.fixture
def without_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers send none of the site's headers, those neither that serve already."""
    for name in tuple(HEADERS):
        monkeypatch.delitem(HEADERS, name)


@pytest.fixture
def open_page(
    site: Path, browser: Any, serving: Callable[[Path], AbstractContextManager[str]]
) -> Iterator[Callable[..., Any]]:
    """Opens the page in a fresh profile; afterwards no request may have left the host and no script failed."""
    strangers: list[str] = []
    failures: list[str] = []
    with serving(site) as url:

        def open_new(**options: Any) -> Any:
            page = browser.new_context(**{"locale": "en-US", **options}).new_page()
            page.set_default_timeout(LONGEST_WAIT)
            page.on("request", lambda request: request.url.startswith(url) or strangers.append(request.url))
            page.on("pageerror", lambda error: failures.append(str(error)))
            page.goto(url)
            page.wait_for_selector("[data-ready]", state="attached")
            return page

        yield open_new
        for context in browser.contexts:
            context.close()
    assert not strangers
    assert not failures


@pytest.fixture(scope="session")
def chat_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama of 64 dimensions and 256 tokens of context, with the project's chat template."""
    return write_chat_gguf(tmp_path_factory.mktemp("chat"), hidden=64, layers=2, n_ctx=256)


@pytest.fixture(scope="session")
def slow_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that takes seconds for its longest answer, and would not end it sooner."""
    return write_chat_gguf(tmp_path_factory.mktemp("slow"), hidden=320, layers=6, n_ctx=2048, ends=False)


def write_chat_gguf(folder: Path, hidden: int, layers: int, n_ctx: int, ends: bool = True) -> Path:
    import sentencepiece
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from lilm.export.gguf_writer import write_gguf

    lines = ["むかしむかし、あるところに、おじいさんがいました。", "The cat sat on the mat by the door."]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines * 20),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=340,
        model_type="bpe",
        byte_fallback=True,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    vocab = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model")).vocab_size()
    torch.manual_seed(0)
    shape = {"hidden_size": hidden, "intermediate_size": 2 * hidden, "num_hidden_layers": layers}
    config = LlamaConfig(
        vocab_size=vocab,
        max_position_embeddings=n_ctx,
        initializer_range=0.1,
        num_attention_heads=hidden // 16,
        **shape,
    )
    model = LlamaForCausalLM(config)
    if not ends:  # a logit of 0 is never among the 40 best of 340, whatever is drawn
        model.lm_head.weight.data[config.eos_token_id] = 0
    model.save_pretrained(folder)
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE, encoding="utf-8")
    target = folder / "model-f16.gguf"
    write_gguf(folder, target, ("ja",))
    return target


@pytest.fixture(scope="module")
def address(chat_gguf: Path) -> Iterator[str]:
    """Of a Gradio chat."""
    from lilm.demo.chat import launch

    page = launch(chat_gguf, block=False, threads=1)
    yield page.local_url
    page.close(verbose=False)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """What answers there: a stand-in."""
    from tests.demo.gradio_visitor import Model

    model = Model()
    monkeypatch.setattr(ChatEngine, "write", lambda engine, messages, order: model.write(messages, order))
    yield model
    model.go_on.set()


@pytest.fixture
def visit(browser: Any, address: str, at_home: Any, model: Any) -> Iterator[Callable[..., Any]]:
    """Opens the Gradio chat as a new visitor, or in a context that is there; no script of it may fail."""
    from playwright.sync_api import expect

    from tests.demo.gradio_visitor import PATIENCE, Visitor

    expect.set_options(timeout=PATIENCE)
    failures: list[str] = []

    def open_page(url: str = address, context: Any = None, **options: Any) -> Any:
        if context is None:
            context = browser.new_context(**{"locale": "en-US", **options})
            at_home(context, url)
        page = context.new_page()
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.set_default_timeout(PATIENCE)
        page.goto(url)
        expect(page.locator("#talks")).to_be_attached()
        return Visitor(page)

    yield open_page
    for context in browser.contexts:
        context.close()
    assert not failures
