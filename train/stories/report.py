"""How much of a held-out set of stories is already in the training set: the measure of the generator's variety."""

import re
from collections.abc import Iterable

from lilm.train.stories.generate import stories

_GRAM = {"ja": 8, "en": 8}
_SENTENCE = {
    "ja": re.compile(r"[^。「」]*「[^」]*」[^。「」]*。|[^。「」]+。|「[^」]*」"),
    "en": re.compile(r'(?:"[^"]*"|[^."!?])+[.!?]?'),
}


def sentences(lang: str, text: str) -> list[str]:
    """A story cut into sentences; a quotation stays with the words that say who speaks."""
    return [found.strip() for found in _SENTENCE[lang].findall(text) if found.strip()]


def grams(lang: str, text: str) -> Iterable[str]:
    """Every run of 8 characters (Japanese) or 8 words (English)."""
    size = _GRAM[lang]
    units: list[str] = list(text) if lang == "ja" else text.split()
    joint = "" if lang == "ja" else " "
    return (joint.join(units[i : i + size]) for i in range(len(units) - size + 1))


def repeat_report(lang: str, count: int, seed: int, heldout_share: float = 0.05) -> dict[str, float]:
    """Shares (0 to 1) of the held-out stories, sentences and 8-grams that the training part has word for word.

    The last `heldout_share` of `count` stories are held out. Raises LilmError for an unknown language.
    """
    texts = list(stories(lang, count, seed))
    cut = count - max(1, round(count * heldout_share))
    train, heldout = texts[:cut], texts[cut:]
    seen_texts = set(train)
    seen_sentences = {sentence for text in train for sentence in sentences(lang, text)}
    seen_grams = {gram for text in train for gram in grams(lang, text)}
    held_sentences = [sentence for text in heldout for sentence in sentences(lang, text)]
    held_grams = [gram for text in heldout for gram in grams(lang, text)]
    return {
        "train_stories": len(train),
        "heldout_stories": len(heldout),
        "stories_seen": sum(text in seen_texts for text in heldout) / len(heldout),
        "sentences_seen": sum(sentence in seen_sentences for sentence in held_sentences) / len(held_sentences),
        "grams_seen": sum(gram in seen_grams for gram in held_grams) / len(held_grams),
    }
