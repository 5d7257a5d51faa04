"""How often a recipe reads its text: a little text is known by heart long before a long recipe ends."""

from lilm.recipe import PretrainConfig
from lilm.report.units import count

USEFUL = 16
"""Times, after which reading the same text again teaches next to nothing (Muennighoff et al. 2023, "Scaling
Data-Constrained Language Models": 4 are nearly as good as new text, from 16 on little comes of it)."""
BYTES_PER_TOKEN = 4.5  # roughly, of text in UTF-8 and its own pieces: Japanese 4.1, Vietnamese 4.9, Korean 6


def tokens_read(config: PretrainConfig, window: int | None = None) -> float:
    """Of the language to learn, in both stages. window: where it is shorter than the recipe's."""
    sequences = sum(
        stage.steps * stage.batch_size * (1 - config.replay_in(number))
        for number, stage in ((1, config.stage1), (2, config.stage2))
    )
    return sequences * (window or config.sequence_length)


def said_of_often(config: PretrainConfig, tokens: float, window: int | None = None) -> str:
    """A sentence when `tokens` of text are read more often than is of use, with the key; else ""."""
    times = tokens_read(config, window) / max(1.0, tokens)
    if times <= USEFUL:
        return ""
    steps = max(1, int(config.stage2.steps * USEFUL / times))
    return (
        f"its text is read about {count(round(times))} times, and after {USEFUL} times little more comes of it: give "
        f"more text, or pretrain.stage2.steps = {steps}, which is done sooner"
    )
