"""Which tokens of a chat are labels."""

from lilm.chat import Message
from lilm.chat.tokens import ChatVocabulary
from lilm.chat.turns import cut_template
from lilm.train.finetune.heldout import ReadChat
from lilm.train.finetune.masking import tokenise_chat
from lilm.train.pack.packing import IGNORE

# Nothing stands before an answer here, and no BOS before a chat: its first token may be an answer's.
BARE = "{% for m in messages %}{{ '<u>' + m.content + '<a>' if m.role == 'user' else m.content + '</s>' }}{% endfor %}"
CONTROL = {"<u>": 1, "<a>": 2, "</s>": 3}


def test_a_chat_s_first_token_has_nothing_that_it_could_follow() -> None:
    turns = cut_template(BARE, {"bos_token": "", "eos_token": "</s>"}, "bare")
    vocabulary = ChatVocabulary(CONTROL, None, lambda text: [ord(letter) for letter in text])
    said = ("assistant", "ab"), ("user", "c"), ("assistant", "d")
    chat: list[Message] = [{"role": role, "content": text} for role, text in said]
    made = tokenise_chat(chat, turns, vocabulary)
    assert made.ids == [ord("a"), ord("b"), 3, 1, ord("c"), 2, ord("d"), 3]
    assert made.labels == [ord("b"), 3, IGNORE, IGNORE, IGNORE, ord("d"), 3, IGNORE]


def test_an_answer_of_weight_0_has_no_labels() -> None:
    turns = cut_template(BARE, {"bos_token": "", "eos_token": "</s>"}, "bare")
    vocabulary = ChatVocabulary(CONTROL, None, lambda text: [ord(letter) for letter in text])
    chat: list[Message] = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b", "weight": "0"},
        {"role": "user", "content": "c"},
        {"role": "assistant", "content": "d"},
    ]
    made = tokenise_chat(chat, turns, vocabulary)
    assert made.ids == [1, ord("a"), 2, ord("b"), 3, 1, ord("c"), 2, ord("d"), 3]
    assert made.labels == [IGNORE] * 7 + [ord("d"), 3, IGNORE]
    read = ReadChat(chat, made, 0)
    assert read.answer_bytes == 1, "bits of one answer are of its bytes alone"
