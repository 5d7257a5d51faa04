"""One source's records as chats: what does not fit is named and counted, up to a limit, and what teaches nothing is
counted."""

from collections.abc import Iterator, Mapping
from itertools import chain, islice
from typing import Any

from lilm.chat.turns import Turns
from lilm.errors import LilmError
from lilm.recipe import ChatSourceConfig
from lilm.train.finetune.entries import Entry
from lilm.train.finetune.forms import Form, known_form, told_form, turns_of
from lilm.train.finetune.messages import Chat, shown, to_messages
from lilm.train.finetune.misfits import Misfits
from lilm.train.finetune.order import fitting
from lilm.train.finetune.trees import Node, Rows, branches_of, tree_of

LOOKED_AT = 20  # records in which a form is looked for


class ChatReader:
    """Iterates over the conversations in a source's records, `limit` at most.

    entries: the records. turns: of the chat format that they must fit; None: any order of roles does.
    form: what the records are, once one told it. records: how many were read. bad: the first of those that do not fit.
    left_out: what is no chat to learn from, by what it lacks.
    Iterating raises LilmError for what cannot be read, for more than `max_bad` of the records that do not fit, and
    when there is no chat at all.
    """

    def __init__(
        self, source: ChatSourceConfig, entries: Iterator[Entry], language: str, turns: Turns | None = None
    ) -> None:
        self._source, self._entries, self._language, self._turns = source, entries, language, turns
        self.form: Form | None = known_form(source)
        self._misfits = Misfits(source.max_bad, f"max_bad of finetune source {source.name}")
        self.bad, self.left_out = self._misfits.bad, self._misfits.left_out

    @property
    def records(self) -> int:
        return self._misfits.records

    def __iter__(self) -> Iterator[Chat]:
        found = 0
        for chat in islice(self._chats(), self._source.limit or None):
            found += 1
            yield chat
        self._misfits.judge()
        if not found:
            where = self._source.path or f"finetune.sources {self._source.name}"
            raise self._misfits.nothing("chat", where, "give a file with chats in which an assistant answers")

    def described(self) -> str:
        """What the source is, in one line."""
        trees = self.form is not None and self.form.kind in ("tree", "rows")
        which = {"best": "the best path of each", "all": "the paths to all answers"}[self._source.branches]
        return f"{self._source.name}: {self.form}{f', {which}' if trees else ''}"

    def _chats(self) -> Iterator[Chat]:
        rows = Rows(self._source, self._language)
        for entry in self._formed():
            self._misfits.records += 1
            yield from self._of_entry(entry, rows)
        for root in rows.roots(self.left_out):
            yield from self._of_tree(root)

    def _formed(self) -> Iterator[Entry]:
        """The entries, once the first of them have told the form."""
        head: list[Entry] = []
        while self.form is None and len(head) < LOOKED_AT and (entry := next(self._entries, None)) is not None:
            head.append(entry)
            self.form = None if isinstance(entry, LilmError) else told_form(entry[1], self._source.field)
        wanted = ("tree", "rows") if self._source.format == "oasst" else ("turns", "alpaca", "tree", "rows")
        if head and (self.form is None or self.form.kind not in wanted):
            raise self._unknown(head)
        return chain(head, self._entries)

    def _unknown(self, head: list[Entry]) -> LilmError:
        first = next((entry for entry in head if not isinstance(entry, LilmError)), None)
        if first is None:
            return next(entry for entry in head if isinstance(entry, LilmError))
        if self.form is not None:
            what, remedy = f"no OpenAssistant tree but {self.form}", 'set format = "auto"'
        else:
            what = f"chats in no form that LiLM knows (found {shown(', '.join(first[1]))})"
            remedy = "name the key of the messages in `field`; known are lists of messages, instruction and output, "
            remedy += "and message trees of OpenAssistant"
        return LilmError(what, where=first[0], remedy=remedy)

    def _of_entry(self, entry: Entry, rows: Rows) -> list[Chat]:
        if isinstance(entry, LilmError):
            return self._refuse(entry)
        where, record = entry
        kind = self.form.kind if self.form else ""
        try:
            if kind == "rows":
                rows.add(record, where)
                return []
            if kind != "tree":
                return self._of_turns(record, where)
            root = tree_of(record, self._source, self._language, where)
        except LilmError as error:
            return self._refuse(error)
        return list(self._of_tree(root))

    def _of_turns(self, record: Mapping[str, Any], where: str) -> list[Chat]:
        form = self.form or Form("turns")
        return self._fitted(turns_of(record, form, where), form.role, form.text, where)

    def _of_tree(self, root: Node) -> Iterator[Chat]:
        for where, turns in branches_of(root, self._source.branches, self.left_out):
            try:
                found = self._fitted(turns, "role", "text", where)
            except LilmError as error:
                found = self._refuse(error)
            yield from found

    def _fitted(self, value: Any, role: str, text: str, where: str) -> list[Chat]:
        """The chat; none where it teaches nothing. Raises LilmError when it does not fit."""
        messages = to_messages(value, role, text, where, self.left_out)
        if messages and self._turns is not None:
            messages = fitting(messages, self._turns, where, self.left_out)
        return [Chat(messages, where, self._source.name)] if messages else []

    def _refuse(self, error: LilmError) -> list[Chat]:
        self._misfits.refuse(error)
        return []
