"""The small world the stories play in: who lives there, what there is, and what goes with what. No words of a language.

Every row is only an id with its limits; tables/ says it in words, by language.
"""

from typing import NamedTuple

SEASONS = ("spring", "summer", "autumn", "winter")

ANIMALS = (
    "cat", "dog", "rabbit", "bear", "mouse", "squirrel", "fox", "hedgehog",
    "elephant", "sheep", "monkey", "frog", "bird", "pig", "duck", "panda",
)  # fmt: skip
KINDS = (*ANIMALS, "girl", "boy")
NAMES_PER_GENDER = 12

COLOURS = ("red", "blue", "yellow", "white", "green", "pink", "black", "brown")
THINGS = ("hat", "ball", "scarf", "key", "book", "umbrella", "bag", "ribbon", "bell", "doll", "cup", "flute", "box")
FOODS = (
    "apple", "bread", "strawberry", "cake", "cookie", "rice_ball", "banana", "peach", "orange", "pancake", "carrot",
    "chestnut", "pear", "tomato",
)  # fmt: skip
HOBBIES = ("sing", "draw", "read", "run", "flowers", "sky", "dance", "stones", "walk", "swing")
TRAITS = ("kind", "lively", "shy", "hungry", "honest", "cheerful", "diligent", "easygoing", "curious", "gentle")
INDOORS = ("cards", "books", "draw", "cookies", "origami", "sing", "blocks", "hide")
BABIES = ("chick", "kitten", "puppy", "fawn", "lamb")
CLUES = ("song", "flower", "smoke", "footprints")
NIGHT_SIGHTS = ("moon", "stars", "owl", "fireflies")

OUTDOORS = ("forest", "river", "park", "beach", "hill", "pond", "field", "mountain", "garden", "farm")
SPOTS: dict[str, tuple[str, ...]] = {
    "forest": ("under_tree", "in_leaves", "behind_stump", "in_bush"),
    "river": ("behind_rock", "under_bridge", "in_grass", "between_stones"),
    "park": ("under_bench", "by_slide", "in_sandbox", "under_tree"),
    "beach": ("in_sand", "behind_rock", "under_boat", "beside_shell"),
    "hill": ("under_tree", "in_grass", "behind_rock", "among_flowers"),
    "pond": ("in_grass", "under_bridge", "between_stones", "under_bench"),
    "field": ("in_grass", "among_flowers", "behind_rock", "in_bush"),
    "mountain": ("behind_rock", "in_leaves", "behind_stump", "between_stones"),
    "garden": ("among_flowers", "under_bench", "behind_pot", "in_bush"),
    "farm": ("behind_fence", "in_straw", "under_cart", "in_grass"),
}


class Row(NamedTuple):
    """One entry of a plot's table. An empty limit means "anything"."""

    id: str
    seasons: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    not_kinds: tuple[str, ...] = ()

    def fits(self, season: str, kind: str) -> bool:
        return (not self.seasons or season in self.seasons) and kind not in self.not_kinds


_LEVEL = ("park", "beach", "hill", "field", "garden", "farm")
_WATER_KINDS = ("frog", "duck")
_NO_BICYCLE = ("bird", "frog", "elephant", "mouse", "duck", "hedgehog")

TABLES: dict[str, tuple[Row, ...]] = {
    "problem": (
        Row("basket"),
        Row("mud", places=("river", "pond", "field")),
        Row("hole", places=("forest", "hill", "mountain", "field")),
        Row("balloon", places=("park", "forest", "hill", "garden")),
        Row("apple", seasons=("autumn",), places=("forest", "hill", "farm")),
        Row("cold", seasons=("winter",)),
        Row("hurt"),
        Row("way", places=("forest", "mountain", "field", "hill")),
        Row("bridge", places=("river",)),
        Row("cart", places=("hill", "mountain", "farm")),
    ),
    "fear": (
        Row("thunder", seasons=("summer",)),
        Row("dark"),
        Row("sound"),
        Row("slide"),
        Row("bridge"),
        Row("stage"),
        Row("cave"),
        Row("sea", seasons=("summer",), not_kinds=_WATER_KINDS),
    ),
    "craft": (
        Row("snowman", seasons=("winter",)),
        Row("cake"),
        Row("soup"),
        Row("boat"),
        Row("castle", seasons=("summer",), places=("beach",)),
        Row("birdhouse", not_kinds=("bird", "duck")),
        Row("crown", seasons=("spring",)),
        Row("kite", seasons=("spring", "winter")),
        Row("bread"),
        Row("drum"),
    ),
    "plan": (
        Row("picnic", seasons=("spring", "summer", "autumn"), places=_LEVEL),
        Row("ball", places=_LEVEL),
        Row("bugs", seasons=("summer",), places=("forest", "field", "park")),
        Row("blossoms", seasons=("spring",), places=("park", "hill")),
        Row("climb", seasons=("spring", "autumn"), places=("mountain",)),
        Row("nuts", seasons=("autumn",), places=("forest",)),
        Row("sled", seasons=("winter",), places=("hill", "mountain")),
        Row("tag", places=_LEVEL),
    ),
    "storm": (
        Row("rain", seasons=("spring", "summer", "autumn")),
        Row("wind"),
        Row("snow", seasons=("winter",)),
        Row("thunder", seasons=("summer",)),
    ),
    "skill": (
        Row("bicycle", not_kinds=_NO_BICYCLE),
        Row("swim", seasons=("summer",), not_kinds=_WATER_KINDS),
        Row("rope"),
        Row("whistle"),
        Row("draw"),
        Row("write"),
        Row("skate", seasons=("winter",)),
        Row("dance"),
        Row("crane"),
        Row("bake"),
    ),
    "present": (
        Row("bouquet", seasons=("spring", "summer", "autumn")),
        Row("scarf", seasons=("autumn", "winter")),
        Row("necklace"),
        Row("picture"),
        Row("cookies"),
        Row("letter"),
        Row("acorns", seasons=("autumn",)),
        Row("bell"),
    ),
    "plant": (
        Row("sunflower", seasons=("spring",)),
        Row("pansy", seasons=("autumn",)),
        Row("pea", seasons=("autumn",)),
        Row("tomato", seasons=("spring",)),
        Row("pumpkin", seasons=("spring",)),
        Row("watermelon", seasons=("spring",)),
    ),
    "mishap": (
        Row("cup"),
        Row("kite"),
        Row("picture"),
        Row("pot"),
        Row("boat"),
        Row("book"),
        Row("chair"),
    ),
}  # fmt: skip
