"""Where Debian has text of each language: help pages of LibreOffice, GNOME and MATE, the administrator's handbook, and
LibreOffice's own messages."""

from dataclasses import dataclass
from typing import Literal

Form = Literal["help", "mallard", "docbook", "handbook", "messages"]
"""LibreOffice's HTML pages, GNOME's Mallard, MATE's DocBook, publican's HTML pages, gettext's catalogues."""


@dataclass(frozen=True)
class Source:
    """package: of Debian. files: expression for the paths in it, from `usr/`; its group is the page's name, the same in
    all languages. original: the English of the same pages; None for messages, which hold their own."""

    package: str
    form: Form
    files: str
    original: "Source | None" = None


@dataclass(frozen=True)
class Language:
    code: str
    sources: tuple[Source, ...]

    def packages(self) -> tuple[str, ...]:
        """Names of all that its text is in, those of the English beside it too."""
        found = [one.package for source in self.sources for one in (source, source.original) if one]
        return tuple(dict.fromkeys(found))


def _help(place: str) -> Source:
    files = rf"usr/share/libreoffice/help/{place}/(text/.*\.html)"
    return Source(f"libreoffice-help-{place.lower()}", "help", files, _help("en-US") if place != "en-US" else None)


def _gnome(place: str) -> Source:
    files = rf"usr/share/help/{place}/(.*\.page)"
    return Source("gnome-user-docs", "mallard", files, _gnome("C") if place != "C" else None)


def _mate(place: str) -> Source:
    files = rf"usr/share/help/{place}/(mate-user-guide/.*\.xml)"
    return Source("mate-user-guide", "docbook", files, _mate("C") if place != "C" else None)


def _handbook(place: str) -> Source:
    files = rf"usr/share/doc/debian-handbook/html/{place}/([^/]*\.html)"
    return Source("debian-handbook", "handbook", files, _handbook("en-US") if place != "en-US" else None)


def _messages(place: str) -> Source:
    return Source(f"libreoffice-l10n-{place.lower()}", "messages", r"usr/(.*\.mo)")


ENGLISH = Language("en", (_help("en-US"), _gnome("C")))
LANGUAGES = {
    code: Language(code, sources)
    for code, sources in (
        ("ko", (_help("ko"), _gnome("ko"))),
        ("zh", (_help("zh-CN"), _gnome("zh_CN"))),
        ("th", (_messages("th"), _mate("th"))),
        ("vi", (_help("vi"), _gnome("vi"))),
        ("id", (_help("id"), _gnome("id"))),
        ("tr", (_help("tr"), _gnome("tr"))),
        ("de", (_help("de"), _gnome("de"))),
        ("ar", (_messages("ar"), _handbook("ar-MA"))),
        ("hi", (_help("hi"), _gnome("hi"))),
    )
}
