"""A site whose engine is a stand-in, a running server, a browser, and a small random model to chat with."""

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from lilm.artifact import Artifact
from lilm.chat import CHAT_TEMPLATE
from lilm.demo.serve import make_server
from lilm.demo.stage import run
from lilm.recipe import SiteConfig
from lilm.stage import Context

CHROMIUM = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run")
QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync")
QUANTS = ("Q4_K_M", "Q8_0")
PROMPTS = ("むかしむかし、",)
FAKE_ENGINE = Path(__file__).with_name("fake_engine.mjs")


def write_inputs(folder: Path) -> dict[str, Path]:
    """Folders as export, bench and wasm leave them, with small files."""
    inputs = {name: folder / name for name in ("export", "bench", "wasm")}
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
    (inputs["bench"] / "manifest.json").write_text(manifest(volatile=["speed.svg"]))
    (inputs["bench"] / "speed.svg").write_text("<svg/>")
    for name in ("runtime/lilm.mjs", "runtime/run_node.mjs", "threads/lilm-core.js", "threads/lilm-core.wasm"):
        path = inputs["wasm"] / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(FAKE_ENGINE.read_text() if path.name == "lilm.mjs" else "")
    models = {name: {"threads": {"initial_bytes": size + 50_000_000}} for name, size in sizes.items()}
    (inputs["wasm"] / "memory.json").write_text(json.dumps({"variants": ["threads"], "n_ctx": 256, "models": models}))
    (inputs["wasm"] / "report.json").write_text("{}")
    return inputs


def manifest(volatile: list[str]) -> str:
    parts: dict[str, Any] = {"config": {}, "inputs": {}, "outputs": {}, "measurements": {}}
    return json.dumps({"stage": "bench", "key": "0", "volatile": volatile, **parts})


def build_site(inputs: dict[str, Path], out_dir: Path, context: Context, **config: Any) -> Artifact:
    out_dir.mkdir(exist_ok=True)
    return run(SiteConfig(**{"quants": QUANTS, "prompts": PROMPTS, **config}), inputs, out_dir, context)


@contextmanager
def serve_site(folder: Path) -> Iterator[str]:
    """The address of `folder`'s site while it is served."""
    with make_server(folder) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


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
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=[*CHROMIUM, *QUIET])
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def chat_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama of 64 dimensions and 256 tokens of context, with the project's chat template."""
    import sentencepiece
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from lilm.export.gguf_writer import write_gguf

    folder = tmp_path_factory.mktemp("chat")
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
    shape = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = LlamaConfig(vocab_size=vocab, max_position_embeddings=256, initializer_range=0.1, **shape)
    LlamaForCausalLM(config).save_pretrained(folder)
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE, encoding="utf-8")
    target = folder / "model-f16.gguf"
    write_gguf(folder, target, ("ja",))
    return target
