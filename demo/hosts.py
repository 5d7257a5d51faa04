"""Which names a local server answers to: a page of another site must not reach it under a name of its own."""

from collections.abc import Collection
from urllib.parse import urlsplit

LOCAL = ("127.0.0.1", "localhost", "::1")
ANY = ("0.0.0.0", "::")  # noqa: S104 - where one listens on these, every name of the machine is meant


def names_of(host: str) -> frozenset[str]:
    """Names under which a server that listens on `host` may be asked; empty: under any."""
    return frozenset() if host in ANY else frozenset((*LOCAL, host.lower()))


def is_for_us(host: str | None, origin: str | None, names: Collection[str]) -> bool:
    """Whether a request with these headers `Host` and `Origin` was meant for a server of these names.

    A foreign name that resolves to 127.0.0.1 makes a browser take us for that site (DNS rebinding); a foreign origin is
    a page elsewhere that sends its visitor's browser here.
    """
    if not names:
        return True
    asked = _name("//" + host) if host else None
    return asked in names and (origin is None or _name(origin) in names)


def _name(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:  # brackets that are no address
        return None
