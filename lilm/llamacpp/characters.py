"""Text is drawn in whole characters: no token is drawn whose bytes cannot go on what stands there as UTF-8, nor one
that writes U+FFFD, which readers put for bytes that are none. wasm/src/characters.h does the same in the browser."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

NOWHERE, BETWEEN = -1, 0
# Inside of a character: the first and the last byte that may come, and the state after them.
INSIDE = {
    1: (0x80, 0xBF, BETWEEN),  # one more byte
    2: (0x80, 0xBF, 1),
    3: (0x80, 0xBF, 2),
    4: (0xA0, 0xBF, 1),  # after E0, whose other bytes would be too long a form
    5: (0x80, 0x9F, 1),  # after ED, whose other bytes would be half a surrogate pair
    6: (0x90, 0xBF, 2),  # after F0, as after E0
    7: (0x80, 0x8F, 2),  # after F4, whose other bytes are past U+10FFFF
    8: (0x80, 0xBF, 1),  # after EF, with which U+FFFD begins
    9: (0x80, 0xBF, BETWEEN),  # after EF BF
}
STATES = 1 + len(INSIDE)
_LEADS = {0xE0: 4, 0xED: 5, 0xEF: 8, 0xF0: 6, 0xF4: 7}


def step(state: int, byte: int) -> int:
    """The state after one more byte, NOWHERE where it cannot come.

    >>> step(BETWEEN, 0x41), step(BETWEEN, 0xC3), step(1, 0xA9), step(1, 0x41)
    (0, 1, 0, -1)
    """
    if state == BETWEEN:
        if byte < 0x80:
            return BETWEEN
        if byte < 0xC2 or byte > 0xF4:
            return NOWHERE
        return _LEADS.get(byte, 1 if byte < 0xE0 else 2 if byte < 0xF0 else 3)
    first, last, following = INSIDE[state]
    if not first <= byte <= last or (state, byte) == (9, 0xBD):
        return NOWHERE
    return 9 if (state, byte) == (8, 0xBF) else following


def ends(piece: bytes) -> tuple[int, ...]:
    """The state after these bytes, by the state before. Nothing ends a text inside of a character."""
    found = []
    for state in range(STATES):
        at = state if piece or state == BETWEEN else NOWHERE
        for byte in piece:
            at = step(at, byte) if at != NOWHERE else at
        found.append(at)
    return tuple(found)


class Characters:
    """Which tokens may come after what. pieces: each token's bytes, none for special ones."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        odd = {at: piece for at, piece in enumerate(pieces) if not _is_whole(piece)}
        self._numbers = {at: row for row, at in enumerate(odd)}
        self._ends = np.array([ends(piece) for piece in odd.values()], dtype=np.int64).reshape(-1, STATES)
        self._finish()
        ids = np.array(list(odd), dtype=np.int64)
        self._refused = ids[self._ends[:, BETWEEN] == NOWHERE]
        self._taken = [ids[self._ends[:, state] != NOWHERE] for state in range(STATES)]

    def _finish(self) -> None:
        """Not every vocabulary has all bytes: nothing is begun that it cannot end."""
        well = {BETWEEN}
        for _ in range(STATES):
            well |= {state for state in range(STATES) if well & set(self._ends[:, state].tolist())}
        self._ends[~np.isin(self._ends, list(well))] = NOWHERE

    def mask(self, logits: NDArray[np.float32], state: int) -> None:
        """Take away the logits [n_vocab] of what must not come next, in place; one at least is left."""
        if state == BETWEEN:
            logits[self._refused] = -np.inf
            return
        kept = logits[self._taken[state]]
        logits[:] = -np.inf
        logits[self._taken[state]] = kept

    def after(self, state: int, token: int) -> int:
        """The state after one more token."""
        row = self._numbers.get(token)
        return BETWEEN if row is None else max(int(self._ends[row, state]), BETWEEN)


def _is_whole(piece: bytes) -> bool:
    """Whether it is whole characters, none of them U+FFFD."""
    if piece.isascii():
        return True
    try:
        return "\ufffd" not in piece.decode()
    except UnicodeDecodeError:
        return False
