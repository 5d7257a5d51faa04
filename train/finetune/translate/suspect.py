"""Why a translation is not accepted, as far as that can be seen without knowing what it should be."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from lilm.errors import LilmError
from lilm.recipe import ChecksConfig
from lilm.train.corpus.language import MIN_CONFIDENCE, tell
from lilm.train.finetune.checks import answers, translation
from lilm.train.finetune.checks.material import Material, Rule
from lilm.train.finetune.messages import Chat
from lilm.train.finetune.translate.glossary import Glossary
from lilm.train.finetune.translate.numbers import lost_numbers

ECHO_WORDS = 3  # fewer may be a name
MOST_TIMES = 3.0  # as long as the source
LEAST_SHARE = 0.1
SHOWN = 200  # characters of what was found
SPARE = 30  # characters; of a short text a translation may well have many times as many
_WORD = re.compile(r"[^\W\d_]+")
_MARKERS = {
    "bullets": re.compile(r"^[ \t]*(?:[-*+][ \t　]|[•・])", re.MULTILINE),
    "numbered lines": re.compile(r"^[ \t]*\d+[.)．）、]", re.MULTILINE),
    "headings": re.compile(r"^#{1,6}[ \t]", re.MULTILINE),
    "quotes": re.compile(r"^>", re.MULTILINE),
    "table rows": re.compile(r"^[ \t]*\|", re.MULTILINE),
}
_REMARK = re.compile(r"^[^\n]{0,80}(?:translat|翻訳|訳文|traduc|übersetz)[^\n]{0,60}[:：]\s*\n", re.IGNORECASE)


@dataclass(frozen=True)
class Problem:
    """kind: by which problems are counted. detail: what was found, for people and for the translator's next try."""

    kind: str
    detail: str = ""

    def __str__(self) -> str:
        """One line in which nothing steers a terminal."""
        found = " ".join(self.detail.split())[:SHOWN]
        clean = "".join(one if one.isprintable() else "·" for one in found)
        return f"{self.kind}: {clean}" if clean else self.kind


@dataclass(frozen=True)
class Judge:
    """language: of translations. base_language: of the sources. tells: whether both languages can be told."""

    language: str
    base_language: str
    glossary: Glossary
    tells: bool

    @classmethod
    def of(cls, language: str, base_language: str, glossary: Glossary) -> "Judge":
        try:
            for one in (language, base_language):
                tell("to load the model that knows it", one)
        except LilmError:
            return cls(language, base_language, glossary, False)
        return cls(language, base_language, glossary, True)

    def problem(self, source: str, translated: str) -> Problem | None:
        """The first that is found. Both texts are without what is kept, which is checked apart."""
        return next(self._problems(source, translated), None)

    def is_foreign(self, text: str) -> str:
        """The language of a text, where it clearly is not that of the sources; else ""."""
        language, confidence = tell(text, self.base_language) if self.tells else (self.base_language, 0.0)
        return language if language != self.base_language and confidence >= MIN_CONFIDENCE else ""

    def _problems(self, source: str, translated: str) -> Iterator[Problem]:
        if not translated.strip():
            yield Problem("nothing was answered")
            return
        if _small(source) == _small(translated) and len(_WORD.findall(source)) >= ECHO_WORDS:
            yield Problem("an echo of the text")
        if len(translated) > MOST_TIMES * len(source) + SPARE or len(translated) < LEAST_SHARE * len(source) - SPARE:
            yield Problem("odd length", f"{len(translated)} characters for {len(source)}")
        if self._by(answers.refusal, "", translated) and not self._by(answers.refusal, "", source):
            yield Problem("an apology or refusal", self._by(answers.refusal, "", translated))
        if _REMARK.search(translated) and not _REMARK.search(source):
            yield Problem("a remark before the translation", translated[:60])
        if found := self._other_language(source, translated):
            yield Problem("another language", found)
        if lost := lost_numbers(source, translated, self.language):
            yield Problem("lost numbers", ", ".join(lost[:5]))
        for name, marker in _MARKERS.items():
            wanted, given = (len(marker.findall(text)) for text in (source, translated))
            if wanted != given and (wanted > 1 or given > 1):
                yield Problem("lost lines", f"{given} {name} of {wanted}")
        if missed := self.glossary.missed(source, translated):
            term = missed[0]
            yield Problem("not the glossary's word", f"{term} is {self.glossary.terms[term][0]}")
        if self.language == translation.JAPANESE:
            for kind, rule in (
                ("a known mistranslation", translation.mistranslation),
                ("untranslated English", translation.untranslated),
                ("mixed scripts", translation.mixed_scripts),
            ):
                if found := self._by(rule, source, translated):
                    yield Problem(kind, found)

    def _other_language(self, source: str, translated: str) -> str:
        """Names and quotes are in no language: that of the source must be clear too, or be the translation's."""
        if not self.tells:
            return ""
        language, confidence = tell(translated, self.language)
        if language == self.language or confidence < MIN_CONFIDENCE:
            return ""
        told, how = tell(source, self.base_language)
        return language if language == told or (told == self.base_language and how >= MIN_CONFIDENCE) else ""

    def _by(self, rule: Rule, question: str, answer: str) -> str:
        """What a rule of the chats' checks finds in it; "" for nothing."""
        messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        chat = Chat(messages, "", "")
        known = [(self.language, 0.0)]
        return rule(Material([chat], known, ChecksConfig(), self.language, self.base_language)).get(0, "")


def _small(text: str) -> str:
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))
