"""Templates that cannot be used: one line each. Those that can only be rendered: still no marks out of words."""

import json
from pathlib import Path

import pytest

from lilm.chat import CHAT_TEMPLATE, Part, rendering
from lilm.chat.files import ChatFormat, read_chat_template
from lilm.chat.marks import text_mark
from lilm.chat.rendering import TemplateFailure, render_all
from lilm.chat.template import ChatTemplate
from lilm.chat.turns import cut_template
from lilm.errors import LilmError
from lilm.export.talk.models import MODELS
from lilm.recipe import FinetuneConfig
from lilm.train.finetune.format import choose_format
from lilm.train.finetune.order import check_order
from tests.chat.formats import CHATML, LLAMA2

TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
EACH = "{% for m in messages %}"


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{% if", "TemplateSyntaxError"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
        ("{{ raise_exception('not me') }}", "not me"),
        ("{{ messages[0].content }}", "drops, repeats or moves"),
        (EACH + "{{ m.role }}{{ m.content }}{{ m.content }}{% endfor %}", "drops, repeats or moves"),
        (EACH + "{{ loop.index }}{{ m.content }}</s>{% endfor %}", "cannot be cut into turns"),
        (EACH + "{{ m.role }}{{ m.content | upper }}</s>{% endfor %}", "changes the words"),
        (EACH + "{{ m.content }}</s>{% endfor %}{% if add_generation_prompt %}?{% endif %}", "asked for otherwise"),
    ],
)
def test_what_is_wrong_with_a_template_is_one_line(template: str, why: str) -> None:
    with pytest.raises(TemplateFailure, match=why) as caught:
        cut_template(template, TOKENS, "base/chat_template.jinja")
    assert caught.value.line().startswith("base/chat_template.jinja: ") and "\n" not in caught.value.line()
    assert 'finetune.template = "plain"' in caught.value.line()


def test_a_template_that_never_ends_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "SECONDS", 1)
    loops = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    with pytest.raises(TemplateFailure, match="does not end within 1 seconds"):
        cut_template(loops, TOKENS, "x")


@pytest.mark.parametrize("text", ["'a' * 10 ** 10", "'a' | center(10 ** 10)"])
def test_a_template_gets_no_memory_without_end(text: str) -> None:
    (found,) = render_all("{{ " + text + " }}", TOKENS, [([], True)], "x")
    assert isinstance(found, TemplateFailure) and "MemoryError" in found.line()


@pytest.mark.parametrize(
    "template",
    [
        "{{ 'a' * 10 ** 7 }}",
        "{{ 'a' | center(10 ** 7) }}",
        "{% for a in range(99999) %}{{ 'a' * 1000 }}{% endfor %}",
    ],
)
def test_a_template_does_not_write_without_end(template: str) -> None:
    (text,) = render_all(template, TOKENS, [([], True)], "x")
    assert isinstance(text, TemplateFailure) and "more than 1000000 characters" in text.line()


def test_what_a_template_raises_is_not_long() -> None:
    (text,) = render_all("{{ raise_exception('a' * 10 ** 6) }}", TOKENS, [([], True)], "x")
    assert isinstance(text, TemplateFailure) and len(text.line()) < 1000


def test_a_template_that_hides_the_last_message_answers_nothing() -> None:
    template = ChatTemplate(
        EACH + "{% if not loop.last %}{{ m.role }}{{ m.content }}</s>{% endif %}{% endfor %}", TOKENS, "x"
    )
    for roles in (("user",), ("system", "user"), ("user", "assistant", "user")):
        with pytest.raises(TemplateFailure, match="drops, repeats or moves messages"):
            template.prompt([{"role": role, "content": "words"} for role in roles])


def test_half_a_surrogate_pair_is_an_unknown_character() -> None:
    template = ChatTemplate(EACH + "{{ '\\ud800' }}{{ m.content }}</s>{% endfor %}", TOKENS, "x")
    parts = template.prompt([{"role": "user", "content": "a\udc00\ud83c\udf89"}])
    assert [part.text for part in parts] == ["\ufffd", "a\ufffd🎉", "</s>"]


def test_a_template_sees_nothing_of_the_machine() -> None:
    (text,) = render_all("{{ ''.__class__.__mro__ }}", TOKENS, [([], True)], "x")
    assert isinstance(text, TemplateFailure) and "SecurityError" in text.line()


def test_a_chat_that_has_no_turns_is_rendered_and_its_words_stay_words() -> None:
    template = ChatTemplate(EACH + "{{ loop.index }}:{{ m.content }}</s>{% endfor %}", TOKENS, "x")
    parts = template.prompt([{"role": "user", "content": "a</s>"}, {"role": "user", "content": "b"}])
    assert [part for part in parts if part.typed] == [Part("a</s>", True), Part("b", True)]
    assert "".join(part.text for part in parts) == "1:a</s></s>2:b</s>"


@pytest.mark.parametrize("name", ["llama3", "gemma", "chatml"])
def test_a_chat_in_an_order_that_is_no_turns_is_written_as_the_template_writes_it(name: str) -> None:
    source = MODELS[name][1] or ""
    words = ((" a\n", " \tb "), ("c ", "\u3000d"), ("e", " "))
    for pair in words:
        chat = [{"role": "user", "content": text} for text in pair]
        (text,) = render_all(source, TOKENS, [(chat, True)], "x")
        assert "".join(part.text for part in ChatTemplate(source, TOKENS, "x").prompt(chat)) == text


@pytest.mark.parametrize(
    ("config", "found", "why"),
    [
        ({"template": "base"}, ChatFormat(None, TOKENS, {"</s>": 2}), "the base has no chat template"),
        ({}, ChatFormat(CHATML, TOKENS, {"</s>": 2}), "no special token of the vocabulary ends"),
        ({}, ChatFormat(CHATML, TOKENS, {"<|im_end|>": 5}, frozenset({"<|im_start|>"})), "people could type it"),
    ],
)
def test_a_format_that_cannot_be_taught_is_one_line(config: dict[str, str], found: ChatFormat, why: str) -> None:
    with pytest.raises(LilmError, match=why):
        choose_format(FinetuneConfig.model_validate(config), found, "base")


def test_the_bases_format_is_taken_where_there_is_one() -> None:
    special = {"<s>": 1, "</s>": 2, "<|im_start|>": 5, "<|im_end|>": 6}
    own, none = ChatFormat(CHATML, TOKENS, special), ChatFormat(None, TOKENS, special)
    taken = [
        choose_format(FinetuneConfig.model_validate({"template": wish}), found, "x")
        for wish, found in (("auto", own), ("base", own), ("plain", own), ("auto", none))
    ]
    assert [one.template for one in taken] == [CHATML, CHATML, CHAT_TEMPLATE, CHAT_TEMPLATE]
    assert [one.end_token for one in taken] == ["<|im_end|>", "<|im_end|>", "</s>", "</s>"]


def test_a_chat_that_the_format_has_no_place_for_is_named() -> None:
    turns = cut_template(LLAMA2, TOKENS, "x")
    with pytest.raises(LilmError, match=r"chats\.jsonl: chat 3: a message of assistant after start"):
        check_order(turns, [{"role": "assistant", "content": "Hi"}], "chats.jsonl: chat 3")


def test_a_text_does_not_end_like_a_turn() -> None:
    special = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}
    assert text_mark("<|im_end|>", CHATML, special) == "<|endoftext|>"
    assert text_mark("<|endoftext|>", CHATML, special) == "<|endoftext|>"
    assert text_mark("</s>", CHATML, {"</s>"}) == "</s>"
    assert text_mark("<|im_end|>", None, special) == "<|im_end|>"


def test_of_several_named_templates_the_default_one_is_read(tmp_path: Path) -> None:
    named = [{"name": "tools", "template": "T"}, {"name": "default", "template": "D"}]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": named}), encoding="utf-8")
    assert read_chat_template(tmp_path) == "D"


def test_a_template_that_is_not_utf8_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "chat_template.jinja"
    file.write_bytes("{{ 'é' }}".encode("latin-1"))
    with pytest.raises(LilmError, match=r"not UTF-8 \(byte 4\)") as caught:
        read_chat_template(tmp_path)
    assert caught.value.where == str(file)


def test_the_plain_format_puts_turns_between_bos_and_eos_and_keeps_words_as_they_are() -> None:
    turns = cut_template(CHAT_TEMPLATE, TOKENS, "plain")
    chat = [{"role": "user", "content": "{{ 7 * 7 }} <b>"}, {"role": "assistant", "content": " はい\n"}]
    text = "".join(part.text for part in turns.parts(chat, add_generation_prompt=False))
    assert text == "<s>user\n{{ 7 * 7 }} <b></s>\n<s>assistant\n はい\n</s>\n"
    assert "".join(part.text for part in turns.parts(chat[:1], True)).endswith("</s>\n<s>assistant\n")
    with pytest.raises(TemplateFailure, match="no place for 'human' after 'start'"):
        turns.parts([{"role": "human", "content": ""}], True)
