"""Chats longer than the window: cut between exchanges, and nothing else is lost."""

import pytest

from lilm.chat import CHAT_TEMPLATE, Message
from lilm.chat.tokens import ChatVocabulary
from lilm.chat.turns import Turns, cut_template
from lilm.errors import LilmError
from lilm.train.finetune.cutting import CutChats, cut_chats
from lilm.train.finetune.masking import ChatSequences
from lilm.train.finetune.messages import Chat
from lilm.train.pack.packing import IGNORE

BOS, EOS = 0x10FFFE, 0x10FFFF  # no text has them
VOCABULARY = ChatVocabulary({"<s>": BOS, "</s>": EOS}, BOS, lambda text: [ord(char) for char in text])


@pytest.fixture(scope="module")
def turns() -> Turns:
    return cut_template(CHAT_TEMPLATE, {"bos_token": "<s>", "eos_token": "</s>"}, "plain")


def chat(*words: str, system: str = "") -> Chat:
    messages: list[Message] = [{"role": "system", "content": system}] if system else []
    messages += [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(words)]
    return Chat(messages, "a.jsonl:1", "x")


def learnt(made: CutChats) -> list[str]:
    """What each part teaches."""
    return ["".join(chr(label) for label in part.tokens.labels if label not in (IGNORE, EOS)) for part in made.parts]


def read(made: CutChats) -> list[str]:
    return ["".join(chr(number) for number in part.tokens.ids if number not in (BOS, EOS)) for part in made.parts]


def test_every_answer_of_a_long_chat_is_learnt_whole_and_once(turns: Turns) -> None:
    words = [f"{'質問' if at % 2 == 0 else '答え'}{at:02d}" + "。" * at for at in range(40)]
    whole = cut_chats([chat(*words, system="短く。")], turns, VOCABULARY, 10_000)
    made = cut_chats([chat(*words, system="短く。")], turns, VOCABULARY, 200)
    assert made.cut == 1 and made.too_long == 0 and 5 < len(made.parts) < 20
    assert all(len(part.tokens.ids) <= 200 for part in made.parts)
    assert "".join(learnt(made)) == "".join(words[1::2]) == "".join(learnt(whole))
    for text, part in zip(read(made), made.parts, strict=True):
        assert text.startswith("system\n短く。\nuser\n質問") and text.rstrip().endswith("。")
        assert part.tokens.ids[0] == BOS and part.tokens.labels.count(EOS) == text.count("assistant\n")
    # no part would have held the first exchange of the next
    for one, other in zip(made.parts, made.parts[1:], strict=False):
        first = read(CutChats([other]))[0].split("user\n")[1]
        assert len(one.tokens.ids) + len(f"user\n{first}") + 4 > 200


def test_a_part_that_teaches_nothing_is_none(turns: Turns) -> None:
    long = chat("a", "b" * 300, "c", "d" * 50, "e" * 50, "f")
    for at in (1, 3):
        long.messages[at]["weight"] = "0"
    made = cut_chats([long], turns, VOCABULARY, 100)
    assert learnt(made) == ["f"] and made.too_long == 0


def test_only_an_exchange_that_is_too_long_alone_is_left_out_and_named(turns: Turns) -> None:
    made = cut_chats([chat("a", "b", "c", "d" * 300, "e", "f", "g", "h")], turns, VOCABULARY, 100)
    assert learnt(made) == ["b", "fh"]
    assert (made.cut, made.too_long) == (1, 1)
    assert made.told(100)[-1].startswith("too long: a.jsonl:1: an exchange of 3")


def test_the_window_is_used_to_its_last_token(turns: Turns) -> None:
    one = chat("空は？", "青い。", "海は？", "青い。")
    (whole,) = cut_chats([one], turns, VOCABULARY, 1_000).parts
    size = len(whole.tokens.ids)
    assert len(cut_chats([one], turns, VOCABULARY, size).parts) == 1
    assert learnt(cut_chats([one], turns, VOCABULARY, size - 1)) == ["青い。", "青い。"]


def test_nothing_that_fits_is_refused(turns: Turns) -> None:
    made = cut_chats([chat("a" * 100, "b")], turns, VOCABULARY, 50)
    with pytest.raises(LilmError, match="no chat fits into 50 tokens"):
        ChatSequences([part.tokens for part in made.parts], 50, 0)
