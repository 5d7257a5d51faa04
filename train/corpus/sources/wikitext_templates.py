"""Templates that show text; all others (boxes, notices, references, navigation) show none worth reading.

From those that Japanese and English Wikipedia use inside sentences.
"""

import re

_NAMESPACE = re.compile(r"(?:template|テンプレート)\s*:\s*")
_FUNCTION = re.compile(r"(?:formatnum|lc|uc|lcfirst|ucfirst)\s*:\s*")
_NAMED = re.compile(r"\s*([^=|<>]*?)\s*=(.*)", re.DOTALL)
_PLACE = re.compile(r"\{(\w+)\}")

# Template -> its text: {1} is the first argument, {label} the one of that name. The first text that is not empty holds.
_FIRST = """nowrap small smaller big larger bigger nobold unicode sub sup abbr tooltip smallcaps mvar math val num
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
    if not shown:
        return ""
    arguments: dict[str, str] = {}
    number = 0
    for part in parts:
        if named := _NAMED.fullmatch(part):
            arguments[named[1]] = named[2].strip()
        else:
            number += 1
            arguments[str(number)] = part
    texts = (_PLACE.sub(lambda place: arguments.get(place[1], ""), text) for text in shown)
    return next((text for text in texts if text), "")
