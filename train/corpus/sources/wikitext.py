"""Wikitext as the plain text that a reader of the page sees; no markup is left.

Rules as in https://www.mediawiki.org/wiki/Help:Formatting, Help:Links and Help:Tables. mwparserfromhell, the library
for wikitext, leaves tables, captions, categories and language variants in, knows no template, and is far slower.
"""

import html
import re

from lilm.train.corpus.sources.wikitext_templates import template_text

# Elements whose content is no prose.
_NO_PROSE = (
    "categorytree|ce|chem|gallery|graph|hiero|imagemap|indicator|inputbox|mapframe|maplink|math|pre|ref|references|"
    "rp|rt|score|source|style|syntaxhighlight|templatedata|templatestyles|timeline"
)
_NOWIKI = re.compile(r"<nowiki>(.*?)</nowiki>", re.DOTALL | re.IGNORECASE)
_MARKUP = re.compile(r"[^\w\s&;#]")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_EMPTY_ELEMENT = re.compile(rf"<(?:{_NO_PROSE})\b[^<>]*/>", re.IGNORECASE)
_ELEMENT = re.compile(rf"<({_NO_PROSE})\b[^<>]*>[^<]*(?:<(?!/?\1\b)[^<]*)*</\1\s*>", re.IGNORECASE)
_BREAK = re.compile(r"<br\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
_NESTED = re.compile(r"\{\{|\}\}|\[\[|\]\]|\{\||\|\}(?!\})")
_OPENER = {"}}": "{{", "]]": "[[", "|}": "{|"}
_INTERLANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z]+)*|simple")
_OUTSIDE = re.compile(r"\[(?:https?:|ftp:|mailto:|//)[^\s\[\]]*([^\[\]\n]*)\]", re.IGNORECASE)
_VARIANT = re.compile(r"-\{(?:[^{}:;]*:)?([^{};]*)[^{}]*\}-")
_MARKS = re.compile(r"''+|__[^\W\d_]+__|\{\{|\}\}|\[\[|\]\]")
_BRACKETS = re.compile(r"[（(]([^（）()\n]*)[）)]")
_HEADING = re.compile(r"(={1,6})[ \t]*(.+?)[ \t]*=+")
_GAP = re.compile(r"\n{3,}")
# Sections that are lists of works and links.
_APPARATUS_JA = "脚注 注釈 注 出典 注釈・出典 脚注・出典 出典・脚注 参考文献 参考資料 関連文献 関連項目 外部リンク"
_APPARATUS_EN = "notes|footnotes|references|sources|works cited|bibliography|further reading|see also|external links"
APPARATUS = frozenset((*_APPARATUS_JA.split(" "), *_APPARATUS_EN.split("|")))


def plain_text(wikitext: str, dropped: frozenset[str]) -> str:
    """dropped: lower-case namespaces whose links show nothing (files, categories)."""
    text = _NOWIKI.sub(_literal, wikitext)
    text = _COMMENT.sub("", text)
    text = _ELEMENT.sub("", _EMPTY_ELEMENT.sub("", text))
    text = _TAG.sub("", _BREAK.sub("\n", text))
    text = _resolved(text, dropped)
    text = _VARIANT.sub(r"\1", _OUTSIDE.sub(lambda link: link[1].strip(), text))
    text = _BRACKETS.sub(_filled, _MARKS.sub("", text))
    return _GAP.sub("\n\n", html.unescape(_prose(text))).strip()


def _literal(match: re.Match[str]) -> str:
    return _MARKUP.sub(lambda mark: f"&#{ord(mark[0])};", match[1])


def _filled(match: re.Match[str]) -> str:
    """Brackets without the commas, or altogether gone, that templates without text leave."""
    inside = match[1].strip(" \t、，,;；")
    if inside == match[1]:
        return match[0] if inside else ""
    return match[0][0] + inside + match[0][-1] if inside.strip(":：・/") else ""


def _resolved(text: str, dropped: frozenset[str]) -> str:
    """Templates, links and tables, which nest in each other, from the inside out. What is never closed stays text;
    but a table ends with what it stands in."""
    stack: list[tuple[str, list[str]]] = [("", [])]
    at = 0
    for token in _NESTED.finditer(text):
        stack[-1][1].append(text[at : token.start()])
        at = token.end()
        mark = token[0]
        if "|" in mark and text[text.rfind("\n", 0, token.start()) + 1 : token.start()].strip(" \t:*#;"):
            stack[-1][1].append(mark)  # a table's marks stand at the beginning of a line
            continue
        opener = _OPENER.get(mark)
        if opener is None:
            stack.append((mark, []))
        elif any(kind == opener for kind, _ in stack):
            while stack[-1][0] != opener:
                _leave_open(stack)
            content = "".join(stack.pop()[1])
            if mark == "]]":
                stack[-1][1].append(_link_text(content, dropped))
            elif mark == "}}":
                stack[-1][1].append(template_text(content))
    stack[-1][1].append(text[at:])
    while len(stack) > 1:
        _leave_open(stack)
    return "".join(stack[0][1])


def _leave_open(stack: list[tuple[str, list[str]]]) -> None:
    kind, parts = stack.pop()
    if kind != "{|":
        stack[-1][1].extend(parts)


def _link_text(content: str, dropped: frozenset[str]) -> str:
    target, bar, label = content.partition("|")
    namespace, colon, _ = target.partition(":")
    namespace = namespace.strip().replace("_", " ").lower()
    if colon and (namespace in dropped or (not bar and _INTERLANGUAGE.fullmatch(namespace))):
        return ""
    return label if bar else target.lstrip(": ")


def _prose(text: str) -> str:
    """Lines without list marks; headings as lines of their own. Gone are headings over nothing, sections of the
    apparatus, rules, and what is left of broken tables."""
    kept: list[str] = []
    waiting: list[tuple[int, str]] = []  # headings that nothing stands under yet
    apparatus = 0  # level of the heading over the lines that go
    for written in text.split("\n"):
        line = written.strip(" \t")
        heading = _HEADING.fullmatch(line) if line.startswith("=") else None
        if heading:
            level, title = len(heading[1]), heading[2]
            if apparatus and level > apparatus:
                continue
            apparatus = level if title.lower() in APPARATUS else 0
            waiting = [entry for entry in waiting if entry[0] < level]
            if not apparatus:
                waiting.append((level, title))
        elif not apparatus and not line.startswith(("|", "----")):
            line = line.lstrip("*#:;").lstrip(" \t")
            if line and waiting:
                kept += [part for _, title in waiting for part in ("", title)]
                waiting = []
            kept.append(line)
    return "\n".join(kept)
