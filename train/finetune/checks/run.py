"""All rules over all chats, one after the other: what one drops, the next ones do not see."""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from lilm.chat import Message
from lilm.errors import LilmError
from lilm.progress import Reporter
from lilm.recipe import ChecksConfig
from lilm.train.corpus.sample import sample
from lilm.train.finetune.checks import answers, duplicates, translation
from lilm.train.finetune.checks.language import language_mix, other_language, tell_languages
from lilm.train.finetune.checks.material import Found, Material, Rule
from lilm.train.finetune.checks.material import answers as answers_of
from lilm.train.finetune.messages import Chat
from lilm.train.finetune.pairs import Pair

SAMPLES = 3
SAMPLE_CHARS = 160

RULES: dict[str, tuple[str, Rule]] = {
    "exact": ("exact duplicates", duplicates.exact),
    "evaluation": ("evaluation questions", duplicates.evaluation),
    "near": ("near duplicates", duplicates.near),
    "same_answer": ("one answer to many questions", duplicates.same_answer),
    "language": ("other languages", other_language),
    "length": ("odd lengths", answers.length),
    "refusal": ("refusals", answers.refusal),
    "cut_off": ("answers that break off", answers.cut_off),
    "untranslated": ("untranslated English", translation.untranslated),
    "mixed_scripts": ("mixed scripts", translation.mixed_scripts),
    "mistranslation": ("known mistranslations", translation.mistranslation),
}
"""By its key in [finetune.checks]: (what it finds, in words, the rule)."""
JAPANESE = ("untranslated", "mixed_scripts", "mistranslation")
_STEERS = re.compile("[\x00-\x1f\x7f-\x9f]")  # a terminal


def check_chats(
    chats: Sequence[Chat], config: ChecksConfig, language: str, base_language: str, reporter: Reporter
) -> tuple[list[Chat], dict[str, Any]]:
    """(the chats that the rules leave, what they found). Says a line for each rule that found something.

    The figures are {"chats", "languages", "answer_chars": {"median", "p95", "max"}, "turns": {…}, "rules": {key:
    {"action", "found", "samples": [{"source", "where", "why", "text"}]}}}.
    """
    try:
        told = tell_languages(chats, language)
    except LilmError as error:
        reporter.say(f"  the answers' languages are not looked at: {error.what}")
        told = [(language, 0.0)] * len(chats)
    material = Material(chats, told, config, language, base_language)
    mix = language_mix(told)
    figures: dict[str, Any] = {"chats": len(chats), "languages": mix, "rules": {}}
    figures["answer_chars"] = _spread([len(one) for chat in chats for one in answers_of(chat)])
    figures["turns"] = _spread([len(answers_of(chat)) for chat in chats])
    listed = ", ".join(f"{name} {count}" for name, count in mix.items())
    reporter.say(f"  checked {len(chats)} chats; languages of the answers: {listed}")
    clean = []
    for key, (title, rule) in RULES.items():
        if (key in JAPANESE and language != translation.JAPANESE) or (key == "evaluation" and not config.path):
            continue
        found = rule(material)
        figures["rules"][key] = looked = _looked(material, found, getattr(config, key))
        if not found:
            clean.append(title)
            continue
        reporter.say(_told(title, looked))
        material = material.without(found) if looked["action"] == "drop" else material
    if clean:
        reporter.say(f"  found no {', '.join(clean)}")
    return list(material.chats), figures


def check_pairs(
    pairs: Sequence[Pair], heldout: Sequence[Sequence[Message]], config: ChecksConfig, reporter: Reporter
) -> tuple[list[Pair], dict[str, Any]]:
    """(the pairs that ask nothing that must not be learnt, {"evaluation", "held_out": what was found, as the rules of
    `check_chats`}). Says a line for either that found something.

    heldout: the held-out chats. A pair that asks what one of them asks, in the same conversation or as the first, is
    dropped whatever its answers are; one like the evaluation files is, where chats are.
    """
    chats = [Chat([*pair.chosen, pair.rejected[-1]], pair.where, "preference") for pair in pairs]
    material = Material(chats, [("", 0.0)] * len(chats), config, "", "")
    left, figures = list(pairs), {}
    rules: dict[str, tuple[str, Rule]] = {
        "evaluation": RULES["evaluation"],
        "held_out": ("questions of held-out chats", partial(duplicates.held_out, heldout=heldout)),
    }
    for key, (title, rule) in rules.items():
        found, action = rule(material), config.evaluation if key == "evaluation" else "drop"
        figures[key] = _looked(material, found, action)
        if found:
            reporter.say(_told(f"pairs, {title}", figures[key]))
        if action == "drop":
            material = material.without(found)
            left = [pair for number, pair in enumerate(left) if number not in found]
    return left, figures


def _looked(material: Material, found: Found, action: str) -> dict[str, Any]:
    """What a rule found, for reports."""
    samples = [_sample(material.chats[number], why) for number, why in list(found.items())[:SAMPLES]]
    return {"action": action, "found": len(found), "samples": samples}


def _told(title: str, looked: Mapping[str, Any]) -> str:
    done, first = "dropped" if looked["action"] == "drop" else "kept", looked["samples"][0]
    return f"  {title}: {looked['found']}, {done}; {first['where']}: {first['why']}"


def _sample(chat: Chat, why: str) -> dict[str, str]:
    shown = (_STEERS.sub("·", sample(text, SAMPLE_CHARS)) for text in (why, answers_of(chat)[0]))
    return {"source": chat.source, "where": chat.where, **dict(zip(("why", "text"), shown, strict=True))}


def _spread(values: Sequence[int]) -> dict[str, int]:
    ordered = sorted(values)
    if not ordered:
        return {}
    return {"median": ordered[len(ordered) // 2], "p95": ordered[len(ordered) * 95 // 100], "max": ordered[-1]}
