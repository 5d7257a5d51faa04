"""Japanese answers that a machine translated badly: English left in them, letters of other scripts, wrong terms."""

import re
import tomllib
from functools import cache
from importlib.resources import files

from lilm.train.finetune.checks.material import Found, Material, first_found

WORDS = 8  # English words in a row that are a sentence nobody translated
WORDS_ALONE = 5  # words of an English answer to a Japanese question; fewer are a name or a term
KANA = 10  # in an answer that is Japanese, whatever its question is
JAPANESE = "ja"  # the only language that these rules are for
FOREIGN_KANJI = 2  # different ones
_CODE = re.compile(r"```.*?(```|$)|`[^`\n]*`|https?://\S+|<[^<>\n]*>", re.DOTALL)
_WORD = r"[A-Za-z][A-Za-z'’-]*"
_WORDS = re.compile(_WORD)
_ENGLISH = re.compile(rf"{_WORD}(?:[ ,;:]+{_WORD}){{{WORDS - 1},}}")
_QUOTED = re.compile('「[^」]*」|『[^』]*』|“[^”]*”|"[^"\n]*"|（[^）]*）|\\([^()]*\\)')
_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa]")
_ASKED_FOR = re.compile("英語|英訳|英文|翻訳|和訳|English|[Tt]ranslat|コード|プログラム|歌詞|原文|語で")
_KANJI = re.compile("[\u4e00-\u9fff]")
_OTHER = {
    "Hangul": re.compile("[\u1100-\u11ff\uac00-\ud7af]"),
    "Cyrillic": re.compile("[\u0400-\u04ff]{2}"),
    "Arabic": re.compile("[\u0600-\u06ff]"),
    "Thai": re.compile("[\u0e00-\u0e7f]"),
    "Devanagari": re.compile("[\u0900-\u097f]"),
    "broken (U+FFFD)": re.compile("\ufffd"),
}


def untranslated(material: Material) -> Found:
    """Chats in Japanese with an English sentence in an answer, outside of code and quotes, that nobody asked for."""

    def why(question: str, answer: str) -> str:
        if _ASKED_FOR.search(question):
            return ""
        prose = _QUOTED.sub(" ", _CODE.sub(" ", answer))
        asked = _KANA.search(question)
        if asked and not _KANA.search(answer):
            alone = len(_WORDS.findall(prose)) >= WORDS_ALONE
            return f"English only: {prose.strip()[:40]}" if alone else ""
        found = _ENGLISH.search(prose) if asked or len(_KANA.findall(answer)) >= KANA else None
        return f"English left in it: {found[0][:60]}" if found else ""

    return first_found(material.chats, why)


def mixed_scripts(material: Material) -> Found:
    """Chats in Japanese with letters in an answer that Japanese does not use and the question has not."""

    def why(question: str, answer: str) -> str:
        if _ASKED_FOR.search(question) or not _KANA.search(answer):
            return ""
        for name, letters in _OTHER.items():
            found = letters.search(answer)
            if found and not letters.search(question):
                return f"{name}: {answer[max(0, found.start() - 10) : found.end() + 10]}"
        kanji = sorted({one for one in _KANJI.findall(answer) if not _is_used(one)})
        return f"kanji that Japanese does not have: {''.join(kanji[:10])}" if len(kanji) >= FOREIGN_KANJI else ""

    return first_found(material.chats, why)


def mistranslation(material: Material) -> Found:
    """Chats with an answer that holds a term of the list, which machines write for another (lists/*.toml)."""

    def why(question: str, answer: str) -> str:
        wrong = next((word for word in _terms() if word in answer and word not in question), "")
        return f"「{wrong}」, {_terms()[wrong][1]}, is 「{_terms()[wrong][0]}」" if wrong else ""

    return first_found(material.chats, why)


@cache
def _is_used(kanji: str) -> bool:
    """Whether a Japanese character set has it."""
    try:
        kanji.encode("shift_jis_2004")
    except UnicodeEncodeError:
        return False
    return True


@cache
def _terms() -> dict[str, tuple[str, str]]:
    """Wrong term -> (right one, English)."""
    text = (files(__package__ or "") / "lists" / f"mistranslations_{JAPANESE}.toml").read_text(encoding="utf-8")
    return {wrong: (right, english) for wrong, (right, english) in tomllib.loads(text).items()}
