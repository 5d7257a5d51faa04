"""Japanese chats: one function for each kind of question, each giving (what the user says, what is answered)."""

import random

from lilm.train.stories import japanese, plots, world
from lilm.train.stories.tables import tables

Turn = tuple[str, str]


def _is(shade: str) -> str:
    """赤い → 赤いです, 緑の → 緑です."""
    return shade.removesuffix("の") + "です"


def plain(rng: random.Random) -> Turn:
    row = rng.choice(tables("ja").facts.plain)
    return rng.choice(row["asks"]), row["answer"]


def animal(rng: random.Random) -> Turn:
    language = tables("ja")
    words, animals = language.words, language.animals
    key = rng.choice(world.ANIMALS)
    name, known = words.kinds[key], animals[key]
    match rng.randrange(7 if known.sound else 6):
        case 0:
            return rng.choice((f"{name}はどんな動物ですか。", f"{name}って、どんな動物？")), known.about
        case 1:
            return f"{name}は何を食べますか。", f"{name}は{known.eats}を食べます。"
        case 2:
            return f"{name}はどこに住んでいますか。", f"{name}は{known.home}に住んでいます。"
        case 3:
            ask = rng.choice((f"{name}について教えてください。", f"{name}のことを教えて。"))
            return ask, f"{known.about}{known.eats}を食べます。"
        case 4:
            yes = f"はい、{name}は空をとびます。" if known.flies else f"いいえ、{name}は空をとびません。"
            return f"{name}は空をとびますか。", yes
        case 5:
            return compare(rng, key)
        case _:
            return f"{name}は何と鳴きますか。", f"{name}は「{known.sound}」と鳴きます。"


def compare(rng: random.Random, key: str) -> Turn:
    language = tables("ja")
    words, animals = language.words, language.animals
    size = animals[key].size
    other = rng.choice([k for k in world.ANIMALS if abs(animals[k].size - size) >= 2])
    if rng.random() < 0.5:
        big = key if size > animals[other].size else other
        word = "大きい"
    else:
        big = key if size < animals[other].size else other
        word = "小さい"
    one, two = words.kinds[key], words.kinds[other]
    return f"{one}と{two}では、どちらが{word}ですか。", f"{words.kinds[big]}の方が{word}です。"


def food(rng: random.Random) -> Turn:
    language = tables("ja")
    words, facts = language.words, language.facts
    key = rng.choice(world.FOODS)
    name = words.foods[key]["name"]
    colour, taste, group = (facts.foods[key][field] for field in ("colour", "taste", "group"))
    match rng.randrange(4):
        case 0:
            return f"{name}は何色ですか。", f"{name}は{_is(colour)}。"
        case 1:
            return f"{name}はどんな味ですか。", f"{name}は{taste}です。"
        case 2:
            return f"{name}は好きですか。", f"はい、わたしは{name}が大好きです。{taste}です。"
        case _:
            return f"{name}とは何ですか。", f"{name}は{group}です。"


def opposite(rng: random.Random) -> Turn:
    facts = tables("ja").facts
    one, two = rng.choice(facts.opposites)
    if rng.random() < 0.5:
        one, two = two, one
    return f"「{one}」の反対は何ですか。", f"「{one}」の反対は「{two}」です。"


def colour(rng: random.Random) -> Turn:
    facts = tables("ja").facts
    thing, shade = rng.choice(facts.coloured)
    return f"{thing}は何色ですか。", f"{thing}は{_is(shade)}。"


def counting(rng: random.Random) -> Turn:
    language = tables("ja")
    words, facts = language.words, language.facts
    name = words.foods[rng.choice(("apple", "peach", "orange", "chestnut", "pear", "tomato", "cake"))]["name"]
    first, second = rng.randint(1, 5), rng.randint(1, 5)
    match rng.randrange(3):
        case 0:
            ask = f"{name}が{facts.tsu[first]}あります。{facts.tsu[second]}もらうと、ぜんぶでいくつですか。"
            return ask, f"{name}はぜんぶで{facts.tsu[first + second]}です。"
        case 1:
            ask = f"{name}が{facts.tsu[first + second]}あります。{facts.tsu[first]}食べると、いくつのこりますか。"
            return ask, f"{name}は{facts.tsu[second]}のこります。"
        case _:
            last = first + second
            counted = "、".join(facts.numbers[1 : last + 1])
            return f"一から{facts.numbers[last]}まで数えてください。", f"はい。{counted}です。"


def scene(rng: random.Random) -> Turn:
    """Two who do something somewhere, and a question about one of them."""
    language = tables("ja")
    words, facts = language.words, language.facts
    hero, friend = plots.cast(rng)
    one, two = japanese.character("hero", hero), japanese.character("friend", friend)
    who = (one["hero"], two["friend"])
    acts = [facts.doing[hobby] for hobby in rng.sample(world.HOBBIES, 2)]
    places = [words.along[place] for place in rng.sample(world.OUTDOORS, 2)]
    shade, thing = words.colours[rng.choice(world.COLOURS)], words.things[rng.choice(world.THINGS)]
    sentences = [
        f"{one['hero_full']}は{places[0]}で{acts[0]}います。",
        f"{two['friend_full']}は{places[1]}で{acts[1]}います。",
    ]
    holds = rng.random() < 0.5
    if holds:
        sentences.insert(1, f"{who[0]}は{shade}{thing}を持っています。")
    asked = rng.randrange(2)
    name, act, place = who[asked], acts[asked], places[asked]
    turns = [
        (f"{name}は何をしていますか。", f"{name}は{place}で{act}います。"),
        (f"{name}はどこにいますか。", f"{name}は{place}にいます。"),
        (f"{act}いるのはだれですか。", f"{act}いるのは{name}です。"),
        (f"{place}にいるのはだれですか。", f"{place}にいるのは{name}です。"),
    ]
    if holds:
        turns.append((f"{who[0]}は何を持っていますか。", f"{who[0]}は{shade}{thing}を持っています。"))
        turns.append((f"{thing}は何色ですか。", f"{thing}は{_is(shade)}。"))
    question, answer = rng.choice(turns)
    return "".join(sentences) + question, answer


def reading(rng: random.Random) -> Turn:
    """A short story and a question about it."""
    facts = tables("ja").facts
    story = plots.draw(rng, names=tuple(facts.story_questions), short=True)
    pair = rng.choice(facts.story_questions[story.plot])
    slots = japanese.slots(story, polite=True)
    return japanese.tell(story, rng, polite=True) + pair["ask"].format_map(slots), pair["answer"].format_map(slots)


def tale(rng: random.Random) -> Turn:
    """The user wants a story, mostly of an animal that the user names."""
    words = tables("ja").words
    story, asks = plots.draw_asked(rng, tables("ja").facts)
    ask = rng.choice(asks).format(kind=words.kinds[story.hero.kind], other=words.kinds[story.friend.kind])
    return ask, japanese.tell(story, rng, polite=True)


KINDS = (plain, animal, food, opposite, colour, counting, scene, reading, tale)


def greeting(rng: random.Random) -> Turn:
    row = tables("ja").facts.plain[0]
    return rng.choice(row["asks"]), row["answer"]
