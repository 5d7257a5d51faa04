"""`lilm bench languages`: filters and new pieces on real text of other languages than Japanese."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lilm.cache import cache_dir
from lilm.errors import LilmError
from lilm.kept import kept
from lilm.pipeline.hashing import write_json
from lilm.pipeline.made_by import code_of
from lilm.pipeline.runner import locked
from lilm.pipeline.stage import Context
from lilm.progress import Reporter
from lilm.recipe import CorpusConfig, RulesConfig, TokenizerConfig
from lilm.report.narrow import Narrowed
from lilm.train.languages.by_pieces import chosen_sizes, english_by_pieces, sizes_for
from lilm.train.languages.debian import WHERE, Package, fetch, find_packages
from lilm.train.languages.page import pieces_table, results_table, write_page
from lilm.train.languages.sources import ENGLISH, LANGUAGES, Language
from lilm.train.languages.texts import Page, read_pages
from lilm.vocabulary.byte_level import FILE, load_tokenizer

PIECES = 3_000  # as the recipes for SmolLM2 have
LINES = 3_000  # held out, of each language, on which ids are compared
HELD_OUT = 0.3  # of the documents: there is little Thai, and a thousand lines of it are to be held out
MAX_CHARS = 2_000
SHORT = 150  # characters of a page that is too short to be judged
SAMPLE = range(30, 80)  # characters of a line that is shown as it is cut
APART = ("reachable pieces",)  # no comparison of ids


def measure(
    reporter: Reporter,
    run_dir: Path | None = None,
    kinds: str = "",
    pieces: str = "",
    markdown: Path | None = None,
    json_file: Path | None = None,
) -> dict[str, Any]:
    """For each language text out of Debian's packages, as the machine's apt finds them: filtered and held out by the
    stage corpus, then PIECES new pieces for the vocabulary of SmolLM2, compared in Hugging Face and llama.cpp; of those
    in Latin letters also what other numbers of pieces do to English, as SmolLM2 itself tells it.

    run_dir: where finished languages are kept, so that a stopped bench goes on; None: the user's cache. kinds: codes of
    languages, with commas; all when empty. pieces: numbers of them to tell English by, with commas; SIZES of by_pieces
    when empty. markdown: file for the results as a page. json_file: written after each
    language.

    Returns languages [{language, documents, characters, kept_share, drops, chars_per_token_before,
    chars_per_token_after, pieces_added, left_out_for_english, lines_compared, token_mismatches, english_tokens,
    english_tokens_rise, english_ids_changed, by_pieces, sample, packages}]. kept_share: of the pages whose English the
    rules for English keep. english_tokens_rise and english_ids_changed: shares of the held-out English tokens.
    by_pieces: as `english_by_pieces` answers it. Raises LilmError without an archive or a package index, for a language
    that it has no text of, and for numbers of pieces that are none.
    """
    chosen, sizes = _chosen(kinds), chosen_sizes(pieces)
    root = run_dir or cache_dir() / "bench-languages"
    root.mkdir(parents=True, exist_ok=True)
    with locked(root):  # each language is made in one and the same folder
        return _measured(chosen, sizes, root, reporter, markdown, json_file)


def _measured(
    chosen: Sequence[Language],
    sizes: Sequence[int],
    root: Path,
    reporter: Reporter,
    markdown: Path | None,
    json_file: Path | None,
) -> dict[str, Any]:
    packages = find_packages(list(dict.fromkeys(name for one in (ENGLISH, *chosen) for name in one.packages())))
    base = _base(root, reporter)
    code = code_of(__name__)
    rows: list[dict[str, Any]] = []
    figures: dict[str, Any] = {"benchmark": "languages", "base": "SmolLM2", "pieces": PIECES, "languages": rows}
    with reporter.bar("languages", len(chosen)) as bar:
        for language in chosen:
            mine = [packages[name] for name in dict.fromkeys((*ENGLISH.packages(), *language.packages()))]
            told = sizes_for(language.code, sizes)
            of = {"code": code, "packages": [package.sha256 for package in mine], "pieces": told}

            def make(
                language: Language = language, mine: Sequence[Package] = mine, told: Sequence[int] = told
            ) -> dict[str, Any]:
                return _language(language, told, mine, base, root, reporter)

            rows.append(kept(root / f"{language.code}.json", of, make))
            if json_file is not None:
                write_json(json_file, figures)
            bar.advance(1, language.code)
    for table in (results_table(figures), pieces_table(figures)):
        if table.row_count:
            reporter.console.print(Narrowed(table))
    if markdown is not None:
        write_page(markdown, figures)
    return figures


def _chosen(kinds: str) -> list[Language]:
    codes = [code.strip() for code in kinds.split(",") if code.strip()]
    unknown = sorted(set(codes) - set(LANGUAGES))
    if unknown:
        raise LilmError(
            f"no text of language {unknown[0]!r}", where=WHERE, remedy="use some of: " + ", ".join(LANGUAGES)
        )
    return [LANGUAGES[code] for code in codes or LANGUAGES]


def _base(root: Path, reporter: Reporter) -> Path:
    """A folder with SmolLM2's vocabulary, and no weights."""
    from lilm.gguf_file import open_gguf
    from lilm.train.base.gguf_tokenizer import write_gguf_tokenizer
    from lilm.train.base.smollm2 import fetch_smollm2_gguf

    folder = root / "base"
    folder.mkdir(exist_ok=True)
    write_gguf_tokenizer(open_gguf(fetch_smollm2_gguf(reporter)), folder, 2048)
    write_json(folder / "config.json", {"max_position_embeddings": 2048})
    return folder


def _model(folder: Path, reporter: Reporter) -> Path:
    """SmolLM2 with its weights, in `folder`: half a gigabyte."""
    from lilm.train.base.from_gguf import write_gguf_model
    from lilm.train.base.smollm2 import fetch_smollm2_gguf

    folder.mkdir()
    write_gguf_model(fetch_smollm2_gguf(reporter), folder, reporter)
    return folder


def _language(
    language: Language,
    sizes: Sequence[int],
    packages: Sequence[Package],
    base: Path,
    root: Path,
    reporter: Reporter,
) -> dict[str, Any]:
    debs = {package.name: fetch(package, reporter) for package in packages}
    reporter.say(f"  {language.code}: reading {', '.join(language.packages())}")
    pages = read_pages(language, debs)
    work = root / "work"
    shutil.rmtree(work, ignore_errors=True)  # of a run that was killed
    work.mkdir()
    _write_texts(work / f"{language.code}.jsonl", [page.text for page in pages])
    _write_texts(work / "en.jsonl", _english(root, debs))
    made = _pieces(language, sizes, work, base, reporter)
    shutil.rmtree(work)
    return {
        "language": language.code,
        "documents": len(pages),
        "characters": sum(len(page.text) for page in pages),
        **_kept_share(pages, language.code),
        **made,
        "packages": {package.name: {"file": package.file, "sha256": package.sha256} for package in packages},
    }


def _english(root: Path, debs: Mapping[str, Path]) -> list[str]:
    """Read once, for all languages."""
    of = {"code": code_of("lilm.train.languages.texts"), "files": [str(debs[name]) for name in ENGLISH.packages()]}
    texts: list[str] = kept(root / "english.json", of, lambda: [page.text for page in read_pages(ENGLISH, debs)])
    return texts


def _write_texts(path: Path, texts: Sequence[str]) -> None:
    lines = (json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts)
    path.write_text("".join(lines), encoding="utf-8")


def _kept_share(pages: Sequence[Page], code: str) -> dict[str, Any]:
    """Which part of the pages the rules for the language keep, of those whose English the rules for English keep: a
    page that says the same again and again does so in both."""
    originals = _refused([page.original for page in pages], "en")
    clean = [
        page for page, refused in zip(pages, originals, strict=True) if refused is None and len(page.text) >= SHORT
    ]
    found = _refused([page.text for page in clean], code)
    drops: dict[str, int] = {}
    for rule in found:
        if rule is not None:
            drops[rule] = drops.get(rule, 0) + 1
    kept_pages = sum(rule is None for rule in found)
    return {"kept_share": round(kept_pages / max(1, len(clean)), 4), "judged": len(clean), "drops": drops}


def _refused(texts: Sequence[str], code: str) -> list[str | None]:
    """Name of the rule that refuses each text, after the stage's normalising."""
    from lilm.train.corpus.normalise import normalise_all
    from lilm.train.corpus.rules import refusals

    found = refusals(normalise_all(texts, code, "、。"), code, RulesConfig(), web=False)
    return [one[0] if one else None for one in found]


def _pieces(language: Language, sizes: Sequence[int], work: Path, base: Path, reporter: Reporter) -> dict[str, Any]:
    """Learnt, and compared without a gate: what differs is a figure here."""
    from lilm.train.corpus import stage as corpus_stage
    from lilm.train.corpus.punctuation import ENDS
    from lilm.train.tokenizer.english import english_changed
    from lilm.train.tokenizer.kinds import open_base
    from lilm.train.tokenizer.report.tokenizers import FastCutter
    from lilm.train.tokenizer.stage import english_to_keep
    from lilm.train.tokenizer.texts import heldout_lines, learning_texts
    from lilm.train.tokenizer.verify import Candidate

    context = Context(0, 1, language.code, "en", reporter)
    corpus, out = work / "corpus", work / "tokenizer"
    corpus.mkdir()
    out.mkdir()
    corpus_stage.run(_corpus(language.code, work), {}, corpus, context)
    config = TokenizerConfig(pieces=PIECES)
    kind = open_base(base)
    texts = list(learning_texts(corpus, language.code, config.train_chars))
    english = english_to_keep(corpus, context, texts)
    written = kind.write_merged(texts, config, language.code, out, 2048, english)
    lines = {code: heldout_lines(corpus, code, LINES) for code in (language.code, "en")}
    report = kind.verify(
        Candidate(out, lines, "en", work / "vocab.gguf", config.multiple, may_change=english is not None)
    )
    cutters = [FastCutter(name, folder / FILE) for name, folder in (("before", base), ("after", out))]
    fitting = [line for line in lines[language.code] if len(line) in SAMPLE]
    line = next((line for line in fitting if line.endswith(tuple(ENDS))), next(iter(fitting), ""))
    mine, other = report.figures[language.code], report.figures["en"]
    before, after = other["base_tokens"], other["merged_tokens"]
    old, new = (load_tokenizer(folder / FILE) for folder in (base, out))
    changed = report.changed or english_changed(old, new, lines["en"])

    def learn(pieces: int) -> tuple[Path, int]:
        if pieces == PIECES:
            return out, written.pieces_added
        folder = work / f"tokenizer-{pieces}"
        folder.mkdir()
        wish = config.model_copy(update={"pieces": pieces})
        return folder, kind.write_merged(texts, wish, language.code, folder, 2048, english).pieces_added

    by_pieces: list[dict[str, Any]] = []
    if sizes:
        model = _model(work / "model", reporter)
        by_pieces = english_by_pieces(language.code, sizes, learn, corpus, lines["en"], model, reporter)
    return {
        "by_pieces": by_pieces,
        "sample": {"text": line, **{cutter.name: cutter.split(line) for cutter in cutters}},
        "characters_learnt": sum(map(len, texts)),
        "chars_per_token_before": mine["base_chars_per_token"],
        "chars_per_token_after": mine["merged_chars_per_token"],
        "pieces_added": written.pieces_added,
        "left_out_for_english": written.left_out,
        "lines_compared": {code: len(found) for code, found in lines.items()},
        "token_mismatches": sum(
            check.mismatches for name, check in report.checks.items() if name not in (*APART, "en ids = base ids")
        ),
        "english_tokens": int(before),
        "english_tokens_rise": round((after - before) / before, 6),
        "english_ids_changed": round(changed.share, 6),
    }


def _corpus(code: str, work: Path) -> CorpusConfig:
    sources = [
        {"name": f"debian-{lang}", "lang": lang, "format": "jsonl", "path": str(work / f"{lang}.jsonl")}
        for lang in (code, "en")
    ]
    return CorpusConfig.model_validate({"sources": sources, "workers": 1, "max_chars": MAX_CHARS, "heldout": HELD_OUT})
