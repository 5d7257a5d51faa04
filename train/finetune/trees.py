"""Message trees of OpenAssistant (oasst1, oasst2 and translations of them) as conversations: paths from a question
down to an answer."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lilm.errors import LilmError
from lilm.recipe import ChatSourceConfig
from lilm.train.finetune.messages import shown

MEND = "mend or delete it"
FAILED = ("1", "1.0", "True")  # of `ng_translation`: the machine translation is the original


@dataclass
class Node:
    """A message. rank: 0 for the best of its siblings, infinite where people gave none."""

    turn: dict[str, Any]
    lang: str
    rank: float
    where: str
    refused: str
    parent: "Node | None" = None
    replies: list["Node"] = field(default_factory=list)

    @property
    def answers(self) -> bool:
        return bool(self.turn["role"] == "assistant")


Branch = tuple[str, list[dict[str, Any]]]
"""(where the question stands, its messages as {role, text})."""


def node_of(message: Mapping[str, Any], source: ChatSourceConfig, language: str, where: str) -> Node:
    """A message without its replies. Its words are those in the recipe's language where the record has several
    translations (`text_ja`)."""
    text = message.get(f"text_{language}", message.get("text"))
    lang = str(message.get("lang") or "")
    refused = ""
    if message.get("deleted") is True:
        refused = "deleted messages, and what replies to them"
    elif str(message.get("ng_translation")) in FAILED:
        refused = "failed translations (ng_translation), and what replies to them"
    elif source.lang and lang != source.lang:
        refused = f"messages that are not in {source.lang!r}, and what replies to them"
    return Node({"role": message.get("role"), "text": text}, lang, _rank(message.get("rank")), where, refused)


def _rank(value: Any) -> float:
    try:
        rank = float(value)
    except (TypeError, ValueError, OverflowError):
        return math.inf
    return math.inf if math.isnan(rank) else rank


def tree_of(entry: Mapping[str, Any], source: ChatSourceConfig, language: str, where: str) -> Node:
    """The root of a nested tree, which stands in `prompt` or is the entry. Raises LilmError for a reply that is no
    message."""
    message = entry.get("prompt", entry)
    root: Node | None = None
    todo: list[tuple[Any, Node | None]] = [(message, None)]
    while todo:
        message, parent = todo.pop()
        if not isinstance(message, dict):
            raise LilmError(f"a message that is {shown(message)}, not an object", where=where, remedy=MEND)
        node = node_of(message, source, language, where)
        root = root or node
        _hang(node, parent)
        replies = message.get("replies")
        if replies is not None and not isinstance(replies, list):
            raise LilmError(f"replies that are {shown(replies)}", where=where, remedy=MEND)
        todo += [(reply, node) for reply in reversed(replies or [])]
    assert root is not None  # noqa: S101 - the entry itself
    return root


class Rows:
    """Messages that come one in a record, in any order, put together by their ids."""

    def __init__(self, source: ChatSourceConfig, language: str) -> None:
        self._source, self._language = source, language
        self._nodes: dict[str, tuple[Node, str]] = {}

    def add(self, row: Mapping[str, Any], where: str) -> None:
        """Raises LilmError for a row without an id of its own."""
        name = row.get("message_id")
        if not isinstance(name, str | int) or str(name) in self._nodes:
            what = f"a message with message_id={shown(name)}"
            raise LilmError(what if name is None else f"{what}, which stood before", where=where, remedy=MEND)
        parent = row.get("parent_id")
        above = "" if parent is None or parent != parent else str(parent)  # NaN, as pandas writes what is missing
        self._nodes[str(name)] = node_of(row, self._source, self._language, where), above

    def roots(self, left_out: Counter[str]) -> list[Node]:
        """Once all are there. Messages whose question is not among them are counted."""
        roots = []
        for node, parent in self._nodes.values():
            if not parent:
                roots.append(node)
            elif parent in self._nodes:
                _hang(node, self._nodes[parent][0])
        lost = len(self._nodes) - sum(1 for root in roots for _ in _below(root))
        if lost:
            left_out["messages whose question is not in the file"] += lost
        return roots


def _hang(node: Node, parent: Node | None) -> None:
    if parent is not None:
        node.parent = parent
        parent.replies.append(node)


def _below(root: Node) -> Iterator[Node]:
    todo = [root]
    while todo:
        node = todo.pop()
        yield node
        todo += node.replies


def branches_of(root: Node, branches: str, left_out: Counter[str]) -> Iterator[Branch]:
    """branches: "best" for the path of the best-ranked replies, past questions that nobody answers; "all" for one to
    every answer that nobody goes on from. Of refused messages nothing is read; they are counted."""
    _prune(root, left_out)
    if root.refused:
        return
    if branches == "best":
        node = root
        while replies := [reply for reply in node.replies if reply.answers or _is_answered(reply)]:
            node = min(replies, key=lambda reply: reply.rank)  # the first of equals
        yield _branch(node)
        return
    ends = [node for node in _in_order(root) if node.answers and not _goes_on(node)]
    for node in ends or [root]:
        yield _branch(node)


def _prune(root: Node, left_out: Counter[str]) -> None:
    if root.refused:
        left_out[root.refused] += 1
        return
    todo = [root]
    while todo:
        node = todo.pop()
        left_out.update(reply.refused for reply in node.replies if reply.refused)
        node.replies = [reply for reply in node.replies if not reply.refused]
        todo += node.replies


def _in_order(root: Node) -> Iterator[Node]:
    todo = [root]
    while todo:
        node = todo.pop()
        yield node
        todo += reversed(node.replies)


def _goes_on(answer: Node) -> bool:
    """Whether somebody asked on and was answered."""
    return any(_is_answered(question) for question in answer.replies)


def _is_answered(question: Node) -> bool:
    return any(reply.answers for reply in question.replies)


def _branch(node: Node) -> Branch:
    turns = []
    top: Node | None = node
    while top is not None:
        node, top = top, top.parent
        turns.append(node.turn)
    return node.where, turns[::-1]
