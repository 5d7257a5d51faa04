"""Puts a wordless story into simple English, in the past tense."""

import random
from functools import cache

from lilm.train.stories.plots import Character, Story
from lilm.train.stories.tables import tables

Slots = dict[str, str]


def article(noun: str) -> str:
    """The noun after "a" or "an". Good for this world's words; it knows no "hour" and no "uniform"."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


@cache
def character(role: str, who: Character) -> Slots:
    """The slots of one character; {role}_full is how it is first met: "Tom the bear", "a girl named Lily"."""
    words = tables("en").words
    name = (words.female if who.female else words.male)[who.name]
    kind = words.kinds[who.kind]
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
    picks, words = story.picks, tables("en").words
    filled = character("hero", story.hero) | character("friend", story.friend)
    food, food2 = words.foods[picks["food"]], words.foods[picks["food2"]]
    one, two = (words.numbers[count] for count in story.counts)
    thing = f"{words.colours[picks['colour']]} {words.things[picks['thing']]}"
    at_place = words.at[picks["place"]]
    filled.update(
        season=words.seasons[story.season], place=words.places[picks["place"]], at_place=at_place,
        At_place=capital(at_place), goal=words.places[picks["goal"]], at_goal=words.at[picks["goal"]],
        spot=words.spots[picks["spot"]], wrong=words.spots[picks["wrong"]], food=food, food2=food2,
        food_n=f"{one} {food}", food2_n=f"{two} {food2}", food_N=capital(f"{one} {food}"),
        colour=words.colours[picks["colour"]], thing=thing, a_thing=f"a {thing}",
        treasure=f"a {words.colours[picks['colour2']]} {words.things[picks['treasure']]}",
        hobby=words.hobbies[picks["hobby"]], hobby2=words.hobbies[picks["hobby2"]],
        together=words.together[picks["hobby"]],
        trait=words.traits[picks["trait"]], indoor=words.indoors[picks["indoor"]],
        indoor_did=words.indoors_did[picks["indoor"]], baby=words.babies[picks["baby"]],
        cry=words.cries[picks["baby"]], clue=words.clues[picks["clue"]], clue_say=words.clue_says[picks["clue"]],
        sight=words.sights[picks["sight"]], sight_say=words.sight_says[picks["sight"]],
        sheep=("", "", "twenty", "thirty", "fifty", "a hundred")[story.counts[0]],
    )  # fmt: skip
    for table, rows in tables("en").subjects.items():
        if table in picks:
            filled.update({f"{table}_{field}": text for field, text in rows[picks[table]].items()})
    return filled


def tell(story: Story, rng: random.Random) -> str:
    """The story's text."""
    filled = slots(story)
    beats = tables("en").beats
    parts = [beats[f"scene_{story.season}" if beat == "scene" else beat] for beat in story.beats]
    text = " ".join([rng.choice(variants) for variants in parts])
    while "{" in text:  # a slot's words may hold slots themselves
        text = text.format_map(filled)
    return text
