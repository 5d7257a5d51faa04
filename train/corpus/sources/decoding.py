"""Bytes to text, strictly: a wrong guess or a broken byte is an error, never mojibake."""

import codecs
import re
from pathlib import Path

from lilm.train.corpus.sources.base import Damaged

BOM_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
BOM_UTF32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
JIS_ESCAPE = b"\x1b$"  # ISO-2022-JP is ASCII but for these
# Of encodings before Unicode, those that tell themselves by their bytes: a wrong one is an error or odd characters.
LEGACY = {"ja": ("cp932", "euc_jp"), "ko": ("cp949",)}
# What browsers take a declared name for: https://encoding.spec.whatwg.org/#names-and-labels
WEB = {
    "ascii": "cp1252",
    "euc_kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "iso8859-1": "cp1252",
    "shift_jis": "cp932",
}
# Python's own codecs, which no page is written in: some give text to any bytes
NO_CHARSET = frozenset(("idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7"))
REPLACED = "\ufffd"
# Half-width katakana and private use fill a text that was decoded with the wrong one of the two.
_ODD = re.compile("[\uff61-\uff9f\ue000-\uf8ff]")
_THREE_BYTES = re.compile("[\u0800-\uffef]")  # two bytes of CP932 are now and then a character of UTF-8, three are not
_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa]")
_WIDE, _HANGUL = re.compile("[\u0080-\uffff]"), re.compile("[\uac00-\ud7a3]")
# What Python makes of single bytes that CP932 leaves undefined.
_UNDEFINED = re.compile("[\x80\uf8f0-\uf8f3]")


class Undecodable(Exception):
    """Bytes that are no text. position: of the first byte that does not fit."""

    def __init__(self, position: int, what: str, remedy: str) -> None:
        self.position, self.what, self.remedy = position, what, remedy
        super().__init__(what)


def decode(data: bytes, lang: str) -> str:
    """The text of a document: UTF-8, UTF-16 or UTF-32 with a byte order mark, ISO-2022-JP, for Japanese CP932 or
    EUC-JP, and for Korean CP949, which holds EUC-KR.

    Raises Undecodable when no encoding fits, or a NUL byte shows that it is no text.
    """
    if data.startswith((*BOM_UTF16, *BOM_UTF32)):  # that of UTF-32 begins with one of UTF-16
        try:
            return data.decode("utf-32" if data.startswith(BOM_UTF32) else "utf-16")
        except UnicodeDecodeError as error:
            raise _undecodable(error) from error
    if JIS_ESCAPE in data:
        try:
            return data.decode("iso2022_jp_ext")
        except UnicodeDecodeError:  # an escape by chance
            pass
    if (nul := data.find(b"\0")) >= 0:
        raise Undecodable(nul, "NUL byte", "it is no text; leave it out")
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        if lang not in LEGACY or _is_damaged_utf8(data):
            raise _undecodable(error) from error
    texts, errors = [], []
    for encoding in LEGACY[lang]:
        try:
            texts.append(_legacy(data, encoding))
        except UnicodeDecodeError as error:
            errors.append(error)
    if not texts:
        raise _undecodable(max(errors, key=lambda error: error.start))
    return texts[0] if len(texts) == 1 else max(texts, key=_plausible)


def decode_as(data: bytes, encoding: str) -> str:
    """Decode by an encoding that a page or its server declares.

    Raises Undecodable when a byte does not fit it, LookupError when Python knows no such encoding of ASCII and more.
    """
    name = codecs.lookup(encoding[:40]).name
    if name in NO_CHARSET or name.startswith(("utf-16", "utf-32")):
        raise LookupError(encoding)
    try:
        return data.decode(WEB.get(name, name))
    except UnicodeDecodeError as error:
        raise _undecodable(error) from error


def decoded(data: bytes, path: Path, lang: str, offset: int = 0) -> str:
    """`decode`, with line ends as \\n. offset: where in the file the data stands. Raises Damaged at path@byte."""
    try:
        return decode(data, lang).replace("\r\n", "\n").replace("\r", "\n")
    except Undecodable as error:
        raise Damaged(f"{path}@{offset + error.position}", error.what, error.remedy) from error


def is_utf8(head: bytes, lang: str) -> bool:
    """Whether a file that begins like this is UTF-8 (perhaps damaged) and not another encoding of `decode`."""
    if head.startswith(BOM_UTF16):
        return False
    head = head[: head.rfind(b"\n") + 1] or head
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return lang not in LEGACY or _is_damaged_utf8(head)
    return True


def _legacy(data: bytes, encoding: str) -> str:
    text = data.decode(encoding)
    if encoding == "cp932" and (found := _UNDEFINED.search(text)):
        position = len(text[: found.start()].encode(encoding))
        raise UnicodeDecodeError(encoding, data, position, position + 1, "undefined")
    if encoding == "cp949" and not _is_korean(text):
        position = next(at for at, byte in enumerate(data) if byte >= 0x80)
        raise UnicodeDecodeError("utf-8", data, position, position + 1, "another encoding")
    return text


def _is_korean(text: str) -> bool:
    """Whether most of it is of the 2,350 syllables of KS X 1001. Of Japanese in CP932 and EUC-JP CP949 makes rare ones,
    single letters and ideographs."""
    usual = sum(
        len(syllable.encode("euc_kr")) == 2 for syllable in _HANGUL.findall(text)
    )  # the rest are spelt out in 8
    return usual * 2 > len(_WIDE.findall(text))


def _is_damaged_utf8(data: bytes) -> bool:
    """Whether most of what is Japanese or Korean in it is UTF-8: then a bad byte is damage, not another encoding."""
    text = data.decode("utf-8", errors="replace")
    return len(_THREE_BYTES.findall(text)) > text.count(REPLACED)


def _plausible(text: str) -> int:
    return len(_KANA.findall(text)) - 2 * len(_ODD.findall(text))


def _undecodable(error: UnicodeDecodeError) -> Undecodable:
    byte = error.object[error.start]
    return Undecodable(error.start, f"byte {byte:#04x} is not {error.encoding}", "save it as UTF-8, or leave it out")
