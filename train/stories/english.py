"""Puts a wordless story into simple English, in the past tense."""

import random
from functools import cache

from lilm.train.stories import english_subjects as subjects
from lilm.train.stories import english_words as words
from lilm.train.stories.english_beats import BEATS
from lilm.train.stories.plots import Character, Story

Slots = dict[str, str]
SUBJECTS: dict[str, dict[str, subjects.Fields]] = {
    "problem": subjects.PROBLEM, "fear": subjects.FEAR, "craft": subjects.CRAFT, "plan": subjects.PLAN,
    "storm": subjects.STORM, "skill": subjects.SKILL, "present": subjects.PRESENT, "plant": subjects.PLANT,
    "mishap": subjects.MISHAP,
}  # fmt: skip
_BEATS = BEATS | {f"scene_{season}": variants for season, variants in words.SCENES.items()}


def article(noun: str) -> str:
    """The noun after "a" or "an". Good for this world's words; it knows no "hour" and no "uniform"."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


@cache
def character(role: str, who: Character) -> Slots:
    """The slots of one character; {role}_full is how it is first met: "Tom the bear", "a girl named Lily"."""
    name = (words.FEMALE if who.female else words.MALE)[who.name]
    kind = words.KINDS[who.kind]
    full = f"a {kind} named {name}" if who.kind in ("girl", "boy") else f"{name} the {kind}"
    he, him, his = ("she", "her", "her") if who.female else ("he", "him", "his")
    filled = {
        role: name, f"{role}_kind": kind, f"{role}_a": article(kind), f"{role}_A": capital(article(kind)),
        f"{role}_full": full, f"{role}_Full": capital(full), f"{role}_he": he, f"{role}_him": him, f"{role}_his": his,
    }  # fmt: skip
    if role == "hero":
        filled.update(he=he, him=him, his=his, He=capital(he))
    return filled


def slots(story: Story) -> Slots:
    """Every slot a template of this story may use."""
    picks = story.picks
    filled = character("hero", story.hero) | character("friend", story.friend)
    food, food2 = words.FOODS[picks["food"]], words.FOODS[picks["food2"]]
    one, two = (words.NUMBERS[count] for count in story.counts)
    thing = f"{words.COLOURS[picks['colour']]} {words.THINGS[picks['thing']]}"
    at_place = words.AT[picks["place"]]
    filled.update(
        season=words.SEASONS[story.season], place=words.PLACES[picks["place"]], at_place=at_place,
        At_place=capital(at_place), goal=words.PLACES[picks["goal"]], at_goal=words.AT[picks["goal"]],
        spot=words.SPOTS[picks["spot"]], wrong=words.SPOTS[picks["wrong"]], food=food, food2=food2,
        food_n=f"{one} {food}", food2_n=f"{two} {food2}", food_N=capital(f"{one} {food}"),
        colour=words.COLOURS[picks["colour"]], thing=thing, a_thing=f"a {thing}",
        treasure=f"a {words.COLOURS[picks['colour2']]} {words.THINGS[picks['treasure']]}",
        hobby=words.HOBBIES[picks["hobby"]], hobby2=words.HOBBIES[picks["hobby2"]],
        together=words.TOGETHER[picks["hobby"]],
        trait=words.TRAITS[picks["trait"]], indoor=words.INDOORS[picks["indoor"]],
        indoor_did=words.INDOORS_DID[picks["indoor"]], baby=words.BABIES[picks["baby"]],
        cry=words.CRIES[picks["baby"]], clue=words.CLUES[picks["clue"]], clue_say=words.CLUE_SAYS[picks["clue"]],
        sight=words.SIGHTS[picks["sight"]], sight_say=words.SIGHT_SAYS[picks["sight"]],
        sheep=("", "", "twenty", "thirty", "fifty", "a hundred")[story.counts[0]],
    )  # fmt: skip
    for table, rows in SUBJECTS.items():
        if table in picks:
            filled.update({f"{table}_{field}": text for field, text in rows[picks[table]].items()})
    return filled


def tell(story: Story, rng: random.Random) -> str:
    """The story's text."""
    filled = slots(story)
    parts = [_BEATS[f"scene_{story.season}" if beat == "scene" else beat] for beat in story.beats]
    text = " ".join([rng.choice(variants) for variants in parts])
    while "{" in text:  # a slot's words may hold slots themselves
        text = text.format_map(filled)
    return text
