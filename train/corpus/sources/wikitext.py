"""Wikitext as the plain text that a reader of the page sees; no markup is left.

Rules as in https://www.mediawiki.org/wiki/Help:Formatting, Help:Links and Help:Tables. mwparserfromhell, the library
for wikitext, leaves tables, captions, categories and language variants in, knows no template, and is far slower.
"""

import html
import re

from lilm.train.corpus.sources.superscripts import raised
from lilm.train.corpus.sources.wikitext_templates import template_text

# Elements whose content is no prose.
_NO_PROSE = (
    "categorytree|ce|chem|gallery|graph|hiero|imagemap|indicator|inputbox|mapframe|maplink|math|pre|ref|references|"
    "rp|rt|score|source|style|syntaxhighlight|templatedata|templatestyles|timeline"
)
_NOWIKI_END = re.compile(r".*</nowiki>", re.DOTALL | re.IGNORECASE)
_NOWIKI = re.compile(r"<nowiki>(.*?)</nowiki>", re.DOTALL | re.IGNORECASE)
_MARKUP = re.compile(r"[^\w\s&;#]")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_EMPTY_ELEMENT = re.compile(rf"<(?:{_NO_PROSE})\b[^<>]*/>", re.IGNORECASE)
_ELEMENT = re.compile(rf"<({_NO_PROSE})\b[^<>]*>[^<]*(?:<(?!/?\1\b)[^<]*)*</\1\s*>", re.IGNORECASE)
_BREAK = re.compile(r"<br\b[^<>]*>", re.IGNORECASE)
_SUPERSCRIPT = re.compile(r"<sup\b[^<>]*>([^<>{}]*)</sup\s*>", re.IGNORECASE)
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
_NESTED = re.compile(r"\{\{|\}\}|\[\[|\]\]|\{\||\|\}(?!\})")
_BEFORE_TABLE = re.compile(r"[ \t:*#;]*+")
_OPENER = {"}}": "{{", "]]": "[[", "|}": "{|"}
_INTERLANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z]+)*|simple")
_OUTSIDE = re.compile(r"\[(?:https?:|ftp:|mailto:|//)[^\s\[\]]*+([^\[\]\n]*+)\]", re.IGNORECASE)
_VARIANT = re.compile(r"-\{(?:[^{}:;]*+:)?([^{};]*+)[^{}]*+\}-")
_MARKS = re.compile(r"''+|__[^\W\d_]+__|\{\{|\}\}|\[\[|\]\]")
_BRACKETS = re.compile(r"[（(]([^（）()\n]*)[）)]")
_GAP = re.compile(r"\n{3,}")
# Sections that are lists of works and links.
_APPARATUS_JA = "脚注 注釈 注 出典 注釈・出典 脚注・出典 出典・脚注 参考文献 参考資料 関連文献 関連項目 外部リンク"
_APPARATUS_EN = "notes|footnotes|references|sources|works cited|bibliography|further reading|see also|external links"
APPARATUS = frozenset((*_APPARATUS_JA.split(" "), *_APPARATUS_EN.split("|")))


def plain_text(wikitext: str, dropped: frozenset[str]) -> str:
    """dropped: lower-case namespaces whose links show nothing (files, categories)."""
    closed = _NOWIKI_END.match(wikitext)
    end = closed.end() if closed else 0  # no element that is open there ends: none is looked for
    text = _NOWIKI.sub(_literal, wikitext[:end]) + wikitext[end:]
    text = _COMMENT.sub("", text)
    text = _ELEMENT.sub("", _EMPTY_ELEMENT.sub("", text))
    text = _SUPERSCRIPT.sub(lambda element: raised(element[1]), text)
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
    """Templates, their parameters, links and tables, which nest in each other, from the inside out. What is never
    closed stays text; but a table ends with what it stands in."""
    parts: list[str] = []
    stack: list[tuple[str, int]] = []  # what is open, and the number of its first part
    depth = dict.fromkeys(_OPENER.values(), 0)
    at = line = 0

    def leave_open() -> None:
        kind, first = stack.pop()
        depth[kind] -= 1
        if kind == "{|":
            del parts[first:]

    while token := _NESTED.search(text, at):
        parts.append(text[at : token.start()])
        line = max(line, text.rfind("\n", at, token.start()) + 1)
        at, mark = token.end(), token[0]
        if "|" in mark and not _BEFORE_TABLE.fullmatch(text, line, token.start()):
            parts.append(mark)  # a table's marks stand at the beginning of a line
            continue
        opener = _OPENER.get(mark)
        if opener is None:
            stack.append((mark, len(parts)))
            depth[mark] += 1
        elif depth[opener]:
            while stack[-1][0] != opener:
                leave_open()
            first = stack.pop()[1]
            depth[opener] -= 1
            content = "".join(parts[first:])
            del parts[first:]
            if mark == "]]":
                parts.append(_link_text(content, dropped))
            elif mark == "}}" and content.startswith("{") and text.startswith("}", at):
                at += 1  # {{{parameter|what stands for it}}}
                parts.append(content.partition("|")[2])
            elif mark == "}}":
                parts.append(template_text(content))
    parts.append(text[at:])
    while stack:
        leave_open()
    return "".join(parts)


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
        if heading := _heading(line):
            level, title = heading
            if apparatus and level > apparatus:
                continue
            apparatus = level if title.lower() in APPARATUS else 0
            waiting = [entry for entry in waiting if entry[0] < level]
            if not apparatus:
                waiting.append((level, title))
        elif not apparatus and not line.startswith(("|", "----")) and (line.strip("= ") or not line):
            line = line.lstrip("*#:;").lstrip(" \t")
            if line and waiting:
                kept += [part for _, title in waiting for part in ("", title)]
                waiting = []
            kept.append(line)
    return "\n".join(kept)


def _heading(line: str) -> tuple[int, str] | None:
    """(level, title) of a heading."""
    level = min(len(line) - len(line.lstrip("=")), 6)
    title = line[level:].rstrip("=").strip(" \t")
    return (level, title) if level and title and line.endswith("=") else None
