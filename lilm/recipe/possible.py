"""What no run can make, told by the recipe alone: it is refused before any work."""

from collections.abc import Iterable

from lilm.recipe.chats import ChatSourceConfig
from lilm.recipe.corpus import SourceConfig

MADE_LANGUAGES = ("en", "ja")  # in which LiLM makes stories and chats itself
# fmt: off
LATIN = frozenset((
    "af", "az", "bs", "ca", "cs", "cy", "da", "de", "en", "eo", "es", "et", "eu", "fi", "fil", "fr", "ga", "gd", "gl",
    "ha", "hr", "ht", "hu", "id", "ig", "is", "it", "jv", "la", "lb", "lt", "lv", "mg", "mi", "ms", "mt", "nb", "nl",
    "nn", "no", "om", "pl", "pt", "qu", "ro", "rw", "sk", "sl", "sm", "sn", "so", "sq", "st", "su", "sv", "sw", "tk",
    "tl", "tn", "to", "tr", "uz", "vi", "wo", "xh", "yo", "zu",
))
# fmt: on
"""Languages in Latin letters (ISO 639). New pieces never hold those: English would be cut otherwise."""


def impossible(
    language: str, pieces: int, sources: Iterable[SourceConfig], chats: Iterable[ChatSourceConfig]
) -> str | None:
    """What of it cannot be, with the key that mends it; None when nothing is known to be so."""
    made = " and ".join(MADE_LANGUAGES)
    for source in sources:
        if source.format == "stories" and source.lang not in MADE_LANGUAGES:
            return (
                f"corpus.sources {source.name!r}: stories are made in {made} only, not in {source.lang!r}: give files "
                "by `path`"
            )
    for chat in chats:
        asked = chat.lang or language
        if chat.format == "chats" and asked not in MADE_LANGUAGES:
            return (
                f'finetune.sources {chat.name!r}: format "chats" is made in {made} only, not in {asked!r}: give a '
                'file of chats by format = "messages" and `path`, or leave the source out'
            )
    if pieces and language in LATIN:
        return (
            f"tokenizer.pieces is {pieces}, and {language!r} is written in Latin letters, to which no pieces can be "
            "added: write pieces = 0 under [tokenizer]"
        )
    return None
