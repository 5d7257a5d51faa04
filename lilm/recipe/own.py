"""A recipe for one's own text: what `lilm init` writes when it is told name, language, text and base."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from lilm.errors import LilmError
from lilm.recipe.files import CODES
from lilm.report.languages import language_name
from lilm.vocabulary.latin import LATIN

SMOLLM2 = "HuggingFaceTB/SmolLM2-135M-Instruct"
_CODE = re.compile("[a-z]{2,3}")
_STROKES = str.maketrans("đĐłŁøØıŋßæÆœŒ", "dDlLoOinsaAoO")  # letters that no mark can be taken from
_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class Own:
    """title: of the page. lang: a code. text: folder, file or glob, as the recipe names it. base: a model's id on the
    hub, or the path or URL of one, and `kind` which. max_bad: of [corpus], "" for the default."""

    title: str
    lang: str
    text: str
    base: str = SMOLLM2
    kind: str = "hub"
    max_bad: str = ""

    @property
    def name(self) -> str:
        """The title as a recipe's name may be: letters without their marks.

        >>> Own("Chuyện làng Đông", "vi", "texts").name, Own("猫", "ja", "texts").name
        ('Chuyen-lang-Dong', 'model')
        """
        plain = unicodedata.normalize("NFKD", self.title.translate(_STROKES))
        bare = "".join(letter for letter in plain if not unicodedata.combining(letter))
        return re.sub(r"[^A-Za-z0-9_.-]+", "-", bare).strip("-.") or "model"

    def recipe(self) -> str:
        """The recipe's TOML."""
        import jinja2

        environment = jinja2.Environment(  # noqa: S701 - TOML is no HTML
            loader=jinja2.PackageLoader("lilm.recipe", "."),
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            undefined=jinja2.StrictUndefined,
        )
        environment.filters["toml"] = toml_string
        values: dict[str, Any] = {
            "title": " ".join(self.title.split()),
            "name": self.name,
            "lang": self.lang,
            "language": language_name(self.lang),
            "text": self.text,
            "base": self.base,
            "kind": self.kind,
            "key": "repo" if self.kind == "hub" else "url" if "://" in self.base else "path",
            "latin": self.lang in LATIN,
            "max_bad": self.max_bad,
        }
        return environment.get_template("own.toml.jinja").render(values)


def language_code(said: str) -> str:
    """The code of a language that is said as people say it. Raises LilmError when it is none, and for English.

    >>> language_code("Japanese"), language_code("ko")
    ('ja', 'ko')
    """
    word = said.strip().lower()
    code = CODES.get(word, word)
    if not _CODE.fullmatch(code):
        raise LilmError(f"{said!r} is no code of a language", where="--lang", remedy='write it as "ja", "ko" or "de"')
    if code == "en":
        raise LilmError("the base knows English already", where="--lang", remedy="give the language to learn")
    return code


def base_kind(base: str) -> str:
    """ "gguf" for a path or https address that ends so, "path" for another path, else "hub". Raises LilmError when it
    is none of them.

    >>> base_kind("models/x.gguf"), base_kind("./llama"), base_kind("a/b")
    ('gguf', 'path', 'hub')
    """
    if base.lower().split("?")[0].endswith(".gguf"):
        return "gguf"
    if base.startswith(("/", "./", "../", "~")):
        return "path"
    if _REPO.fullmatch(base):
        return "hub"
    raise LilmError(
        f"{base!r} is no base",
        where="--base",
        remedy=f"give a model of the hub as {SMOLLM2}, a GGUF file, or a folder as ./model",
    )


def toml_string(value: str) -> str:
    import tomlkit

    return tomlkit.item(value).as_string()
