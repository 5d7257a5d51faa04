"""English chats: one function for each kind of question, each giving (what the user says, what is answered)."""

import random

from lilm.train.stories import chat_facts_english as facts
from lilm.train.stories import english, plots, world
from lilm.train.stories import english_words as words

Turn = tuple[str, str]


def plain(rng: random.Random) -> Turn:
    questions, answer = rng.choice(facts.PLAIN)
    return rng.choice(questions), answer


def animal(rng: random.Random) -> Turn:
    key = rng.choice(world.ANIMALS)
    name, known = english.article(words.KINDS[key]), facts.ANIMALS[key]
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
    size = facts.ANIMALS[key].size
    other = rng.choice([k for k in world.ANIMALS if abs(facts.ANIMALS[k].size - size) >= 2])
    bigger = rng.random() < 0.5
    first = (size > facts.ANIMALS[other].size) == bigger
    one, two = (english.article(words.KINDS[k]) for k in (key, other))
    winner, loser, word = (
        (one, two, "bigger" if bigger else "smaller") if first else (two, one, "bigger" if bigger else "smaller")
    )
    return f"Which is {word}, {one} or {two}?", f"{english.capital(winner)} is {word} than {loser}."


def food(rng: random.Random) -> Turn:
    key = rng.choice(world.FOODS)
    name = words.FOODS[key]
    colour, taste = facts.FOODS[key]
    match rng.randrange(3):
        case 0:
            return f"What color are {name}?", f"{english.capital(name)} are {colour}."
        case 1:
            return f"How do {name} taste?", f"{english.capital(name)} are {taste}."
        case _:
            return f"Do you like {name}?", f"Yes, I like {name}. They are {taste}."


def opposite(rng: random.Random) -> Turn:
    one, two = rng.choice(facts.OPPOSITES)
    if rng.random() < 0.5:
        one, two = two, one
    return f'What is the opposite of "{one}"?', f'The opposite of "{one}" is "{two}".'


def colour(rng: random.Random) -> Turn:
    thing, shade = rng.choice(facts.COLOURED)
    return f"What color is {thing}?", f"{english.capital(thing)} is {shade}."


def counting(rng: random.Random) -> Turn:
    name = words.FOODS[rng.choice(world.FOODS)]
    first, second = rng.randint(2, 5), rng.randint(2, 5)
    match rng.randrange(3):
        case 0:
            ask = f"I have {words.NUMBERS[first]} {name} and get {words.NUMBERS[second]} more. How many do I have?"
            return ask, f"You have {words.NUMBERS[first + second]} {name}."
        case 1:
            ask = f"I have {words.NUMBERS[first + second]} {name} and eat {words.NUMBERS[first]}. How many are left?"
            return ask, f"You have {words.NUMBERS[second]} {name} left."
        case _:
            last = first + second
            return f"Count from one to {words.NUMBERS[last]}.", english.capital(
                ", ".join(words.NUMBERS[1 : last + 1])
            ) + "."


def scene(rng: random.Random) -> Turn:
    """Two who do something somewhere, and a question about one of them."""
    hero, friend = plots.cast(rng)
    one, two = english.character("hero", hero), english.character("friend", friend)
    who = (one["hero"], two["friend"])
    acts = [facts.DOING[hobby] for hobby in rng.sample(world.HOBBIES, 2)]
    places = [words.AT[place] for place in rng.sample(world.OUTDOORS, 2)]
    thing = f"{words.COLOURS[rng.choice(world.COLOURS)]} {words.THINGS[rng.choice(world.THINGS)]}"
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
    story = plots.draw(rng, names=tuple(facts.STORY_QUESTIONS), short=True)
    question, answer = rng.choice(facts.STORY_QUESTIONS[story.plot])
    slots = english.slots(story)
    return f"{english.tell(story, rng)} {question.format_map(slots)}", answer.format_map(slots)


# In these the friend need not appear.
_ALONE = ("baby", "errand")


def tale(rng: random.Random) -> Turn:
    """The user wants a story, mostly of an animal that the user names."""
    way = rng.random()
    kind = plots.kind_of_hero(rng)
    names = tuple(plots.PLOTS) if way < 0.75 else tuple(name for name in plots.PLOTS if name not in _ALONE)
    story = plots.draw(rng, kind, names=names, short=True)
    asks = facts.STORY_ASKS if way < 0.6 else facts.STORY_ASKS_ANY if way < 0.75 else facts.STORY_ASKS_TWO
    one, two = (english.article(words.KINDS[who.kind]) for who in (story.hero, story.friend))
    return rng.choice(asks).format(kind=one, other=two), english.tell(story, rng)


KINDS = (
    (plain, 4),
    (animal, 4),
    (food, 2),
    (opposite, 1),
    (colour, 1),
    (counting, 2),
    (scene, 6),
    (reading, 4),
    (tale, 5),
)
GREETING = facts.PLAIN[0]
