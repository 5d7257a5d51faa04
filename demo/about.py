"""about.html: what the page's model was made of, and under which licences all of it stands."""

from collections.abc import Sequence
from pathlib import Path

from lilm import __version__
from lilm.disk import write_atomic
from lilm.licences import Licence
from lilm.pipeline.stage import LLAMA_CPP_LICENSE
from lilm.report.page import render_page

NAME = "about.html"


def write_about(site: Path, title: str, licences: Sequence[Licence]) -> None:
    """Write it into the site, which has the engine already; llama.cpp's notice is the one beside that."""
    notice = site / "wasm" / LLAMA_CPP_LICENSE
    page = render_page(
        "lilm.demo",
        "about.html.jinja",
        title=title,
        version=__version__,
        licences=licences,
        names={"model": "this model", "base": "its base", "text": "text", "pairs": "pairs of answers"},
        notice=notice.read_text(encoding="utf-8") if notice.is_file() else "",
    )
    write_atomic(site / NAME, page)
