"""A file of somebody else's whose template writes BOS: the chat has one, as transformers gives it."""

from collections.abc import Callable
from pathlib import Path

import gguf
import pytest

from lilm.chat.files import read_format
from lilm.errors import LilmError
from lilm.llamacpp.engine import Engine
from tests.chat.formats import instruct_base, instruct_gguf

BOS_ID = 1
TURNS = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\\n' + message['content'] + eos_token + '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"
)
CHAT = [{"role": "user", "content": "Who is <s> there?"}]


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Writes a GGUF that puts BOS before a text, with a template before TURNS."""
    folder = instruct_base(tmp_path_factory.mktemp("foreign") / "base", "plain")

    def write(before: str) -> Path:
        (folder / "chat_template.jinja").write_text(before + TURNS, encoding="utf-8")
        return instruct_gguf(folder)

    return write


def ids_of(file: Path) -> list[int]:
    with Engine(file, n_ctx=512, threads=1) as engine:
        return engine.tokenize_chat(CHAT)


@pytest.mark.parametrize("before", ["", "{{ bos_token }}", "<s>", "\n{{ bos_token }}", " \n<s>\n"])
def test_there_is_one_bos_however_the_template_writes_it(foreign: Callable[[str], Path], before: str) -> None:
    ids = ids_of(foreign(before))
    assert ids.count(BOS_ID) == 1
    assert ids[0] == BOS_ID or before[0].isspace(), "only the template itself puts something before BOS"


def test_a_bos_that_is_not_marked_as_special_is_one_all_the_same(foreign: Callable[[str], Path]) -> None:
    right = ids_of(foreign("{{ bos_token }}"))
    file = foreign("{{ bos_token }}")
    reader = gguf.GGUFReader(file, "r+")
    types = reader.fields["tokenizer.ggml.token_type"]
    types.parts[types.data[BOS_ID]][0] = gguf.TokenType.NORMAL
    reader.data.flush()
    assert read_format(file).special["<s>"] == BOS_ID
    assert ids_of(file) == right


def test_a_head_that_is_damaged_anywhere_is_one_line(foreign: Callable[[str], Path], tmp_path: Path) -> None:
    head = foreign("").read_bytes()[:6000]
    file = tmp_path / "damaged.gguf"
    refused = 0
    for at in range(4, len(head), 97):
        file.write_bytes(head[:at] + b"\xff" * 8 + head[at + 8 :])
        try:
            read_format(file)
        except LilmError as error:
            assert "fetch the file again" in error.line()
            refused += 1
    assert refused > 10
