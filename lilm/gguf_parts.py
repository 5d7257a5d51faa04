"""By which names an export has its models.

One in several files has those that llama.cpp's gguf-split gives them, NAME-00001-of-00003.gguf; llama.cpp, the
browser's runtime and LiLM open it by its first part. An adapter has a folder of its own, with the models that it goes
over.
"""

import re
from pathlib import Path

from lilm.errors import LilmError

LORA = "lora"  # the folder of an adapter
ADAPTER, BASE = "adapter.gguf", "base"  # the files in it: of the adapter, and how those begin that it goes over
ADAPTED = "lilm.adapted"  # key of both, by which they know each other: the hash of the model that they are together
MODEL = "model"  # how those begin that stand alone

_PART = re.compile(r"^(?P<stem>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf$", re.DOTALL)


def part_name(stem: str, number: int, count: int) -> str:
    """Returns the file name of part `number`, counted from 1, of `count`."""
    return f"{stem}-{number:05d}-of-{count:05d}.gguf"


def is_part(path: Path) -> bool:
    return _PART.match(path.name) is not None


def is_later_part(path: Path) -> bool:
    """Whether it is a part, but not the first, by which a model is opened."""
    found = _PART.match(path.name)
    return found is not None and int(found["number"]) != 1


def whole_stem(path: Path) -> str:
    """The name of the whole model without `.gguf`."""
    found = _PART.match(path.name)
    return found["stem"] if found else path.stem


def parts_of(path: Path) -> tuple[Path, ...]:
    """All files of the model that `path` is, or is a part of, in order. Raises LilmError when a part is missing."""
    found = _PART.match(path.name)
    if found is None:
        return (path,)
    count = int(found["count"])
    parts = tuple(path.with_name(part_name(found["stem"], number, count)) for number in range(1, count + 1))
    for part in parts:
        if not part.is_file():
            raise LilmError("a part of the model is not there", where=str(part), remedy="put all parts into one folder")
    return parts


def model_at(folder: Path, stem: str) -> Path:
    """The model `stem` in `folder`: its file, or the first of its parts; the name of its file where neither is."""
    whole = folder / f"{stem}.gguf"
    if whole.is_file():
        return whole
    firsts = (path for path in folder.glob("*.gguf") if whole_stem(path) == stem and is_part(path))
    return next((path for path in sorted(firsts) if not is_later_part(path)), whole)
