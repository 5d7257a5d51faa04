"""Plots without words: which beats a story has, in what order, and whom and what it is about."""

import random
from functools import cache
from types import SimpleNamespace
from typing import NamedTuple

from lilm.train.stories import world


class Plot(NamedTuple):
    """beats: in order; a name ending in "?" is told in about half of the stories.

    table: the table of world.TABLES that gives the story its subject, if any.
    seasons: when it may happen; empty means at any time.
    """

    beats: tuple[str, ...]
    table: str = ""
    seasons: tuple[str, ...] = ()


class Character(NamedTuple):
    kind: str
    female: bool
    name: int  # index into the language's list for this gender, 0 ≤ name < NAMES_PER_GENDER


class Story(NamedTuple):
    """One story before it is put into words. `picks` maps a slot's name to a concept's id."""

    plot: str
    beats: tuple[str, ...]
    hero: Character
    friend: Character
    season: str
    picks: dict[str, str]
    counts: tuple[int, int]


_INTRO = "scene? hero likes?"
_ALONE = ("baby", "errand")  # in these the friend need not appear


def _plot(beats: str, table: str = "", seasons: tuple[str, ...] = (), intro: str = _INTRO) -> Plot:
    return Plot(tuple(f"{intro} {beats}".split()), table, seasons)


PLOTS: dict[str, Plot] = {
    "lost": _plot("lost_start lost_notice lost_sad? lost_search lost_meet lost_tell lost_found lost_thanks lost_end"),
    "help": _plot("help_start help_see help_cry help_reply help_act help_done help_thanks help_end?", "problem"),
    "share": _plot("share_start share_meet share_why share_think? share_give share_eat share_end"),
    "brave": _plot("brave_cause brave_say brave_friend brave_act brave_after brave_end", "fear"),
    "make": _plot("make_idea make_join make_step1 make_step2 make_trouble? make_step3 make_done make_end", "craft"),
    "weather": _plot("weather_plan weather_ready? weather_turn weather_sad weather_idea weather_play weather_end",
                     "plan"),
    "meet": _plot("meet_new meet_shy meet_hello meet_name meet_play meet_like? meet_end"),
    "learn": _plot("learn_wish learn_try learn_sad learn_tip learn_practise learn_can learn_end", "skill"),
    "gift": _plot("gift_day gift_think gift_idea gift_make gift_give gift_joy gift_end", "present"),
    "plant": _plot("plant_seed plant_water plant_wait plant_friend plant_sprout plant_grow plant_end", "plant",
                   ("spring", "autumn")),
    "sorry": _plot("sorry_lend sorry_break sorry_hide sorry_heart? sorry_tell sorry_forgive sorry_mend sorry_end",
                   "mishap"),
    "errand": _plot("errand_ask errand_way errand_meet? errand_forget errand_recall errand_buy errand_home"),
    "night": _plot("night_bed night_wake night_go night_see night_talk night_end", intro="hero likes?"),
    "race": _plot("race_dare race_start race_fall race_stop race_help race_finish race_end"),
    "baby": _plot("baby_find baby_ask baby_join? baby_clue baby_walk baby_home baby_thanks baby_end"),
    "honest": _plot("honest_find honest_want honest_think honest_ask honest_owner honest_give honest_end"),
}  # fmt: skip


@cache
def _rows(table: str, season: str, kind: str) -> tuple[world.Row, ...]:
    return tuple(row for row in world.TABLES[table] if row.fits(season, kind))


def _character(rng: random.Random, kind: str) -> Character:
    female = kind == "girl" or (kind != "boy" and rng.random() < 0.5)
    return Character(kind, female, int(rng.random() * world.NAMES_PER_GENDER))


def kind_of_hero(rng: random.Random) -> str:
    """A child in a quarter of the stories, else one of the animals."""
    return rng.choice(("girl", "boy")) if rng.random() < 0.25 else rng.choice(world.ANIMALS)


def cast(rng: random.Random, kind: str = "") -> tuple[Character, Character]:
    """Two characters of different kinds and with different names; the first one of `kind` when given."""
    hero = _character(rng, kind or kind_of_hero(rng))
    while True:
        friend = _character(rng, kind_of_hero(rng))
        if friend.kind != hero.kind and (friend.female, friend.name) != (hero.female, hero.name):
            return hero, friend


def _two(rng: random.Random, ids: tuple[str, ...]) -> tuple[str, str]:
    first = rng.choice(ids)
    second = rng.choice(ids)
    while second == first:
        second = rng.choice(ids)
    return first, second


def draw(rng: random.Random, kind: str = "", *, names: tuple[str, ...] = tuple(PLOTS), short: bool = False) -> Story:
    """Draws one story. `kind` fixes the hero's kind; `short` leaves out every beat that may be left out."""
    name = rng.choice(names)
    plot = PLOTS[name]
    hero, friend = cast(rng, kind)
    season = rng.choice(plot.seasons or world.SEASONS)
    places: tuple[str, ...] = world.OUTDOORS
    picks: dict[str, str] = {}
    if plot.table:
        row = rng.choice(_rows(plot.table, season, hero.kind))
        picks[plot.table] = row.id
        places = row.places or places
    if plot.table == "plan":
        picks["storm"] = rng.choice(_rows("storm", season, hero.kind)).id
    place = rng.choice(places)
    picks["place"] = place
    picks["spot"], picks["wrong"] = _two(rng, world.SPOTS[place])
    picks["goal"] = rng.choice(tuple(p for p in world.OUTDOORS if p != place))
    picks["food"], picks["food2"] = _two(rng, world.FOODS)
    picks["colour"], picks["colour2"] = _two(rng, world.COLOURS)
    picks["thing"], picks["treasure"] = _two(rng, world.THINGS)
    picks["hobby"], picks["hobby2"] = _two(rng, world.HOBBIES)
    picks["trait"] = rng.choice(world.TRAITS)
    picks["indoor"] = rng.choice(world.INDOORS)
    picks["baby"] = rng.choice(world.BABIES)
    picks["clue"] = rng.choice(world.CLUES)
    picks["sight"] = rng.choice(("moon", "stars", "owl") if season != "summer" else world.NIGHT_SIGHTS)
    beats = tuple(
        beat.removesuffix("?") for beat in plot.beats if not beat.endswith("?") or (not short and rng.random() < 0.5)
    )
    counts = (int(rng.random() * 4) + 2, int(rng.random() * 4) + 2)
    return Story(name, beats, hero, friend, season, picks, counts)


def draw_asked(rng: random.Random, facts: SimpleNamespace) -> tuple[Story, list[str]]:
    """(a short story that a user wants, mostly of an animal; the ways to ask for it, with {kind} of the hero and
    {other} of the friend, as far as they name them). facts: of a language's tables."""
    way = rng.random()
    kind = kind_of_hero(rng)
    names = tuple(PLOTS) if way < 0.75 else tuple(name for name in PLOTS if name not in _ALONE)
    story = draw(rng, kind, names=names, short=True)
    return story, facts.story_asks if way < 0.6 else facts.story_asks_any if way < 0.75 else facts.story_asks_two
