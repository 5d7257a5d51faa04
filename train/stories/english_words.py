"""The English words for everything in world.py."""

FEMALE = ("Lily", "Mia", "Anna", "Lucy", "Daisy", "Rosie", "Ruby", "Nora", "Emma", "Molly", "Kate", "Sophie")
MALE = ("Tom", "Ben", "Sam", "Max", "Leo", "Jack", "Finn", "Theo", "Oscar", "Henry", "Toby", "Billy")

KINDS = {
    "cat": "cat", "dog": "dog", "rabbit": "rabbit", "bear": "bear", "mouse": "mouse", "squirrel": "squirrel",
    "fox": "fox", "hedgehog": "hedgehog", "elephant": "elephant", "sheep": "sheep", "monkey": "monkey",
    "frog": "frog", "bird": "bird", "pig": "pig", "duck": "duck", "panda": "panda", "girl": "girl", "boy": "boy",
}  # fmt: skip
SEASONS = {"spring": "spring", "summer": "summer", "autumn": "autumn", "winter": "winter"}
COLOURS = {colour: colour for colour in ("red", "blue", "yellow", "white", "green", "pink", "black", "brown")}
THINGS = {
    "hat": "hat", "ball": "ball", "scarf": "scarf", "key": "key", "book": "book", "umbrella": "umbrella",
    "bag": "bag", "ribbon": "ribbon", "bell": "bell", "doll": "doll", "cup": "cup", "flute": "flute", "box": "box",
}  # fmt: skip
# Always more than one of them.
FOODS = {
    "apple": "apples", "bread": "buns", "strawberry": "strawberries", "cake": "cakes", "cookie": "cookies",
    "rice_ball": "rice balls", "banana": "bananas", "peach": "peaches", "orange": "oranges", "pancake": "pancakes",
    "carrot": "carrots", "chestnut": "chestnuts", "pear": "pears", "tomato": "tomatoes",
}  # fmt: skip
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
PLACES = {
    "forest": "forest", "river": "river", "park": "park", "beach": "beach", "hill": "hill", "pond": "pond",
    "field": "field", "mountain": "mountain", "garden": "flower garden", "farm": "farm",
}  # fmt: skip
AT = {
    "forest": "in the forest", "river": "by the river", "park": "in the park", "beach": "on the beach",
    "hill": "on the hill", "pond": "by the pond", "field": "in the field", "mountain": "on the mountain",
    "garden": "in the flower garden", "farm": "on the farm",
}  # fmt: skip
SPOTS = {
    "under_tree": "under a tree", "in_leaves": "in the dry leaves", "behind_stump": "behind a stump",
    "in_bush": "in a bush", "behind_rock": "behind a rock", "under_bridge": "under the bridge",
    "in_grass": "in the tall grass", "between_stones": "between two stones", "under_bench": "under a bench",
    "by_slide": "next to the slide", "in_sandbox": "in the sandbox", "in_sand": "in the sand",
    "under_boat": "under an old boat", "beside_shell": "beside a big shell", "among_flowers": "among the flowers",
    "behind_pot": "behind a flower pot", "behind_fence": "behind the fence", "in_straw": "in the straw",
    "under_cart": "under the cart",
}  # fmt: skip
# After "liked to".
HOBBIES = {
    "sing": "sing songs", "draw": "draw pictures", "read": "read books", "run": "run", "flowers": "look at flowers",
    "sky": "watch the sky", "dance": "dance", "stones": "collect pretty stones", "walk": "go for walks",
    "swing": "play on the swings",
}  # fmt: skip
# What two friends did together: after "they".
TOGETHER = {
    "sing": "sang a song together", "draw": "drew pictures side by side", "read": "read the same book",
    "run": "ran as far as they could", "flowers": "looked at the pretty flowers", "sky": "lay down and watched the sky",
    "dance": "held hands and danced", "stones": "looked for pretty stones", "walk": "took a long walk",
    "swing": "took turns on the swing",
}  # fmt: skip
TRAITS = {
    "kind": "kind", "lively": "lively", "shy": "shy", "hungry": "hungry", "honest": "good", "cheerful": "happy",
    "diligent": "busy", "easygoing": "lazy", "curious": "curious", "gentle": "gentle",
}  # fmt: skip
INDOORS = {
    "cards": "play cards", "books": "read books", "draw": "draw a big picture", "cookies": "bake cookies",
    "origami": "fold paper birds", "sing": "sing songs", "blocks": "build a tower of blocks",
    "hide": "play hide and seek",
}  # fmt: skip
INDOORS_DID = {
    "cards": "played cards", "books": "read books", "draw": "drew a big picture", "cookies": "baked cookies",
    "origami": "folded paper birds", "sing": "sang songs", "blocks": "built a tower of blocks",
    "hide": "played hide and seek",
}  # fmt: skip
BABIES = {"chick": "chick", "kitten": "kitten", "puppy": "puppy", "fawn": "fawn", "lamb": "lamb"}
CRIES = {"chick": "Peep, peep", "kitten": "Mew, mew", "puppy": "Woof, woof", "fawn": "Eep, eep", "lamb": "Baa, baa"}
SIGHTS = {
    "moon": "A big round moon was shining.", "stars": "The sky was full of bright stars.",
    "owl": "An owl was sitting in a high tree.", "fireflies": "Little fireflies were dancing over the grass.",
}  # fmt: skip
SIGHT_SAYS = {
    "moon": '"The moon is so bright,"', "stars": '"There are so many stars,"', "owl": '"The owl is awake too,"',
    "fireflies": '"They look like tiny lamps,"',
}  # fmt: skip
CLUES = {
    "song": "They heard a soft song from far away.", "flower": "They saw a bright flower by the path.",
    "smoke": "They saw white smoke in the sky.", "footprints": "They saw big footprints on the ground.",
}  # fmt: skip
CLUE_SAYS = {
    "song": '"That is my mother\'s song!"', "flower": '"That flower grows near my home!"',
    "smoke": '"That is the smoke from my home!"', "footprints": '"Those are my mother\'s footprints!"',
}  # fmt: skip
SCENES = {
    "spring": (
        "It was a warm spring morning.", "Spring came and the flowers opened.", "A soft spring wind was blowing.",
        "The long winter was over at last.",
    ),
    "summer": (
        "It was a hot summer day.", "The summer sky was blue and clear.", "Summer came and the days were long.",
        "It was a bright summer morning.",
    ),
    "autumn": (
        "It was a cool autumn day.", "Autumn came and the leaves turned red.", "The autumn wind shook the trees.",
        "It was a clear autumn morning.",
    ),
    "winter": (
        "It was a cold winter morning.", "Winter came and the hills were white.", "A cold winter wind was blowing.",
        "A little snow lay on the ground.",
    ),
}  # fmt: skip
