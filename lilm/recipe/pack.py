"""[pack]: text as tokens on disk."""

from pydantic import Field

from lilm.recipe.section import Section


class PackConfig(Section):
    shard_tokens: int = Field(default=100_000_000, ge=1000, le=10_000_000_000)
    """Tokens per .bin/.idx pair."""
