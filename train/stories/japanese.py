"""Puts a wordless story into Japanese: all polite (です・ます) or all plain (だ・た)."""

import random
from functools import cache

from lilm.train.stories.inflect import fill_endings
from lilm.train.stories.plots import Character, Story
from lilm.train.stories.tables import tables

Slots = dict[str, str]


@cache
def _beats(polite: bool) -> dict[str, list[str]]:
    return {
        beat: [fill_endings(text, polite=polite) for text in variants] for beat, variants in tables("ja").beats.items()
    }


@cache
def _subject(table: str, key: str, polite: bool) -> Slots:
    fields = tables("ja").subjects[table][key]
    return {f"{table}_{field}": fill_endings(text, polite=polite) for field, text in fields.items()}


@cache
def _said(group: str, key: str, polite: bool) -> str:
    return fill_endings(getattr(tables("ja").words, group)[key], polite=polite)


@cache
def character(role: str, who: Character) -> Slots:
    """The slots of one character: {hero}, {hero_kind}, {hero_full}, {hero_own}, {hero_i} for the role "hero"."""
    words = tables("ja").words
    kind = words.kinds[who.kind]
    if who.kind == "girl":
        own, name = words.girls[who.name], words.girls[who.name] + "ちゃん"
    elif who.kind == "boy":
        own, name = words.boys[who.name], words.boys[who.name] + "くん"
    else:
        own = name = (words.animal_girls if who.female else words.animal_boys)[who.name]
    return {
        role: name, f"{role}_own": own, f"{role}_kind": kind, f"{role}_full": f"{kind}の{name}",
        f"{role}_i": "わたし" if who.female else "ぼく",
    }  # fmt: skip


def _counted(food: dict[str, str], number: int) -> str:
    counter: list[str] = tables("ja").words.counters[food["counter"]]
    return counter[number]


def slots(story: Story, *, polite: bool) -> Slots:
    """Every slot a template of this story may use."""
    picks, words = story.picks, tables("ja").words
    filled = character("hero", story.hero) | character("friend", story.friend)
    food, food2 = words.foods[picks["food"]], words.foods[picks["food2"]]
    one, two = story.counts
    filled.update(
        season=words.seasons[story.season], place=words.places[picks["place"]], goal=words.places[picks["goal"]],
        along=words.along[picks["place"]], goal_along=words.along[picks["goal"]],
        spot=words.spots[picks["spot"]], wrong=words.spots[picks["wrong"]],
        food=food["name"], food_n=_counted(food, one), food2=food2["name"], food2_n=_counted(food2, two),
        colour=words.colours[picks["colour"]], a_thing=words.things[picks["thing"]],
        thing=words.colours[picks["colour"]] + words.things[picks["thing"]],
        treasure=words.colours[picks["colour2"]] + words.things[picks["treasure"]], hobby=words.hobbies[picks["hobby"]],
        hobby2=words.hobbies[picks["hobby2"]], together=_said("together", picks["hobby"], polite),
        trait=words.traits[picks["trait"]], indoor_lets=words.indoors_lets[picks["indoor"]],
        indoor_did=_said("indoors_did", picks["indoor"], polite), baby=words.babies[picks["baby"]],
        parent=words.parents[picks["baby"]], cry=words.cries[picks["baby"]], clue=_said("clues", picks["clue"], polite),
        clue_say=words.clue_says[picks["clue"]], sight=_said("sights", picks["sight"], polite),
        sight_say=words.sight_says[picks["sight"]], seeds_n=("", "", "二つ", "三つ", "四つ", "五つ")[one],
        sheep=("", "", "二十", "三十", "五十", "百")[one],
    )  # fmt: skip
    for table in tables("ja").subjects:
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
