"""How long a busy server is left alone."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_WAIT = 600.0  # seconds; who asks for more is asked again by the next run
LONGEST_PAUSE = 60.0
GAVE_UP = "it was busy or gone at each try"


def backoff(pause: float, attempt: int) -> float:
    """Seconds after the try of this number, from 0: twice as many each time."""
    return min(LONGEST_PAUSE, pause * 2.0**attempt)


def asked_wait(retry_after: str | None) -> float | None:
    """Seconds that a Retry-After header (RFC 9110, 10.2.3) asks for, as a number or a date; None where it says nothing.

    >>> asked_wait("2"), asked_wait("soon"), asked_wait("Wed, 21 Oct 2015 07:28:00 GMT")
    (2.0, None, 0.0)
    """
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        date = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())
