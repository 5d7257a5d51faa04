"""What new pieces in Latin letters do to English, by how many: to its tokens, and to how well the base foretells it.

Nothing is trained: the rows of the pieces are as the recipe of `lilm init` for the language begins them.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lilm.errors import LilmError
from lilm.progress import Reporter
from lilm.recipe import Recipe
from lilm.vocabulary.latin import LATIN

SIZES = (1_000, 3_000, 8_000)
EVAL_BYTES = 20_000  # of held-out English, which no piece was learnt from: some 4,500 tokens
ENGLISH = "en"

Learn = Callable[[int], tuple[Path, int]]
"""Numbers of pieces -> (folder of the merged tokenizer, pieces added)."""


def chosen_sizes(said: str) -> tuple[int, ...]:
    """Numbers of pieces with commas, the fewest first; SIZES when empty. Raises LilmError for what is none.

    >>> chosen_sizes("3000,1000")
    (1000, 3000)
    """
    if not said.strip():
        return SIZES
    try:
        sizes = sorted({int(one) for one in said.split(",")})
    except ValueError:
        sizes = [0]
    if sizes[0] < 1:
        raise LilmError(f"{said!r}", where="--pieces", remedy="give numbers of new pieces, like 1000,3000,8000")
    return tuple(sizes)


def sizes_for(language: str, sizes: Sequence[int]) -> tuple[int, ...]:
    """Those that the table has of `language`: a script of its own changes no English."""
    return tuple(sizes) if language in LATIN else ()


def english_by_pieces(
    language: str,
    sizes: Sequence[int],
    learn: Learn,
    corpus: Path,
    lines: Sequence[str],
    base: Path,
    reporter: Reporter,
) -> list[dict[str, Any]]:
    """A row for each of `sizes`: pieces, pieces_added, english_tokens_before, english_tokens_after,
    english_tokens_rise, english_ids_changed, english_bits_per_byte_before, english_bits_per_byte_after,
    english_bits_per_byte_rise and its interval of 95%, english_bytes, init.

    learn: makes the vocabulary. corpus: folder of the stage. lines: held-out English, on which tokens are counted; bits
    per byte are of about EVAL_BYTES of it. base: folder of the whole model.
    """
    from lilm.devices import prepare_torch
    from lilm.documents import read_texts
    from lilm.train.base.model_folder import load_llama
    from lilm.train.pretrain.init_model import add_rows
    from lilm.train.pretrain.inputs import heldout_texts
    from lilm.train.pretrain.passages import bits, differences, passages
    from lilm.train.tokenizer.english import english_changed
    from lilm.train.trainer.measure import cut_windows, text_nats
    from lilm.vocabulary.byte_level import complete_tokenizer, read_byte_level
    from lilm.vocabulary.pieces import Pieces, open_pieces

    recipe = _recipe(language)
    device = prepare_torch(recipe.seed, recipe.threads)
    texts = passages(heldout_texts(corpus, (ENGLISH,), EVAL_BYTES)[ENGLISH])
    old, cut = open_pieces(base), complete_tokenizer(read_byte_level(base))

    def nats(model: Any, pieces: Pieces) -> list[float]:
        windows = cut_windows(pieces.encode, old.bos_id, texts, recipe.pretrain.sequence_length)
        return text_nats(model, windows, len(texts))

    rows: list[dict[str, Any]] = []
    with reporter.bar("English", len(sizes) + 1) as bar:
        before = nats(load_llama(base, device), old)
        for size in sizes:
            bar.advance(1, f"{size:,} pieces")
            folder, added = learn(size)
            changed = english_changed(cut, complete_tokenizer(read_byte_level(folder)), lines)
            new, model = open_pieces(folder), load_llama(base, device)
            learnt = read_texts(corpus, language, "train")
            add_rows(model, old, new, recipe.pretrain.init, recipe.seed, learnt, reporter)
            after = nats(model, new)
            apart = differences({0: before, size: after}, texts, 0, recipe.seed)[size]
            rows.append(
                {
                    "pieces": size,
                    "pieces_added": added,
                    "english_tokens_before": changed.tokens_before,
                    "english_tokens_after": changed.tokens_after,
                    "english_tokens_rise": round(changed.tokens_after / max(1, changed.tokens_before) - 1, 6),
                    "english_ids_changed": round(changed.share, 6),
                    "english_bytes": sum(len(text.encode()) for text in texts),
                    "english_bits_per_byte_before": round(bits(before, texts), 5),
                    "english_bits_per_byte_after": round(bits(after, texts), 5),
                    "english_bits_per_byte_rise": round(apart["bits"], 5),
                    "interval": [round(end, 5) for end in apart["interval"]],
                    "init": recipe.pretrain.init,
                }
            )
    return rows


def _recipe(language: str) -> Recipe:
    """What `lilm init` writes for the language."""
    from lilm.recipe.files import parse_recipe
    from lilm.recipe.own import Own

    return parse_recipe(Own(language, language, "texts").recipe(), "lilm init", Path.cwd())
