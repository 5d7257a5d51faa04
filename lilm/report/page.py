"""A report is one page that needs nothing else; text out of files can neither break it nor hide in it."""

import re
from collections.abc import Callable, Mapping
from typing import Any

_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")  # no page may hold them; UTF-8 has no surrogates


def render_page(
    package: str, template: str, filters: Mapping[str, Callable[..., Any]] | None = None, **values: Any
) -> str:
    """The whole HTML page that `template`, a file of `package`, makes of `values`. It extends `page.html.jinja`.

    All text is escaped but that in Markup. Control characters and lone surrogates are shown, as U+2400 and following
    or as U+FFFD. Raises jinja2.UndefinedError when the template asks for what `values` lack.
    """
    import jinja2

    loader = jinja2.ChoiceLoader([jinja2.PackageLoader(package, "."), jinja2.PackageLoader("lilm.report", ".")])
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.undefined = jinja2.StrictUndefined
    environment.filters |= dict(filters or {})
    return _UNSEEN.sub(_picture, environment.get_template(template).render(**values)) + "\n"


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else "\ufffd"
