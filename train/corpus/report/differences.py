"""What a near duplicate has that the kept document has not, and the other way round."""

from difflib import SequenceMatcher
from typing import Literal

Mark = Literal["", "ins", "del"]


def differences(kept: str, copy: str) -> list[tuple[Mark, str]]:
    """`copy` in pieces: "" stands in both, "ins" only in `copy`, "del" only in `kept`.

    Both texts are beginnings, so what one of them merely has more of at its end is no difference.

    >>> differences("川のそばへ集まって", "川のそばに集ま")
    [('', '川のそば'), ('del', 'へ'), ('ins', 'に'), ('', '集ま')]
    """
    pieces: list[tuple[Mark, str]] = []
    steps = SequenceMatcher(None, kept, copy, autojunk=False).get_opcodes()
    for number, (kind, start, stop, copy_start, copy_stop) in enumerate(steps):
        last = number == len(steps) - 1
        if stop > start and kind != "equal" and not (last and kind == "delete"):
            pieces.append(("del", kept[start:stop]))
        if copy_stop > copy_start:
            plain = kind == "equal" or (last and kind == "insert")
            pieces.append(("" if plain else "ins", copy[copy_start:copy_stop]))
    return pieces
