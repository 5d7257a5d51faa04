"""Templates that show text; all others (boxes, notices, references, navigation) show none worth reading.

From those that Japanese and English Wikipedia use inside sentences.
"""

import re
from collections.abc import Callable, Mapping

from lilm.train.corpus.sources.superscripts import raised

_NAMESPACE = re.compile(r"(?:template|テンプレート)\s*:\s*")
_FUNCTION = re.compile(r"(?:formatnum|lc|uc|lcfirst|ucfirst)\s*:\s*")
_NO_NAME = re.compile("[<>]")
_PLACE = re.compile(r"\{(\w+)\}")

# Template -> its text: {1} is the first argument, {label} the one of that name. The first text that is not empty holds.
_FIRST = """nowrap small smaller big larger bigger nobold unicode sub abbr tooltip smallcaps mvar math num
    ruby ルビ ふりがな 要出典範囲 要検証範囲 いつ範囲 誰範囲 独自研究範囲 要説明範囲 jis2004フォント jis90フォント
    補助漢字フォント cp932フォント hanaフォント 拡張漢字 quote quotation cquote blockquote 引用 vanchor 下線 太字"""
_SHOWN: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_FIRST.split(), ("{1}",)),
    **dict.fromkeys(("lang", "transl", "color", "font color", "resize", "fontsize"), ("{2}",)),
    **dict.fromkeys(("colors", "langwithname"), ("{3}",)),
    **dict.fromkeys(("仮リンク", "ill", "ill2", "interlanguage link"), ("{label}", "{1}")),
    **dict.fromkeys(("読み仮名", "読み仮名 ruby不使用"), ("{1}（{2}）",)),
    **dict.fromkeys(("convert", "cvt"), ("{1} {2}",)),
    **{mark: (mark,) for mark in ("・", "·", "=", "'")},
    "nihongo": ("{1} ({2})",),
    "snd": (" – ",),
    "ndash": ("–",),
    "mdash": ("—",),
    "nbsp": (" ",),
}


def _value(arguments: Mapping[str, str]) -> str:
    """{{val}}: a number, what it is uncertain by, its power of ten and its unit."""

    def given(*names: str) -> str:
        return next((arguments[name] for name in names if arguments.get(name)), "")

    number, spread = given("1"), given("2")
    power, unit, per = given("e"), given("u", "ul"), given("up", "upl")
    text = f"{number}±{spread}" if spread else number
    if power:
        text = (f"({text})" if spread else text) + "×" * bool(number) + "10" + raised(power)
    unit += f"/{per}" * bool(per)
    return given("p") + text + given("s", "end") + (f" {unit}" if unit else "")


_WRITTEN: dict[str, Callable[[Mapping[str, str]], str]] = {
    "val": _value,
    "sup": lambda arguments: raised(arguments.get("1", "")),
    "e": lambda arguments: "×10" + raised(arguments.get("1", "")),
    "10^": lambda arguments: "10" + raised(arguments.get("1", "")),
}


def template_text(content: str) -> str:
    """content: what stands between {{ and }}, where templates and links are text already.

    >>> template_text("lang|en|City of Trees"), template_text("要出典|date=2020年1月")
    ('City of Trees', '')
    """
    name, *parts = content.split("|")
    name = _NAMESPACE.sub("", name.strip().replace("_", " ").lower(), count=1)
    if function := _FUNCTION.match(name):
        return name[function.end() :]
    shown = ("{1}",) if name.startswith("lang-") else _SHOWN.get(name, ())
    written = _WRITTEN.get(name)
    if not shown and not written:
        return ""
    arguments: dict[str, str] = {}
    number = 0
    for part in parts:
        key, named, value = part.partition("=")
        if named and not _NO_NAME.search(key):
            arguments[key.strip()] = value.strip()
        else:
            number += 1
            arguments[str(number)] = part
    if written:
        return written(arguments)
    texts = (_PLACE.sub(lambda place: arguments.get(place[1], ""), text) for text in shown)
    return next((text for text in texts if text), "")
