"""One model per language: the user's, or one trained here on trusted text."""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path

from lilm.errors import LilmError
from lilm.progress import Reporter
from lilm.recipe.corpus import ScoreConfig
from lilm.train.corpus.score.model import check_model
from lilm.train.corpus.score.train import train_model


def train_models(
    config: ScoreConfig,
    texts_of: Callable[[str], Iterable[str]],
    languages: Sequence[str],
    out_dir: Path,
    reporter: Reporter,
) -> dict[str, Path]:
    """Language -> model. Those of `config.models` are checked, the others trained on `texts_of(language)`, which
    yields normalised trusted texts, and written to `out_dir`/<language>.arpa; what lies there already is taken as it
    is. A language without trusted text has no model and no scores.

    Raises LilmError for a file that is no model over characters, for a language that the corpus has not, and for too
    little trusted text.
    """
    if not config.trusted and not config.models:
        return {}
    unknown = sorted(set(config.models) - set(languages))
    if unknown:
        raise LilmError(
            f"names a model for {unknown[0]!r}, but the corpus has {', '.join(languages)}",
            where="corpus.score.models",
            remedy="name a language of the sources",
        )
    paths: dict[str, Path] = {}
    for lang in languages:
        path = out_dir / f"{lang}.arpa"
        if lang in config.models:
            path = Path(config.models[lang])
            check_model(path, lang)
        elif not path.exists():
            texts = iter(texts_of(lang))
            first = next(texts, None)
            if first is None:
                reporter.say(f"  no trusted text in {lang}: its documents are not scored")
                continue
            with reporter.bar(f"score model {lang}", 1) as bar:
                counts = train_model(chain([first], texts), path, config.order, config.train_chars)
                bar.advance(1, f"{sum(counts):,} n-grams")
        paths[lang] = path
    return paths
