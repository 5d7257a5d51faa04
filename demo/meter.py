"""The line under an answer."""

from lilm.llamacpp.answers import Outcome


def meter(outcome: Outcome, n_ctx: int) -> str:
    """How full the context is, how quick the answer came, and what a reader should know of it."""
    parts = [
        f"context {outcome.context_tokens}/{n_ctx}",
        f"{outcome.tokens} tokens",
        f"{outcome.tokens_per_second:.1f} tokens/s",
    ]
    if outcome.left_out:
        parts.append(f"the context is full: the oldest {outcome.left_out} messages were left out")
    if outcome.finish == "cancelled":
        parts.append("stopped")
    if outcome.finish == "length":
        full = outcome.context_tokens >= n_ctx
        parts.append("cut, since the context is full" if full else "cut at the longest answer")
    return " · ".join(parts)
