"""English chats: one function for each kind of question, each giving (what the user says, what is answered)."""

import random

from lilm.train.stories import english, plots, world
from lilm.train.stories.tables import tables

Turn = tuple[str, str]


def plain(rng: random.Random) -> Turn:
    row = rng.choice(tables("en").facts.plain)
    return rng.choice(row["asks"]), row["answer"]


def animal(rng: random.Random) -> Turn:
    language = tables("en")
    words, animals = language.words, language.animals
    key = rng.choice(world.ANIMALS)
    name, known = english.article(words.kinds[key]), animals[key]
    subject = english.capital(name)
    match rng.randrange(7 if known.sound else 6):
        case 0:
            return f"What is {name}?", known.about
        case 1:
            return f"What does {name} eat?", f"{subject} eats {known.eats}."
        case 2:
            return f"Where does {name} live?", f"{subject} lives {known.home}."
        case 3:
            return f"Tell me about {name}.", f"{known.about} It eats {known.eats}."
        case 4:
            return f"Can {name} fly?", f"Yes, {name} can fly." if known.flies else f"No, {name} cannot fly."
        case 5:
            return compare(rng, key)
        case _:
            return f"What does {name} say?", f'{subject} says "{known.sound}".'


def compare(rng: random.Random, key: str) -> Turn:
    language = tables("en")
    words, animals = language.words, language.animals
    size = animals[key].size
    other = rng.choice([k for k in world.ANIMALS if abs(animals[k].size - size) >= 2])
    bigger = rng.random() < 0.5
    first = (size > animals[other].size) == bigger
    one, two = (english.article(words.kinds[k]) for k in (key, other))
    winner, loser, word = (
        (one, two, "bigger" if bigger else "smaller") if first else (two, one, "bigger" if bigger else "smaller")
    )
    return f"Which is {word}, {one} or {two}?", f"{english.capital(winner)} is {word} than {loser}."


def food(rng: random.Random) -> Turn:
    language = tables("en")
    words, facts = language.words, language.facts
    key = rng.choice(world.FOODS)
    name = words.foods[key]
    colour, taste = (facts.foods[key][field] for field in ("colour", "taste"))
    match rng.randrange(3):
        case 0:
            return f"What color are {name}?", f"{english.capital(name)} are {colour}."
        case 1:
            return f"How do {name} taste?", f"{english.capital(name)} are {taste}."
        case _:
            return f"Do you like {name}?", f"Yes, I like {name}. They are {taste}."


def opposite(rng: random.Random) -> Turn:
    facts = tables("en").facts
    one, two = rng.choice(facts.opposites)
    if rng.random() < 0.5:
        one, two = two, one
    return f'What is the opposite of "{one}"?', f'The opposite of "{one}" is "{two}".'


def colour(rng: random.Random) -> Turn:
    facts = tables("en").facts
    thing, shade = rng.choice(facts.coloured)
    return f"What color is {thing}?", f"{english.capital(thing)} is {shade}."


def counting(rng: random.Random) -> Turn:
    words = tables("en").words
    name = words.foods[rng.choice(world.FOODS)]
    first, second = rng.randint(2, 5), rng.randint(2, 5)
    match rng.randrange(3):
        case 0:
            ask = f"I have {words.numbers[first]} {name} and get {words.numbers[second]} more. How many do I have?"
            return ask, f"You have {words.numbers[first + second]} {name}."
        case 1:
            ask = f"I have {words.numbers[first + second]} {name} and eat {words.numbers[first]}. How many are left?"
            return ask, f"You have {words.numbers[second]} {name} left."
        case _:
            last = first + second
            return f"Count from one to {words.numbers[last]}.", english.capital(
                ", ".join(words.numbers[1 : last + 1])
            ) + "."


def scene(rng: random.Random) -> Turn:
    """Two who do something somewhere, and a question about one of them."""
    language = tables("en")
    words, facts = language.words, language.facts
    hero, friend = plots.cast(rng)
    one, two = english.character("hero", hero), english.character("friend", friend)
    who = (one["hero"], two["friend"])
    acts = [facts.doing[hobby] for hobby in rng.sample(world.HOBBIES, 2)]
    places = [words.at[place] for place in rng.sample(world.OUTDOORS, 2)]
    thing = f"{words.colours[rng.choice(world.COLOURS)]} {words.things[rng.choice(world.THINGS)]}"
    sentences = [f"{one['hero_Full']} is {acts[0]} {places[0]}.", f"{two['friend_Full']} is {acts[1]} {places[1]}."]
    holds = rng.random() < 0.5
    if holds:
        sentences.insert(1, f"{who[0]} has a {thing}.")
    asked = rng.randrange(2)
    name, act, place = who[asked], acts[asked], places[asked]
    turns = [
        (f"What is {name} doing?", f"{name} is {act} {place}."),
        (f"Where is {name}?", f"{name} is {place}."),
        (f"Who is {act}?", f"{name} is {act}."),
        (f"Who is {place}?", f"{name} is {place}."),
    ]
    if holds:
        turns.append((f"What does {who[0]} have?", f"{who[0]} has a {thing}."))
    question, answer = rng.choice(turns)
    return " ".join([*sentences, question]), answer


def reading(rng: random.Random) -> Turn:
    """A short story and a question about it."""
    facts = tables("en").facts
    story = plots.draw(rng, names=tuple(facts.story_questions), short=True)
    pair = rng.choice(facts.story_questions[story.plot])
    slots = english.slots(story)
    return f"{english.tell(story, rng)} {pair['ask'].format_map(slots)}", pair["answer"].format_map(slots)


def tale(rng: random.Random) -> Turn:
    """The user wants a story, mostly of an animal that the user names."""
    words = tables("en").words
    story, asks = plots.draw_asked(rng, tables("en").facts)
    one, two = (english.article(words.kinds[who.kind]) for who in (story.hero, story.friend))
    return rng.choice(asks).format(kind=one, other=two), english.tell(story, rng)


KINDS = (plain, animal, food, opposite, colour, counting, scene, reading, tale)


def greeting(rng: random.Random) -> Turn:
    row = tables("en").facts.plain[0]
    return rng.choice(row["asks"]), row["answer"]
