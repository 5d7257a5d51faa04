"""Charts of reports at the width of a phone, in Chromium: large enough to read, no label on another, axes named."""

from pathlib import Path
from typing import Any

import pytest

from lilm.export.bench.chart import quality_chart
from lilm.export.bench.html import report_html
from lilm.export.quality.page.compare import compare_runs
from lilm.export.quality.page.compare_page import compare_page
from lilm.export.quality.page.html import quant_page
from lilm.report.svg import COLOURS
from lilm.train.corpus.report.page import report_page
from lilm.train.pretrain.rank_page import rank_page
from lilm.train.tokenizer.report.charts import IN_CURVE, curve_chart
from lilm.train.tokenizer.report.compare_page import bits_chart
from lilm.train.trainer.report import write_report
from tests.export.made_report import FULL, report, row
from tests.export.test_compare_runs import quant_run
from tests.train.corpus.test_corpus_report import REPORT, TIMING

WIDTH = 390
SMALLEST = 7.5  # pixels of a letter's height
# README's files: sizes that lie close together.
FILES = (
    ("F16", 6.10, None, 0.1914),
    ("Q8_0", 3.28, 0.00025, 0.1914),
    ("Q6_K", 2.55, 0.00146, 0.1917),
    ("Q4_K_M", 2.02, 0.00554, 0.1918),
    ("Q4_0", 1.94, 0.00788, 0.1924),
    ("mix-1.94MB", 1.94, 0.00576, 0.1918),
    ("mix-1.94MB-learned", 1.94, 0.00292, 0.1917),
)
LABELS = """() => [...document.querySelectorAll("svg[role=img]")].map((chart) => {
  const scale = chart.getBoundingClientRect().width / chart.viewBox.baseVal.width;
  const texts = [...chart.querySelectorAll("text")].filter((text) => text.textContent.trim());
  const boxes = texts.map((text) => ({ said: text.textContent.trim(), box: text.getBoundingClientRect() }));
  const [gap, collide] = [0.5, []];
  boxes.forEach((one, at) => boxes.slice(at + 1).forEach((other) => {
    const wide = Math.min(one.box.right, other.box.right) - Math.max(one.box.left, other.box.left);
    const high = Math.min(one.box.bottom, other.box.bottom) - Math.max(one.box.top, other.box.top);
    if (wide > gap && high > 3) collide.push([one.said, other.said]);
  }));
  const sizes = texts.map((text) => parseFloat(getComputedStyle(text).fontSize) * scale);
  const edge = chart.getBoundingClientRect();
  const outside = boxes.filter(({ box }) => box.left < edge.left - 1 || box.right > edge.right + 1);
  return {
    name: chart.getAttribute("aria-label"),
    collide,
    smallest: Math.min(...sizes),
    outside: outside.map(({ said }) => said),
    said: boxes.map(({ said }) => said),
  };
})"""


def bench_page() -> str:
    files = []
    for place, (quant, mb, kld, bits) in enumerate(FILES):
        one = {"kld_mean": kld, "kld_se": kld and kld / 20, "kld_p99": kld, "top1_agreement": 0.95}
        quality = {"ja": {**one, "bits_per_byte": bits}, "en": {**one, "bits_per_byte": bits * 2 + place * 1e-4}}
        known = {"name": f"model-{quant}.gguf", "quant": quant, "bytes": mb * 1e6, "bits_per_weight": 5.0, "note": ""}
        files.append({**known, "quality": quality, "samples": []})
    measured = {lang: {"tokens": 100_000, "bytes": 1, "documents": 9} for lang in ("ja", "en")}
    report: dict[str, Any] = {"files": files, "languages": ["ja", "en"], "measured_on": measured, "n_ctx": 256}
    return report_html({**report, "fits": {}}, quality_chart(report))


def training_page(folder: Path) -> str:
    metrics: list[dict[str, Any]] = [
        {"step": step, "loss": 5 / (1 + step), "grad_norm": 1.0 + step % 7, "lr": 3e-4, "stage": 1 + step // 600}
        for step in range(1_000)
    ]
    metrics += [{"step": step, "bits_per_byte_ja": 1.5, "bits_per_byte_en": 1.2} for step in (0, 500, 999)]
    write_report("pretraining", metrics, {"tokens_per_s": 100.0}, folder / "training.html")
    return (folder / "training.html").read_text(encoding="utf-8")


def tokenizer_page() -> str:
    sizes = range(32_000, 49_000, 4_000)
    mb = {size: {name: size / 300 * (at + 1) for at, name in enumerate(IN_CURVE)} for size in sizes}
    points = [{"vocab_size": size, "chars_per_token": size / 3e4, "mb": mb[size]} for size in sizes]
    return f"<!doctype html><style>svg {{ width: 100% }}</style><body>{curve_chart(points, 'ja')}"


def pilots_page() -> str:
    curves = {f"{size:,}": (COLOURS[0], [(at / 2, 2.5 - at / (9 + size)) for at in range(5)]) for size in (0, 2, 8, 18)}
    return (
        f"<!doctype html><style>svg {{ width: 100% }}</style><body>{bits_chart('ja', 'minutes of computing', curves)}"
    )


def rank_report_page() -> str:
    ranks = (4, 8, 16, 32, 64, 128, 256, 512)
    modules = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    energy = {str(rank): 1 - 1 / (1 + rank) for rank in ranks}
    shares = {"rank90": 30, "rank95": 60, "rank99": 200, "full": 576, "relative": 0.02, "energy": energy}

    def trial(rank: int | None, bits: float) -> dict[str, Any]:
        found = {"bits_per_byte_ja": bits, "bits_per_byte_en": bits / 2}
        return {"rank": rank, "lr": 1e-3, "bits": found, "trained": 1_000_000, "memory": 2_000_000_000}

    report = {
        "language": "ja",
        "base_language": "en",
        "steps": 300,
        "tokens": 100_000,
        "answer": "LoRA of rank 64 does.",
    }
    full, begun = trial(None, 1.7), {"bits_per_byte_ja": 2.5, "bits_per_byte_en": 1.26}
    lora = [trial(rank, 2.4 - at / 10) for at, rank in enumerate(ranks)]
    changes = [{"layer": layer, "module": module, **shares} for layer in range(2) for module in modules]
    return rank_page({**report, "lora": lora, "full": full, "begun": begun, "changes": changes})


def quant_files_page() -> str:
    rows = [row("Q8_0", 3.28, 0.0003), row("mix-1.94MB", 1.94, 0.0058), row("mix-1.94MB-learned", 1.94, 0.0029)]
    return quant_page(report([FULL, *rows]), {"size_bytes_off": 0, "blocks_exact": 1.0, "fit_error": -0.02})


def two_runs_page(folder: Path) -> str:
    return compare_page(compare_runs(quant_run(folder / "one"), quant_run(folder / "a run with a long name")))


def charts(browser: Any, page: str, tmp_path: Path) -> list[dict[str, Any]]:
    path = tmp_path / "report.html"
    path.write_text(page, encoding="utf-8")
    context = browser.new_context(viewport={"width": WIDTH, "height": 800})
    try:
        opened = context.new_page()
        opened.goto(path.as_uri())
        opened.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
        assert opened.evaluate("document.documentElement.scrollWidth") <= WIDTH
        found: list[dict[str, Any]] = opened.evaluate(LABELS)
        return found
    finally:
        context.close()


PAGES = {
    "bench": (lambda folder: bench_page(), ["file size, MB", "KL divergence from F16, nats/token"]),
    "corpus": (lambda folder: report_page(REPORT, TIMING), ["perplexity", "documents", "clusters"]),
    "training": (training_page, ["step", "training loss", "bits per byte", "learning rate"]),
    "quant": (lambda folder: quant_files_page(), ["file size, MB"]),
    "two runs": (two_runs_page, ["file size, MB"]),
    "pilots": (lambda folder: pilots_page(), ["minutes of computing", "bits per byte"]),
    "rank": (lambda folder: rank_report_page(), ["rank", "bits per byte, ja", "bits per byte, en", "singular values"]),
    "tokenizer": (lambda folder: tokenizer_page(), ["pieces", "characters a token, ja", "MB of the embeddings"]),
}


@pytest.mark.parametrize("name", PAGES)
def test_charts_can_be_read_on_a_phone(browser: Any, tmp_path: Path, name: str) -> None:
    page, axes = PAGES[name]
    found = charts(browser, page(tmp_path), tmp_path)
    assert found
    for chart in found:
        assert chart["collide"] == [], chart["name"]
        assert chart["outside"] == [], chart["name"]
        assert chart["smallest"] >= SMALLEST, chart["name"]
    said = [text for chart in found for text in chart["said"]]
    assert set(axes) <= set(said)
    if name == "bench":
        assert said.count("mix-1.94MB-learned") == 2
