"""What the English chats know: short questions about the story world and whole-sentence answers."""
# ruff: noqa: E501 - tables read best with one entry on a line

from typing import NamedTuple


class Animal(NamedTuple):
    about: str
    eats: str
    home: str
    sound: str  # "" for an animal that a children's book gives no cry
    size: int  # for comparing: 1 (mouse) to 9 (elephant)
    flies: bool = False


ANIMALS = {
    "cat": Animal("A cat is an animal with soft fur and a long tail.", "fish", "in a house", "meow", 4),
    "dog": Animal("A dog is a clever animal that lives with people.", "meat", "in a house", "woof", 6),
    "rabbit": Animal("A rabbit is an animal with long ears that jumps well.", "grass and carrots", "in the field", "", 3),
    "bear": Animal("A bear is a big and strong animal.", "nuts and fish", "in the forest", "growl", 8),
    "mouse": Animal("A mouse is a very small and quick animal.", "nuts and corn", "in a small hole", "squeak", 1),
    "squirrel": Animal("A squirrel is a small animal with a big tail.", "acorns and nuts", "in a tree", "", 2),
    "fox": Animal("A fox is an animal with a red coat and a thick tail.", "small animals", "in the forest", "", 5),
    "hedgehog": Animal("A hedgehog is a small animal with many spines.", "bugs", "in the grass", "", 2),
    "elephant": Animal("An elephant is a very big animal with a long nose.", "grass and leaves", "in a warm land", "", 9),
    "sheep": Animal("A sheep is a gentle animal with soft wool.", "grass", "on the farm", "baa", 7),
    "monkey": Animal("A monkey is a clever animal that climbs well.", "fruit and nuts", "in the trees", "", 5),
    "frog": Animal("A frog is a small green animal that jumps well.", "bugs", "by the pond", "croak", 1),
    "bird": Animal("A bird is an animal that flies with two wings.", "seeds and bugs", "in a nest", "tweet", 1, True),
    "pig": Animal("A pig is an animal with a round nose and a short tail.", "roots and grass", "on the farm", "oink", 7),
    "duck": Animal("A duck is a bird that swims very well.", "grass and small fish", "by the pond", "quack", 3, True),
    "panda": Animal("A panda is a big animal with black and white fur.", "bamboo", "in the mountains", "", 8),
}  # fmt: skip
# food: colour, taste; of all of them
FOODS = {
    "apple": ("red", "sweet"), "bread": ("brown", "soft and good"), "strawberry": ("red", "sweet"),
    "cake": ("white", "very sweet"), "cookie": ("brown", "sweet"), "rice_ball": ("white", "a little salty"),
    "banana": ("yellow", "soft and sweet"), "peach": ("pink", "very sweet"), "orange": ("orange", "sweet and sour"),
    "pancake": ("yellow", "soft and sweet"), "carrot": ("orange", "a little sweet"), "chestnut": ("brown", "sweet"),
    "pear": ("yellow", "sweet"), "tomato": ("red", "a little sour"),
}  # fmt: skip
OPPOSITES = (
    ("big", "small"), ("high", "low"), ("long", "short"), ("light", "dark"), ("hot", "cold"), ("strong", "weak"),
    ("new", "old"), ("fast", "slow"), ("far", "near"), ("up", "down"), ("left", "right"), ("day", "night"),
    ("in", "out"), ("open", "closed"), ("happy", "sad"), ("black", "white"), ("wet", "dry"), ("full", "empty"),
)  # fmt: skip
COLOURED = (
    ("the sky", "blue"), ("snow", "white"), ("grass", "green"), ("the sea", "blue"), ("the night sky", "black"),
    ("a sunflower", "yellow"), ("milk", "white"), ("a leaf", "green"), ("a cloud", "white"), ("the ground", "brown"),
)  # fmt: skip
# Questions with one answer each; the questions of one row ask the same.
PLAIN = (
    (("Hello.", "Hello!", "Hi there."), "Hello. What story would you like to hear today?"),
    (("Good morning.",), "Good morning. I hope you have a good day."),
    (("Good night.",), "Good night. Sleep well and have sweet dreams."),
    (("Thank you.", "Thanks."), "You are welcome. Come and talk to me again."),
    (("Goodbye.", "Bye."), "Goodbye. Let us talk again soon."),
    (("How are you?", "Are you well?"), "I am very well, thank you. How are you?"),
    (("What is your name?", "Who are you?"), "My name is Lilm. I like to tell stories."),
    (("What can you do?",), "I can tell short stories and answer simple questions."),
    (("What food do you like?", "What is your favorite food?"), "I like apples. They are sweet."),
    (("What color do you like?",), "I like blue. It is the color of the sky and the sea."),
    (("What animal do you like?",), "I like cats. Their fur is soft."),
    (("Which season do you like?",), "I like spring. There are many flowers."),
    (("What is spring like?",), "Spring is warm, and many flowers open."),
    (("What is summer like?",), "Summer is hot, and children swim in the sea."),
    (("What is autumn like?",), "Autumn is cool, and the leaves turn red and yellow."),
    (("What is winter like?",), "Winter is cold, and sometimes there is snow."),
    (("What comes after spring?",), "Summer comes after spring."),
    (("What comes after summer?",), "Autumn comes after summer."),
    (("What comes after autumn?",), "Winter comes after autumn."),
    (("What comes after winter?",), "Spring comes after winter."),
    (("What do you take on a rainy day?",), "On a rainy day I take an umbrella."),
    (("What do you wear on a cold day?",), "On a cold day I wear a warm coat and a scarf."),
    (("What can I do on a rainy day?",), "On a rainy day you can read books and draw pictures."),
    (("What can I do on a sunny day?",), "On a sunny day you can play with your friends in the park."),
    (("What is a friend?",), "A friend is someone who plays with you and helps you."),
    (("What do you say when a friend helps you?",), "When a friend helps me, I say thank you."),
    (("What can you see in the night sky?",), "In the night sky you can see the moon and the stars."),
    (("What is a forest?",), "A forest is a place with many trees. Animals live there."),
    (("What is the sea like?",), "The sea is wide and blue. Many fish live there."),
    (("What do children do in the park?",), "In the park children play on the swings and the slide."),
    (("What does a flower need?",), "A flower needs water and the light of the sun."),
    (("Do you like books?",), "Yes, I like books very much."),
    (("I am sad.",), "I am sorry. Let us talk, and you will feel better."),
    (("I am happy.",), "That is good. I am happy too."),
    (("I am tired.",), "You did a lot today. Have a good rest."),
    (("I am hungry.",), "Then let us eat some bread and apples."),
    (("I cannot sleep.",), "Close your eyes and count some sheep."),
    (("It is a nice day.",), "Yes, it is. It is a good day for a walk."),
)  # fmt: skip
# What someone is doing.
DOING = {
    "sing": "singing a song", "draw": "drawing a picture", "read": "reading a book", "run": "running",
    "flowers": "looking at flowers", "sky": "watching the sky", "dance": "dancing",
    "stones": "looking for pretty stones", "walk": "taking a walk", "swing": "playing on a swing",
}  # fmt: skip
STORY_ASKS = (
    "Tell me a story about {kind}.", "Please tell me a story about {kind}.", "I want to hear a story about {kind}.",
    "Write a short story about {kind}.",
)  # fmt: skip
STORY_ASKS_TWO = ("Tell me a story about {kind} and {other}.", "Write a short story about {kind} and {other}.")
STORY_ASKS_ANY = ("Tell me a story.", "Please tell me a short story.", "I want to hear a story.")
# plot: questions about it with answers, in the slots of english.py
STORY_QUESTIONS = {
    "lost": (("What did {hero} lose?", "{hero} lost {his} {thing}."), ("Where was the {thing}?", "The {thing} was {spot}."),
             ("Who helped {hero}?", "{friend} helped {hero}.")),
    "help": (("Who needed help?", "{friend} needed help."), ("Who helped {friend}?", "{hero} helped {friend}.")),
    "share": (("What did {hero} share?", "{hero} shared {his} {food}."), ("Who was hungry?", "{friend} was hungry.")),
    "make": (("What did they make?", "They made a {craft_name}."), ("Who helped {hero}?", "{friend} helped {hero}.")),
    "weather": (("What did they want to do?", "They wanted to {plan_name}."), ("What did they do in the house?", "They {indoor_did}.")),
    "gift": (("Whose birthday was it?", "It was the birthday of {friend}."), ("What was the gift?", "The gift was {present_name}.")),
    "plant": (("What seed did they plant?", "They planted a {plant_name} seed."),),
    "sorry": (("What broke?", "The {mishap_name} of {friend} broke."), ("Who was sorry?", "{hero} was sorry.")),
    "errand": (("What did {hero} buy?", "{hero} bought {food_n} and {food2_n}."),),
    "baby": (("Who was lost?", "A little {baby} was lost."), ("Who helped the {baby}?", "{hero} helped the {baby}.")),
    "honest": (("What did {hero} find?", "{hero} found {a_thing}."), ("Whose {thing} was it?", "It was the {thing} of {friend}.")),
}  # fmt: skip
