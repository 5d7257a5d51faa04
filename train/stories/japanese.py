"""Puts a wordless story into Japanese: all polite (です・ます) or all plain (だ・た)."""

import random
from functools import cache

from lilm.train.stories import japanese_beats, japanese_beats2
from lilm.train.stories import japanese_subjects as subjects
from lilm.train.stories import japanese_words as words
from lilm.train.stories.inflect import fill_endings
from lilm.train.stories.plots import Character, Story

Slots = dict[str, str]
BEATS = {**japanese_beats.BEATS, **japanese_beats2.BEATS}
SUBJECTS: dict[str, dict[str, subjects.Fields]] = {
    "problem": subjects.PROBLEM, "fear": subjects.FEAR, "craft": subjects.CRAFT, "plan": subjects.PLAN,
    "storm": subjects.STORM, "skill": subjects.SKILL, "present": subjects.PRESENT, "plant": subjects.PLANT,
    "mishap": subjects.MISHAP,
}  # fmt: skip


@cache
def _beats(polite: bool) -> dict[str, tuple[str, ...]]:
    said = {beat: tuple(fill_endings(t, polite=polite) for t in variants) for beat, variants in BEATS.items()}
    return said | {
        f"scene_{season}": tuple(fill_endings(t, polite=polite) for t in variants)
        for season, variants in words.SCENES.items()
    }


@cache
def _subject(table: str, key: str, polite: bool) -> Slots:
    return {f"{table}_{field}": fill_endings(text, polite=polite) for field, text in SUBJECTS[table][key].items()}


@cache
def _said(table: str, key: str, polite: bool) -> str:
    return fill_endings({"sight": words.SIGHTS, "clue": words.CLUES, "together": words.TOGETHER,
                         "indoor": words.INDOORS_DID}[table][key], polite=polite)  # fmt: skip


@cache
def character(role: str, who: Character) -> Slots:
    """The slots of one character: {hero}, {hero_kind}, {hero_full}, {hero_own}, {hero_i} for the role "hero"."""
    kind = words.KINDS[who.kind]
    if who.kind == "girl":
        own, name = words.GIRLS[who.name], words.GIRLS[who.name] + "ちゃん"
    elif who.kind == "boy":
        own, name = words.BOYS[who.name], words.BOYS[who.name] + "くん"
    else:
        own = name = (words.ANIMAL_GIRLS if who.female else words.ANIMAL_BOYS)[who.name]
    return {
        role: name, f"{role}_own": own, f"{role}_kind": kind, f"{role}_full": f"{kind}の{name}",
        f"{role}_i": "わたし" if who.female else "ぼく",
    }  # fmt: skip


def slots(story: Story, *, polite: bool) -> Slots:
    """Every slot a template of this story may use."""
    picks = story.picks
    filled = character("hero", story.hero) | character("friend", story.friend)
    food, counter = words.FOODS[picks["food"]]
    food2, counter2 = words.FOODS[picks["food2"]]
    one, two = story.counts
    filled.update(
        season=words.SEASONS[story.season], place=words.PLACES[picks["place"]], goal=words.PLACES[picks["goal"]],
        along=words.ALONG[picks["place"]], goal_along=words.ALONG[picks["goal"]],
        spot=words.SPOTS[picks["spot"]], wrong=words.SPOTS[picks["wrong"]], food=food, food_n=counter[one],
        food2=food2, food2_n=counter2[two], colour=words.COLOURS[picks["colour"]], a_thing=words.THINGS[picks["thing"]],
        thing=words.COLOURS[picks["colour"]] + words.THINGS[picks["thing"]], 
        treasure=words.COLOURS[picks["colour2"]] + words.THINGS[picks["treasure"]], hobby=words.HOBBIES[picks["hobby"]],
        hobby2=words.HOBBIES[picks["hobby2"]], together=_said("together", picks["hobby"], polite),
        trait=words.TRAITS[picks["trait"]], indoor_lets=words.INDOORS_LETS[picks["indoor"]],
        indoor_did=_said("indoor", picks["indoor"], polite), baby=words.BABIES[picks["baby"]],
        parent=words.PARENTS[picks["baby"]], cry=words.CRIES[picks["baby"]], clue=_said("clue", picks["clue"], polite),
        clue_say=words.CLUE_SAYS[picks["clue"]], sight=_said("sight", picks["sight"], polite),
        sight_say=words.SIGHT_SAYS[picks["sight"]], seeds_n=("", "", "二つ", "三つ", "四つ", "五つ")[one],
        sheep=("", "", "二十", "三十", "五十", "百")[one],
    )  # fmt: skip
    for table in SUBJECTS:
        if table in picks:
            filled.update(_subject(table, picks[table], polite))
    return filled


def tell(story: Story, rng: random.Random, *, polite: bool | None = None) -> str:
    """The story's text. Without `polite`, two stories in three are polite."""
    if polite is None:
        polite = rng.random() < 2 / 3
    filled = slots(story, polite=polite)
    beats = _beats(polite)
    parts = [beats[f"scene_{story.season}" if beat == "scene" else beat] for beat in story.beats]
    text = "".join([rng.choice(variants) for variants in parts])
    while "{" in text:  # a slot's words may hold slots themselves
        text = text.format_map(filled)
    return text
