"""[bench]: quality against size."""

from pydantic import Field

from lilm.recipe.section import Section


class BenchConfig(Section):
    eval_tokens: int = Field(default=10_000, ge=100)
    """Held-out tokens per language on which each file is measured; the base and the pretrained model on their text."""
    n_ctx: int = Field(default=256, ge=16, le=1_048_576)
    """Window of the measurement."""
    prompts: tuple[str, ...] = ()
    """What each file is asked to go on with, greedily."""
    chats: tuple[str, ...] = ()
    """What each file is asked as a user of the chat, greedily."""
    n_predict: int = Field(default=48, ge=1, le=1_048_576)
    """Tokens of each answer."""
