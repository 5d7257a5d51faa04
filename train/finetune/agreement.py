"""Do transformers, training and llama.cpp give a chat the same tokens?"""

from pathlib import Path
from typing import Any

from lilm.chat.files import read_format
from lilm.chat.rendering import TemplateFailure, render_all
from lilm.chat.turns import cut_template
from lilm.llamacpp.engine import Engine
from lilm.train.finetune.format import chat_vocabulary

CHATS = tuple(
    [{"role": role, "content": words} for role, words in chat]
    for chat in (
        [("user", "What is the capital of France?")],
        [("user", "Hello!"), ("assistant", "Hello. How can I help?"), ("user", "日本で一番高い山は？")],
        [("system", "短く答えてください。"), ("user", "1 + 1 =\n2 + 3 =")],
        [("user", "def f(x):\n\treturn x"), ("assistant", "富士山です。🎉"), ("user", "Why?\n\nTell me, please.")],
    )
)


def template_equal(folder: Path, gguf: Path) -> bool:
    """Whether a fine-tuned model's folder and the GGUF made of it give each of CHATS the same ids up to the answer: by
    transformers' `apply_chat_template`, by what training does, and by llama.cpp in a child process.

    transformers leaves BOS to the template; where the template writes none, it gets the tokenizer's. A chat with a
    system message is left out where the template takes none.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    vocabulary, found = chat_vocabulary(tokenizer.backend_tokenizer), read_format(folder)
    if found.template is None:
        return False
    turns = cut_template(found.template, found.tokens, str(folder))
    chats = [chat for chat in CHATS if turns.takes(chat, add_generation_prompt=True)]
    for text in render_all(found.template, found.tokens, [(chat, True) for chat in chats], str(folder)):
        if isinstance(text, TemplateFailure):  # transformers, which comes next, has no limits
            raise text
    with Engine(gguf, n_ctx=512, threads=1) as engine:
        for chat in chats:
            said: Any = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
            written = vocabulary.bos_id is None or said.lstrip().startswith(tokenizer.bos_token)
            encoding: Any = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=True)
            theirs = [*([] if written else [vocabulary.bos_id]), *encoding["input_ids"]]
            ours = vocabulary.ids(turns.parts(chat, add_generation_prompt=True))
            if not ours == theirs == engine.tokenize_chat(chat):
                return False
    return True
