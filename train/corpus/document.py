"""The four-field document, and what is said of one that is not kept."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Document:
    """id: `<source>-<running number>`, with `.<piece>` when it was cut out of a longer one."""

    id: str
    source: str
    lang: str
    text: str


@dataclass(frozen=True, slots=True)
class Drop:
    """A document that a rule refused. rule: its name; reason: the figure and the limit, or what it copies."""

    document: Document
    rule: str
    reason: str
