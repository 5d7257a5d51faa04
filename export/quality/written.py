"""What a file writes by itself: beginnings of held-out text that it goes on with, and what is wrong with that."""

import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from lilm.export.quality.chats import Chat
from lilm.export.quality.interval import Share, share_among
from lilm.export.quality.passages import Passages
from lilm.llamacpp.engine import Drawn, Engine
from lilm.recipe import SamplingConfig

PROMPT = 32  # tokens of a document that are given, at most half of what a window has and as many as there is room for
LONGEST_UNIT = 64  # tokens that may be said again and again
TIMES, TAIL = 3, 24  # a loop says its unit so often at the end, in so many tokens or more
FEWEST_LETTERS = 8  # by which a script is told
REPLACEMENT = "\ufffd"
_HAN, _JAPANESE = "HAN", "KANA"  # with kana, kanji are Japanese
_SCRIPTS = {"HIRAGANA": _JAPANESE, "KATAKANA": _JAPANESE, "CJK": _HAN}
FEWEST_HAN = 24  # letters without any kana that are Chinese: fewer may be a Japanese name, date or list of words
KINDS = ("loops", "wrong_language", "broken")


@dataclass(frozen=True)
class Beginning:
    """kind: a language, or "chat". script: of what should follow, "" where that says nothing."""

    kind: str
    ids: list[int]
    script: str


@dataclass(frozen=True)
class Written:
    """One text: what is wrong with it, and the text itself. wrong_language: None where the scripts do not tell."""

    kind: str
    prompt: str
    text: str
    tokens: int
    ended: bool
    loops: bool
    wrong_language: bool | None
    broken: bool

    @property
    def empty(self) -> bool:
        """It says nothing: it ended, is in no language and in no circle."""
        return not self.text.strip()


def beginnings(
    engine: Engine,
    passages: Sequence[Passages],
    chats: Sequence[Chat],
    scripts: Mapping[str, str],
    count: int,
    longest: int,
) -> list[Beginning]:
    """`count` of them, the kinds in turn. Where there are fewer documents than wanted, they come again: each text is
    drawn with a seed of its own.

    passages: of short windows. scripts: by language, "" for languages of one script. A chat's first words of the user
    are asked by the file's own template; its script is that of these words. longest: tokens of a prompt.
    """
    by_kind: list[list[Beginning]] = []
    for one in passages:
        firsts = {window.document: window.ids for window in reversed(one.windows)}
        ids = [firsts[number] for number in sorted(firsts)]
        parts = [begin[: min(PROMPT, longest, -(-len(begin) // 2))] for begin in ids]
        by_kind.append([Beginning(one.text, part, scripts[one.text]) for part in parts])
    several = len({script for script in scripts.values() if script}) > 1
    by_kind.append([one for one in (_asked(engine, chat, several) for chat in chats[:count]) if one is not None])
    by_kind = [some for kind in by_kind if (some := [one for one in kind if len(one.ids) <= longest])]
    if not by_kind:
        return []
    return [by_kind[at % len(by_kind)][at // len(by_kind) % len(by_kind[at % len(by_kind)])] for at in range(count)]


def _asked(engine: Engine, chat: Chat, several: bool) -> Beginning | None:
    """Up to the user's first words; None where there are none, or the file's template does not take them."""
    first = next((at for at, message in enumerate(chat) if message["role"] == "user"), None)
    if first is None:
        return None
    try:
        ids = engine.tokenize_chat(chat[: first + 1])
    except ValueError:
        return None
    return Beginning("chat", ids, script_of(chat[first]["content"]) if several else "")


def write(
    engine: Engine,
    begun: Sequence[Beginning],
    sampling: SamplingConfig,
    n_predict: int,
    seed: int,
    on_text: Callable[[int], None],
) -> list[Written]:
    """One text for each beginning, drawn with seed, seed + 1, … on_text(1) is called after each."""
    found = []
    for number, beginning in enumerate(begun):
        drawn = engine.sample(beginning.ids, sampling, n_predict, seed + number)
        found.append(judge(beginning, engine.text(beginning.ids), drawn))
        on_text(1)
    return found


def judge(beginning: Beginning, prompt: str, drawn: Drawn) -> Written:
    script = script_of(drawn.text)
    return Written(
        beginning.kind,
        prompt,
        drawn.text,
        len(drawn.ids),
        drawn.ended,
        loops=is_loop(drawn.ids),
        wrong_language=script != beginning.script if beginning.script and script else None,
        broken=REPLACEMENT in drawn.text,
    )


def is_loop(ids: Sequence[int]) -> bool:
    """Whether the end says one thing again and again: TIMES times or more, over TAIL tokens or more."""
    for unit in range(1, LONGEST_UNIT + 1):
        length = max(TIMES * unit, TAIL)
        if length > len(ids):
            continue
        tail = ids[-length:]
        if all(one == other for one, other in zip(tail, tail[unit:], strict=False)):
            return True
    return False


def script_of(text: str) -> str:
    """The script of most letters, "" where there are too few to tell. Chinese is Han letters with next to no kana.

    >>> script_of("東京タワーへ行きます。"), script_of("a walk in Tokyo"), script_of("1 + 2 =")
    ('KANA', 'LATIN', '')
    >>> script_of("春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。" * 2), script_of("明治・大正・昭和・平成・令和")
    ('HAN', '')
    """
    counts = Counter(map(_script, filter(str.isalpha, text)))
    if counts.total() < FEWEST_LETTERS:
        return ""
    if counts[_JAPANESE] * FEWEST_HAN > counts[_HAN]:
        counts[_JAPANESE] += counts.pop(_HAN, 0)
    most = max(counts, key=lambda script: (counts[script], script))
    return "" if most == _HAN and counts[_HAN] < FEWEST_HAN else most


@lru_cache(maxsize=1 << 16)
def _script(letter: str) -> str:
    word = unicodedata.name(letter, "").partition(" ")[0].partition("-")[0]
    return _SCRIPTS.get(word, word)


def rates(texts: Sequence[Written]) -> dict[str, Any]:
    """How many texts have each of KINDS, with intervals, in all and by kind of text. wrong_language: of those whose
    script tells; None where none does, as of two languages in one script."""
    by_kind = {kind: [one for one in texts if one.kind == kind] for kind in dict.fromkeys(one.kind for one in texts)}

    def shares(some: Sequence[Written]) -> dict[str, Any]:
        return {name: share_with(some, name) for name in (*KINDS, "ended")}

    return {**shares(texts), "by_kind": {kind: shares(some) for kind, some in by_kind.items()}}


def share_with(texts: Sequence[Written], name: str, wanted: bool = True) -> Share | None:
    """The share of texts whose `name` is `wanted`, of those of which it is known, texts of one beginning together."""
    known = [(getattr(one, name), (one.kind, one.prompt)) for one in texts if getattr(one, name) is not None]
    return share_among([value is wanted for value, _ in known], [prompt for _, prompt in known]) if known else None


def as_json(texts: Sequence[Written]) -> list[dict[str, Any]]:
    return [asdict(one) for one in texts]
