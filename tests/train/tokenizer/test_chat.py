"""The chat format: what it renders, as transformers renders it."""

from typing import Any

import pytest
from transformers import AutoTokenizer

from lilm.chat import CHAT_TEMPLATE, render
from lilm.errors import LilmError

CHAT = [{"role": "user", "content": "{{ 7 * 7 }} <b>"}, {"role": "assistant", "content": " はい\n"}]


def test_turns_end_with_eos_and_content_stays_as_it_is() -> None:
    assert render(CHAT, add_generation_prompt=False) == "<|user|>\n{{ 7 * 7 }} <b></s>\n<|assistant|>\n はい\n</s>\n"
    assert render(CHAT[:1], add_generation_prompt=True).endswith("</s>\n<|assistant|>\n")


def test_unknown_role_is_named() -> None:
    with pytest.raises(LilmError, match="unknown role 'human'"):
        render([{"role": "human", "content": ""}], add_generation_prompt=False)


@pytest.mark.parametrize("prompt", [False, True])
def test_same_text_as_transformers(trained: Any, prompt: bool) -> None:
    tokenizer = AutoTokenizer.from_pretrained(trained.folder, local_files_only=True)
    text = tokenizer.apply_chat_template(
        CHAT, chat_template=CHAT_TEMPLATE, tokenize=False, add_generation_prompt=prompt
    )
    assert text == render(CHAT, add_generation_prompt=prompt)
