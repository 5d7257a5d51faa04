"""Bytes to text, strictly: a wrong guess or a broken byte is an error, never mojibake."""

import codecs
import re
from pathlib import Path

from lilm.errors import LilmError

BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
JAPANESE = ("cp932", "euc_jp")
REPLACED = "\ufffd"
# Half-width katakana and private use fill a text that was decoded with the wrong one of the two.
_ODD = re.compile("[\uff61-\uff9f\ue000-\uf8ff]")
_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa]")


def decode(data: bytes, path: Path, lang: str) -> str:
    """The text of a whole file: UTF-8, UTF-16 with a byte order mark, and for Japanese CP932 or EUC-JP.

    Raises LilmError with file and byte position when no encoding fits, or a NUL byte shows that it is no text.
    """
    for bom, encoding in BOMS:
        if data.startswith(bom):
            return _strict(data, encoding, path)
    if (nul := data.find(b"\0")) >= 0:
        raise LilmError(
            f"NUL byte at position {nul}", where=str(path), remedy="it is no text file; leave it out of the glob"
        )
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        if lang != "ja" or _is_damaged_utf8(data):
            raise _undecodable(error, path) from error
    texts = []
    for encoding in JAPANESE:
        try:
            texts.append(data.decode(encoding))
        except UnicodeDecodeError:
            continue
    if not texts:
        raise _undecodable(_furthest(data), path)
    return texts[0] if len(texts) == 1 else max(texts, key=_plausible)


def decode_as(data: bytes, encoding: str, path: Path) -> str:
    """Decode by an encoding that the file itself declares. Raises LilmError when a byte does not fit it."""
    return _strict(data, "cp932" if codecs.lookup(encoding).name == "shift_jis" else encoding, path)


def _strict(data: bytes, encoding: str, path: Path) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise _undecodable(error, path) from error


def _is_damaged_utf8(data: bytes) -> bool:
    """Whether most of what is beyond ASCII is UTF-8: then a bad byte is damage, not another encoding."""
    text = data.decode("utf-8", errors="replace")
    bad = text.count(REPLACED)
    good = len(text) - len(text.encode("ascii", errors="ignore")) - bad
    return good > bad


def _plausible(text: str) -> int:
    return len(_KANA.findall(text)) - 2 * len(_ODD.findall(text))


def _furthest(data: bytes) -> UnicodeDecodeError:
    """The error of the Japanese encoding that got furthest."""
    errors = []
    for encoding in JAPANESE:
        try:
            data.decode(encoding)
        except UnicodeDecodeError as error:
            errors.append(error)
    return max(errors, key=lambda error: error.start)


def _undecodable(error: UnicodeDecodeError, path: Path) -> LilmError:
    return LilmError(
        f"byte {error.object[error.start]:#04x} at position {error.start} is not {error.encoding}",
        where=str(path),
        remedy="save the file as UTF-8, or leave it out of the glob",
    )
