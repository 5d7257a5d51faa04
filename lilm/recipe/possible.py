"""What no run can make, told by the recipe alone: it is refused before any work."""

from collections.abc import Iterable

from lilm.recipe.chats import ChatSourceConfig
from lilm.recipe.corpus import SourceConfig

MADE_LANGUAGES = ("en", "ja")  # in which LiLM makes stories and chats itself


def impossible(language: str, sources: Iterable[SourceConfig], chats: Iterable[ChatSourceConfig]) -> str | None:
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
    return None
