"""The line under an answer."""

from lilm.llamacpp.answers import Outcome

TEXTS = {
    "en": {
        "context": "context {}/{}",
        "tokens": "{} tokens",
        "speed": "{:.1f} tokens/s",
        "memory": "{:,.0f} MB of memory",
        "left_out": "the context is full: the oldest {} messages were left out",
        "cancelled": "stopped",
        "full": "cut, since the context is full",
        "longest": "cut at the longest answer",
    },
    "ja": {
        "context": "コンテキスト {}/{}",
        "tokens": "{} トークン",
        "speed": "{:.1f} トークン/秒",
        "memory": "メモリ {:,.0f} MB",
        "left_out": "コンテキストがいっぱいのため、最も古い {} 件のメッセージは読まれていません",
        "cancelled": "停止しました",
        "full": "コンテキストがいっぱいのため、途中で切れました",
        "longest": "回答の最大の長さで切れました",
    },
}


def meter(outcome: Outcome, n_ctx: int, resident: int | None, lang: str = "en") -> str:
    """How full the context is, how quick the answer came, what the model takes, and what a reader should know of it.

    resident: bytes of the model's process, None where that is not known. lang: one of TEXTS.
    """
    text = TEXTS[lang]
    parts = [
        text["context"].format(outcome.context_tokens, n_ctx),
        text["tokens"].format(outcome.tokens),
        text["speed"].format(outcome.tokens_per_second),
    ]
    if resident is not None:
        parts.append(text["memory"].format(resident / 1e6))
    if outcome.left_out:
        parts.append(text["left_out"].format(outcome.left_out))
    if outcome.finish == "cancelled":
        parts.append(text["cancelled"])
    if outcome.finish == "length":
        parts.append(text["full" if outcome.context_tokens >= n_ctx else "longest"])
    return " · ".join(parts)


def language_of(accepted: str) -> str:
    """Which of TEXTS a browser's Accept-Language asks for first.

    >>> language_of("ja-JP,ja;q=0.9,en;q=0.8"), language_of("de,ja"), language_of("")
    ('ja', 'en', 'en')
    """
    first = accepted.partition(",")[0].partition(";")[0].strip().lower()
    return first.partition("-")[0] if first.partition("-")[0] in TEXTS else "en"
