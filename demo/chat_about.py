"""What Gradio's chat tells of the file that answers: its size, how good it was measured to be, and where it fits."""

import json
from pathlib import Path
from typing import Any

from lilm.errors import LilmError
from lilm.fit.device import Device
from lilm.fit.known.devices import load_devices
from lilm.fit.model import Model, read_model
from lilm.fit.needs import longest_on
from lilm.recipe import WasmConfig, load_recipe
from lilm.report.languages import language_name
from lilm.report.markdown import plain
from lilm.report.units import count
from lilm.wasm.stage import memory_use

EXPORT, REPORT = "export", "bench/report.json"  # in a run's folder
TEXTS = {
    "en": {
        "size": "{mb:,.1f} MB, for contexts of at most {n_ctx} tokens.",
        "unknown": "Where it fits is not known: {why}",
        "quality": "Measured on text that it never read:",
        "bits": "{language}: {bits:.3f} bits per byte",
        "kld": ", and {kld:.4f} nats a token away from the unquantised model",
        "no_quality": "How good it is was not measured: the stage `bench` of a run does it, or `lilm bench quant`.",
        "fits": "It fits {fitting} of {all} phones and browsers of which LiLM knows what memory they give:",
        "device": "device",
        "longest": "longest context, tokens",
        "none": "does not fit",
        "app": "app",
        "tab": "browser",
    },
    "ja": {
        "size": "{mb:,.1f} MB、コンテキストは最大 {n_ctx} トークン。",
        "unknown": "どの機器で動くかは分かりません：{why}",
        "quality": "学習に使っていない文章での測定：",
        "bits": "{language}：1 バイトあたり {bits:.3f} ビット",
        "kld": "、量子化前のモデルとの差は 1 トークンあたり {kld:.4f} ナット",
        "no_quality": "品質は測定されていません（`lilm run` の bench 段階か `lilm bench quant` で測れます）。",
        "fits": "メモリ量が分かっているスマートフォンとブラウザ {all} 種のうち {fitting} 種で動きます：",
        "device": "機器",
        "longest": "最長コンテキスト（トークン）",
        "none": "収まりません",
        "app": "アプリ",
        "tab": "ブラウザ",
    },
}
JAPANESE = {"ja": "日本語", "en": "英語"}  # names of languages, in Japanese; others are called by their English names


def about_model(path: Path) -> dict[str, str]:
    """Markdown by language of TEXTS. What is not known of the file is said to be."""
    try:
        model, why = read_model(path), ""
        fits = _fits(path, model)
    except LilmError as error:  # whatever llama.cpp could load answers; its memory cannot be reckoned
        model, why, fits = None, error.line(), []
    try:
        quality, unread = _measured(path), ""
    except LilmError as error:  # a chat needs no report, and its reader hears of it
        quality, unread = {}, error.line()
    return {lang: _told(path, lang, (model, why), fits, (quality, unread)) for lang in TEXTS}


def _fits(path: Path, model: Model) -> list[tuple[Device, int]]:
    """Each known device with the longest context of the model there, as a page of its run is built."""
    recipe = path.parent.parent / "lilm.toml"
    made_here = path.parent.name == EXPORT and recipe.is_file()
    config = load_recipe(str(recipe)).wasm if made_here else WasmConfig()
    use = memory_use(config, config.variants[0])
    return [(one, longest_on(one, model, use)) for one in load_devices().values()]


def _measured(path: Path) -> dict[str, dict[str, Any]]:
    """Figures by language of a run's file, out of the report of its stage `bench`; none of a file that is no run's, or
    has been written again since."""
    report = path.parent.parent / REPORT
    if path.parent.name != EXPORT or not report.is_file():
        return {}
    try:
        rows = json.loads(report.read_text(encoding="utf-8"))["files"]
        quality: dict[str, dict[str, Any]] = next(
            (row["quality"] for row in rows if row["name"] == path.name and row["bytes"] == path.stat().st_size), {}
        )
        return {
            lang: {**figures, "bits_per_byte": float(figures["bits_per_byte"])} for lang, figures in quality.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        remedy = "delete it, or run the stage bench again"
        raise LilmError(f"this is no report of the stage bench ({error})", where=str(report), remedy=remedy) from error


def _told(
    path: Path,
    lang: str,
    known: tuple[Model | None, str],
    fits: list[tuple[Device, int]],
    measured: tuple[dict[str, dict[str, Any]], str],
) -> str:
    """known, measured: each with why it is not."""
    text, (model, why), (quality, unread) = TEXTS[lang], known, measured
    if model is None:
        parts = [f"{path.stat().st_size / 1e6:,.1f} MB", text["unknown"].format(why=plain(why))]
    else:
        parts = [text["size"].format(mb=model.file_bytes / 1e6, n_ctx=count(model.shape.context))]
    lines = [_bits(lang, of, figures) for of, figures in quality.items()]
    parts += [text["quality"], "\n".join(lines)] if lines else [plain(unread) if unread else text["no_quality"]]
    if fits:
        parts.append(text["fits"].format(fitting=sum(longest > 0 for _, longest in fits), all=len(fits)))
        rows = [f"| {text['device']} | | {text['longest']} |", "| --- | --- | ---: |"]
        for one, longest in fits:
            called = f"{one.device}, {one.os}"
            rows.append(f"| {called} | {text[one.kind]} | {count(longest) if longest else text['none']} |")
        parts.append("\n".join(rows))
    return "\n\n".join(parts)


def _bits(lang: str, of: str, figures: dict[str, Any]) -> str:
    language = JAPANESE.get(of, language_name(of)) if lang == "ja" else language_name(of)
    line = TEXTS[lang]["bits"].format(language=language, bits=figures["bits_per_byte"])
    kld = figures.get("kld_mean")
    return f"- {line}{TEXTS[lang]['kld'].format(kld=kld) if kld is not None else ''}"
