"""chrF, how much of one text's characters stands in another (Popović 2015, "chrF: character n-gram F-score for
automatic MT evaluation"), as sacrebleu's `chrF2` computes it of one sentence."""

from collections import Counter

ORDER = 6  # longest n-grams, characters; spaces do not count
BETA = 2  # what of the reference is found weighs twice as much as what of the hypothesis is right


def chrf(hypothesis: str, reference: str) -> float:
    """From 0, nothing in common, to 1, the same characters in the same order.

    >>> chrf("the cat sat", "the cat sat"), chrf("", "the cat sat"), round(chrf("a cat sits", "the cat sat"), 4)
    (1.0, 0.0, 0.2555)
    """
    hypothesis, reference = ("".join(text.split()) for text in (hypothesis, reference))
    precisions, recalls = [], []
    for size in range(1, min(ORDER, len(hypothesis), len(reference)) + 1):
        found, wanted = _grams(hypothesis, size), _grams(reference, size)
        common = (found & wanted).total()
        precisions.append(common / found.total())
        recalls.append(common / wanted.total())
    precision, recall = (sum(values) / len(values) if values else 0.0 for values in (precisions, recalls))
    below = BETA**2 * precision + recall
    return (1 + BETA**2) * precision * recall / below if below else 0.0


def _grams(text: str, size: int) -> Counter[str]:
    return Counter(text[at : at + size] for at in range(len(text) - size + 1))
