"""Loading an n-gram model, and telling whether it is one over characters."""

from functools import lru_cache
from pathlib import Path

from lilm.errors import LilmError
from lilm.train.corpus._native import NgramModel
from lilm.train.corpus.score.symbols import SPACE

# Per language: characters that every text has, and words that a model over words or pieces has in its vocabulary.
_COMMON = {
    "ja": ("のにはをたがでてとしれさある、。", ("です", "ます", "する", "こと", "という", "▁この")),
    "zh": ("的一是不了人在有我他这中大来上，。", ("我们", "他们", "一个", "没有", "可以", "▁在")),
    "ko": ("이다는을가에의고하지어기사로도아", ("있다", "그는", "것이", "했다", "그리고", "▁그")),
    "en": ("etaoinshrdlucmfw" + SPACE, ("the", "and", "of", "was", "that", "▁the")),
}


KENLM_BINARY = b"mmap lm http://kheafield.com/code"


@lru_cache(maxsize=8)
def open_model(path: str) -> NgramModel:
    """The model in the ARPA file, with backoff as SRILM, KenLM and others have it; loaded once per process. About 24
    bytes an n-gram.

    Raises LilmError when there is none.
    """
    try:
        arpa = Path(path).read_bytes()
        if arpa.startswith(KENLM_BINARY):
            raise ValueError("a KenLM binary")
        return NgramModel(arpa)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise LilmError(f"no whole n-gram model ({reason})", where=path, remedy="give a whole .arpa file") from error


def check_model(path: Path, lang: str) -> None:
    """Raises LilmError when the file is no model, or one over words, subword pieces or another script.

    Languages without a sample in this file are only checked to load.
    """
    model = open_model(str(path))
    characters, words = _COMMON.get(lang, ("", ()))
    found = sum(character in model for character in characters), sum(word in model for word in words)
    if 2 * found[0] < len(characters) or 2 * found[1] > len(words) or (SPACE in characters and SPACE not in model):
        raise LilmError(
            f"no model over characters of {lang!r}: it knows {found[0]} of {len(characters)} common characters"
            f" ({SPACE} is a space), and {found[1]} of {len(words)} common words",
            where=str(path),
            remedy=f"train it on text with a space between characters and {SPACE} for each space",
        )
