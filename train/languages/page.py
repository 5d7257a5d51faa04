"""The results as a table on the screen and as a page of Markdown: every figure out of the JSON, none typed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from lilm.disk import write_atomic
from lilm.recipe import TokenizerConfig
from lilm.report.languages import language_name
from lilm.report.markdown import plain, table
from lilm.train.languages.by_pieces import SIZES

MARK = "<!-- by hand below -->"
HEADS = (
    "characters",
    "kept",
    "characters a token before",
    "after",
    "lines compared",
    "ids that differ",
    "English tokens",
    "English ids changed",
)
BY_PIECES = (
    "new pieces",
    "English tokens before",
    "after",
    "more",
    "became others",
    "bits per byte before",
    "after",
    "more, with 95% interval",
)
SHORT_PIECES = (
    "new\npieces",
    "English\ntokens",
    "after",
    "more",
    "others",
    "bits/\nbyte",
    "after",
    "more (95% interval)",
)
SHORT_HEADS = ("text", "kept", "chars/\ntoken", "after", "lines", "ids that\ndiffer", "English\ntokens", "ids\nchanged")


def cells(row: Mapping[str, Any]) -> list[str]:
    """The figures of one language, as HEADS names them."""
    return [
        f"{row['characters'] / 1e6:.2f} M",
        f"{row['kept_share']:.1%}",
        f"{row['chars_per_token_before']:.2f}",
        f"{row['chars_per_token_after']:.2f}",
        f"{sum(row['lines_compared'].values()):,}",
        f"{row['token_mismatches']:,}",
        f"{row['english_tokens_rise']:+.3%}",
        f"{row['english_ids_changed']:.3%}",
    ]


def by_pieces(figures: Mapping[str, Any]) -> list[list[str]]:
    """English by how many pieces, as BY_PIECES names it: a row for each number, of the languages that have them."""
    return [
        [
            f"{language_name(row['language'])} ({row['language']})",
            f"{one['pieces_added']:,}",
            f"{one['english_tokens_before']:,}",
            f"{one['english_tokens_after']:,}",
            f"{one['english_tokens_rise']:+.3%}",
            f"{one['english_ids_changed']:.3%}",
            f"{one['english_bits_per_byte_before']:.4f}",
            f"{one['english_bits_per_byte_after']:.4f}",
            f"{one['english_bits_per_byte_rise']:+.4f} ({one['interval'][0]:+.4f} to {one['interval'][1]:+.4f})",
        ]
        for row in figures["languages"]
        for one in row["by_pieces"]
    ]


def results_table(figures: Mapping[str, Any]) -> Table:
    made = Table(title="languages", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    made.add_column("language")
    for head in SHORT_HEADS:
        made.add_column(head, justify="right", no_wrap=True)
    for row in figures["languages"]:
        made.add_row(language_name(row["language"]), *cells(row))
    return made


def pieces_table(figures: Mapping[str, Any]) -> Table:
    made = Table(title="English by new pieces", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    made.add_column("language")
    for head in SHORT_PIECES:
        made.add_column(head, justify="right", no_wrap=True)
    for row in by_pieces(figures):
        made.add_row(*row)
    return made


def write_page(path: Path, figures: Mapping[str, Any]) -> None:
    """The page at `path`, whose part below MARK stays when there is one."""
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    write_atomic(path, page(figures, before))


def page(figures: Mapping[str, Any], before: str = "") -> str:
    """before: the page as it stands, whose part below MARK stays."""
    rows = [[f"{language_name(row['language'])} ({row['language']})", *cells(row)] for row in figures["languages"]]
    samples = [
        [
            language_name(row["language"]),
            plain(row["sample"]["text"]),
            f"{len(row['sample']['before'])}",
            f"{len(row['sample']['after'])}",
            plain(" · ".join(row["sample"]["after"])),
        ]
        for row in figures["languages"]
        if row["sample"]["text"]
    ]
    by_hand = before.partition(MARK)[2] or "\n"
    return f"""# Languages other than Japanese

`lilm bench languages --json languages.json --markdown docs/languages.md` printed this table: text out of Debian's
packages (help pages, a handbook, and for Thai and Arabic LibreOffice's messages too), {figures["pieces"]:,} new pieces
for the vocabulary of {figures["base"]}.

{table(["language", *HEADS], rows, len(HEADS))}

- Characters: of all its text. Kept: of the pages whose English original passes the rules for English.
- Characters a token: on held-out lines, with {figures["base"]}'s own pieces and with the new ones beside them.
- Ids that differ: between `tokenizers`, Hugging Face and llama.cpp, or text that does not come back, on the language's
  held-out lines, the English ones, and lines on which tokenizers like to differ.
- English tokens: how many more or fewer the held-out English takes. English ids changed: share of its tokens that are
  not where they were; a script of its own changes none.

{_english(figures)}## A held-out line of each

{table(["language", "line", "tokens before", "after", "its pieces (▁ is a space, … a part of a character)"], samples)}

{MARK}{by_hand}"""


def _english(figures: Mapping[str, Any]) -> str:
    """The part about English by numbers of pieces; "" where no language is in Latin letters."""
    rows = by_pieces(figures)
    if not rows:
        return ""
    every = [one for row in figures["languages"] for one in row["by_pieces"]]
    sizes = sorted({one["pieces"] for one in every})
    typed = "" if sizes == list(SIZES) else f" --pieces {','.join(map(str, sizes))}"
    most = max(one["english_ids_changed"] for one in every)
    n_bytes = round(sum(one["english_bytes"] for one in every) / len(every))
    bound = TokenizerConfig().max_english_changed
    return f"""## English beside Latin letters, by how many pieces

`lilm bench languages{typed}` printed this too. Nothing is trained yet: {figures["base"]} (the 4-bit file of a package
index) has rows for the new pieces, as the recipe of `lilm init` begins them.

{table(["language", *BY_PIECES], rows, len(BY_PIECES))}

- English tokens: of the held-out English lines, none of which a piece was learnt from. Became others: share of the
  tokens that are not where they were, at most {most:.3%}; the bound is `max_english_changed`, {bound:.1%}.
- Bits per byte: of {n_bytes:,} bytes (the mean) of that English, with {figures["base"]}'s own tokenizer and with
  the new pieces beside it. The interval is of passages drawn anew, in pairs.

"""
