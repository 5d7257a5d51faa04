"""Figures as people read them."""

from lilm.progress import clock

FEW_TOKENS = 2_000
"""Held-out tokens below which figures are too rough to tell models or files apart."""


def count(number: int) -> str:
    """`1234` -> `1,234`."""
    return f"{number:,}"


def size(number: float) -> str:
    """Bytes, to three digits.

    >>> size(1_234_567), size(999), size(0), size(999_999)
    ('1.23 MB', '999 B', '0 B', '1.00 MB')
    """
    if number < 1000:
        return f"{number:.0f} B"
    value = number
    for unit in ("kB", "MB", "GB"):
        value /= 1000
        if value < 999.5:
            return f"{three_digits(value)} {unit}"
    return f"{three_digits(value / 1000)} TB"


def three_digits(value: float) -> str:
    """Three digits, or all that stand before the point.

    >>> three_digits(1.234), three_digits(12.34), three_digits(1234.5), three_digits(0.0123)
    ('1.23', '12.3', '1,234', '0.01')
    """
    return f"{value:,.0f}" if value >= 99.95 else f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"


def percent(share: float) -> str:
    """`0.0123` -> `1.23 %`; what is not nothing is not shown as 0.

    >>> percent(0.5), percent(0.00001), percent(0)
    ('50.0 %', '< 0.01 %', '0 %')
    """
    if share == 0:
        return "0 %"
    return "< 0.01 %" if 0 < share < 0.0001 else f"{three_digits(share * 100)} %"


def duration(seconds: float) -> str:
    """`7.25` -> `7.25 s`, `75` -> `1:15`."""
    return f"{three_digits(seconds)} s" if seconds < 60 else clock(seconds)
