"""`format = "auto"`: what a file is, by its first bytes and its name."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lilm.train.corpus.sources.base import Damaged
from lilm.train.corpus.sources.decoding import BOM_UTF16
from lilm.train.corpus.sources.files import opened, unpacked_suffix

HEAD = 1 << 16  # bytes that are looked at
REFUSED = "refused"  # the format of files that no reader takes
AS_TEXT = "save its text as a UTF-8 .txt file, or leave it out"
UNPACK = "unpack it, or leave it out"
LEAVE_OUT = "leave it out"
_ZIPPED = {
    ".docx": "a Word document",
    ".xlsx": "an Excel sheet",
    ".pptx": "a PowerPoint file",
    ".odt": "an OpenDocument text",
    ".epub": "an EPUB book",
}
_MAGIC: Sequence[tuple[int, bytes, str, str]] = (
    (0, b"%PDF", "a PDF", AS_TEXT),
    (0, b"{\\rtf", "an RTF document", AS_TEXT),
    (0, b"\xd0\xcf\x11\xe0", "an old Word or Excel file", AS_TEXT),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (0, b"Rar!", "a RAR archive", UNPACK),
    (257, b"ustar", "a tar archive", UNPACK),
    (0, b"\x89PNG", "an image", LEAVE_OUT),
    (0, b"\xff\xd8\xff", "an image", LEAVE_OUT),
    (0, b"GIF8", "an image", LEAVE_OUT),
    (8, b"WEBP", "an image", LEAVE_OUT),
    (0, b"II*\0", "an image", LEAVE_OUT),
    (0, b"MM\0*", "an image", LEAVE_OUT),
    (8, b"WAVE", "a sound file", LEAVE_OUT),
    (0, b"ID3", "a sound file", LEAVE_OUT),
    (0, b"OggS", "a sound or film file", LEAVE_OUT),
    (4, b"ftyp", "a film, sound or image file", LEAVE_OUT),
    (0, b"SQLite format 3\0", "a database", "export its text, or leave it out"),
    (0, b"\x7fELF", "a program", LEAVE_OUT),
    (0, b"GGUF", "a model", LEAVE_OUT),
)
_BY_NAME = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".warc": "warc",
}
_RUBY = re.compile(r"[\u3400-\u9fff々]《[\u3041-\u3096\u30a1-\u30faー・]+》")
_NOTE = re.compile(r"［＃[^［］\n]{1,80}］")
_COLOPHON = ("底本：", "青空文庫")
_HEADING = "【テキスト中に現れる記号について】"
_ENOUGH = 3  # marks that make a file one of Aozora Bunko: one may be a quotation
_TAG = re.compile(rb"<(?:!doctype\s+html|html)\b", re.IGNORECASE)
_IMAGE_TAG = re.compile(rb"<svg\b", re.IGNORECASE)


@dataclass(frozen=True)
class Kind:
    """format: of SourceConfig, or REFUSED. what: the file is, where it is refused. remedy: then."""

    format: str
    what: str = ""
    remedy: str = ""


def detect(path: Path) -> Kind:
    """What the file is; what is neither known nor refused is text. Raises OSError when it cannot be read."""
    head = _head(path)
    suffix = unpacked_suffix(path)
    if head.startswith(b"PK\x03\x04"):
        zipped = _ZIPPED.get(suffix)
        return Kind(REFUSED, zipped, AS_TEXT) if zipped else Kind(REFUSED, "a zip archive", UNPACK)
    for at, magic, what, remedy in _MAGIC:
        if head[at : at + len(magic)] == magic and (not at or b"\0" in head):  # inside text they may be words
            return Kind(REFUSED, what, remedy)
    if head.startswith(b"PAR1"):
        return Kind("parquet")
    if head.startswith(b"WARC/"):
        return Kind("warc")
    if suffix == ".json":
        return _json(head)
    known = _BY_NAME.get(suffix)
    if known is not None:
        return Kind(known)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return _marked_up(head, suffix)
    return Kind("aozora" if _is_aozora(head) else "text")


def glance(path: Path) -> str:
    """The beginning of a file as text, of whichever encoding."""
    return _glance(_head(path))


def _head(path: Path) -> bytes:
    """The first bytes, decompressed; of a broken archive nothing: its reader says what is wrong."""
    try:
        with opened(path) as stream:
            return stream.read(HEAD)
    except Damaged:
        return b""


def _json(head: bytes) -> Kind:
    """A .json file: SQuAD's, objects line by line, or a list, of which the reader of lines says how to make lines."""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if b'"paragraphs"' in head and b'"context"' in head:
        return Kind("squad")
    first = start.split(b"\n", 1)[0].rstrip()
    if b"\n" not in start or start.startswith(b"[") or first.endswith(b"}"):
        return Kind("jsonl")
    return Kind(REFUSED, "JSON of another shape than lines of objects or SQuAD's", "write one object a line")


def _marked_up(head: bytes, suffix: str) -> Kind:
    if b"<mediawiki" in head:
        return Kind("mediawiki")
    if _TAG.search(head[:4096]):
        return Kind("html")
    if _IMAGE_TAG.search(head[:4096]):
        return Kind(REFUSED, "an image", LEAVE_OUT)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<?xml") or suffix == ".xml":
        return Kind(REFUSED, "XML that is neither a page nor a MediaWiki dump", AS_TEXT)
    return Kind("text")


def _is_aozora(head: bytes) -> bool:
    text = _glance(head)
    if _HEADING in text or all(word in text for word in _COLOPHON):
        return True
    return len(_NOTE.findall(text)) + len(_RUBY.findall(text)) >= _ENOUGH


def _glance(head: bytes) -> str:
    """The text in the encoding in which the fewest bytes are odd; the last character may be cut."""
    if head.startswith(BOM_UTF16):
        return head.decode("utf-16", errors="replace")
    texts = [head.decode(name, errors="replace") for name in ("utf-8", "cp932", "euc_jp")]
    return min(texts, key=lambda text: text.count("\ufffd"))
