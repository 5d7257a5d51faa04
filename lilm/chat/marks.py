"""What stands before and after a text that is no chat, where a tokenizer's BOS and EOS are marks of turns."""

from collections.abc import Container

END_OF_TEXT = ("<|endoftext|>", "<|end_of_text|>")  # GPT-2's, which SmolLM and Qwen have too; Llama 3's


def text_mark(token: str, template: str | None, special: Container[str], own: str = "") -> str:
    """The mark to use for `token`, a tokenizer's BOS or EOS, around a text.

    An instruct tokenizer can call its turn marks so (SmolLM2: <|im_start|> and <|im_end|>), and its template then
    writes them. Text stands between the special token for ends of texts instead, if there is one, as it did when the
    base learnt to read; a chat still ends at EOS. own: what to use where there is no such token; else it is `token`.
    """
    if template is None or token not in template:
        return token
    return next((name for name in END_OF_TEXT if name in special), own or token)
