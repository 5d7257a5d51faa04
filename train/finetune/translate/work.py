"""The whole translation of a set: asking, which may be stopped at any moment, and then writing what came."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lilm.chat.rendering import well_formed
from lilm.disk import replacing, require_space
from lilm.errors import LilmError
from lilm.pipeline.hashing import sha256_file, write_json
from lilm.progress import Reporter
from lilm.train.finetune.translate.chat import ChatTranslator, Translated
from lilm.train.finetune.translate.kept_answers import KeptAnswers
from lilm.train.finetune.translate.page import write_page
from lilm.train.finetune.translate.pairs import Pair
from lilm.train.finetune.translate.summary import Summary
from lilm.train.finetune.translate.translators import Reply, Request, Translator

FIRST = 10  # chats, none of which a translator that is none translates
ANSWERS, MANIFEST, PAGE = ".answers", ".manifest.json", ".html"  # after the name of --out
SPACE = 12  # bytes on the disk for each byte of text: answers, their keys, the chats and the page


class _NotKept(Exception):
    """Nobody has answered this yet."""


@dataclass(frozen=True)
class Work:
    """keep_old: a chat whose translation fails keeps its old one where it has one; else it is left out."""

    pairs: list[Pair]
    chats: ChatTranslator
    translator: Translator
    out: Path
    keep_old: bool

    def run(self, made_of: dict[str, Any], reporter: Reporter) -> Summary:
        """Writes the chats to `out`, a page of the doubtful ones and a manifest beside it. Answers are kept there too:
        the same work asks for none of them again, and other work only for what is asked otherwise.

        made_of: for the manifest. Raises LilmError when the translator or the disk does not allow it, when none of the
        first chats can be used, or none at all.
        """
        texts = sum(len(message["content"].encode()) for pair in self.pairs for message in pair.original)
        require_space(self.out.parent, SPACE * texts, "the translation", "make room, or give another --out")
        with _no_room(self.out), KeptAnswers(self._beside(ANSWERS)) as kept:
            return asyncio.run(self._all(kept, made_of, reporter))

    async def _all(self, kept: KeptAnswers, made_of: dict[str, Any], reporter: Reporter) -> Summary:
        try:
            await self.translator.open()
            made_of = {**made_of, "translator": self.translator.identity}
            left = await self._unanswered(kept, reporter)
            if left:
                await self._ask(left, kept, made_of, reporter)
        finally:
            await self.translator.close()
        return await self._write(kept, made_of, reporter)

    async def _unanswered(self, kept: KeptAnswers, reporter: Reporter) -> list[int]:
        """Numbers of the chats for which there is something to ask."""
        if kept.empty:
            return list(range(len(self.pairs)))
        left = []
        with reporter.bar("look at kept answers", len(self.pairs)) as bar:
            for number in range(len(self.pairs)):
                try:
                    await self._replayed(number, kept)
                except _NotKept:
                    left.append(number)
                bar.advance()
        return left

    async def _replayed(self, number: int, kept: KeptAnswers) -> Translated:
        """What the kept answers make of a chat. Raises _NotKept where one is not there."""

        async def ask(request: Request) -> Reply:
            found = kept.get(request.key(self.translator.identity))
            if found is None:
                raise _NotKept
            return found

        return await self.chats.translate(self.pairs[number].original, ask)

    async def _ask(self, numbers: list[int], kept: KeptAnswers, made_of: dict[str, Any], reporter: Reporter) -> None:
        done = len(self.pairs) - len(numbers)
        if done:
            reporter.say(f"  {done} of {len(self.pairs)} chats are there already")
        first = _First()
        waiting = iter(numbers)

        async def ask(request: Request) -> Reply:
            key = request.key(self.translator.identity)
            found = kept.get(key)
            if found is None:
                came = await self.translator.write(request)
                found = kept.put(key, Reply(well_formed(came.text), came.finish))
            return found

        with reporter.bar("chats", len(self.pairs), done) as bar:

            async def work() -> None:
                for number in waiting:
                    pair = self.pairs[number]
                    if first.add(number + 1, pair, await self.chats.translate(pair.original, ask)):
                        raise self._useless(first.summary, f"the first {FIRST} chats", made_of)
                    bar.advance(note=f"{first.failed} failed" if first.failed else "")

            workers = [asyncio.create_task(work()) for _ in range(min(self.translator.parallel, len(numbers)))]
            try:
                await asyncio.gather(*workers)
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)

    async def _write(self, kept: KeptAnswers, made_of: dict[str, Any], reporter: Reporter) -> Summary:
        summary = Summary(len(self.pairs))
        with replacing(self.out, sync=True) as part:
            bar = reporter.bar("write", len(self.pairs))
            with part.open("w", encoding="utf-8", newline="") as file, bar as written:
                for number, pair in enumerate(self.pairs, start=1):
                    outcome = await self._replayed(number - 1, kept)
                    old = pair.old if self.keep_old else None
                    summary.add(number, pair, outcome, kept_old=old is not None)
                    messages = outcome.messages if outcome.problem is None else old
                    if messages is not None:
                        by = "translator" if outcome.problem is None else "old"
                        record = {"messages": messages, "number": number, "by": by, "score": outcome.rounded}
                        file.write(json.dumps(record, ensure_ascii=False) + "\n")
                    written.advance()
            if not summary.translated:
                raise self._useless(summary, f"{summary.chats} chats", made_of)
        output = {"sha256": sha256_file(self.out), "bytes": self.out.stat().st_size}
        write_page(self._beside(PAGE), self.out.name, summary, made_of)
        write_json(self._beside(MANIFEST), {**made_of, "counts": summary.counts(), "output": output})
        for line in summary.lines():
            reporter.say(line)
        return summary

    def _useless(self, summary: Summary, which: str, made_of: dict[str, Any]) -> LilmError:
        """For a translator that translated none of them; the page shows what it answered."""
        page = self._beside(PAGE)
        write_page(page, self.out.name, summary, made_of)
        what = f"it translated none of {which} ({summary.why()})"
        remedy = f"see what it answered in {page}; then give another translator, or --prompt"
        return LilmError(what, where=self.translator.name, remedy=remedy)

    def _beside(self, ending: str) -> Path:
        return self.out.with_name(self.out.name + ending)


class _First:
    """Tells when a translator translates none of the first chats that it is asked for now."""

    def __init__(self) -> None:
        self.summary, self._asked, self.failed = Summary(FIRST), 0, 0

    def add(self, number: int, pair: Pair, outcome: Translated) -> bool:
        """Whether the work is to end. number: of the chat, from 1."""
        self._asked += 1
        if outcome.problem is None:
            return False
        self.failed += 1
        if self._asked <= FIRST:
            self.summary.add(number, pair, outcome, kept_old=False)
        return self.failed == self._asked == FIRST


@contextmanager
def _no_room(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LilmError(
            f"cannot be written ({error.strerror})",
            where=str(out),
            remedy="make room or give another --out, then run again: it goes on where it stopped",
        ) from error
