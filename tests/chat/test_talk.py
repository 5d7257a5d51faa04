"""`lilm bench chat`: awkward conversations and forged marks, small; and whether it sees what is wrong."""

from dataclasses import replace

import pytest

from lilm.cli.benchmarks import run_benchmark
from lilm.errors import LilmError
from lilm.export.talk.borders import asked, compare, same_mask
from lilm.export.talk.conversations import conversations
from lilm.export.talk.forged import attacks, succeeded
from lilm.export.talk.models import MODELS, ChatModel, make_model
from lilm.export.talk.runtimes import in_native
from lilm.progress import Reporter
from lilm.train.pack.packing import IGNORE
from lilm.wasm.toolchain import find_toolchain
from lilm.wasm.verify.chromium import find_chromium

QUIET = Reporter(quiet=True)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> ChatModel:
    return make_model("plain", tmp_path_factory.mktemp("talk") / "plain")


def test_chats_are_the_same_in_all_runtimes_and_nobody_forges_a_mark() -> None:
    try:
        find_toolchain(), find_chromium()
    except LilmError as error:
        pytest.skip(error.line())
    found = run_benchmark("chat", QUIET, inputs=20, injections=500, seed=1)
    assert (found["conversations"], found["injections"]) == (20, 500)
    assert set(found["formats"]) == set(MODELS)
    assert found["runtimes"] == ["training", "native", "node", "chromium"]
    for by_runtime in found["formats"].values():
        assert set(by_runtime) == {"training", "native", "node", "chromium"}
        assert all(row["prompts"] > 40 for row in by_runtime.values())
    assert found["differing_tokens"] == found["differing_masks"] == found["injections_succeeded"] == 0, found


def test_a_runtime_that_looks_for_marks_in_words_is_seen(plain: ChatModel) -> None:
    tries = attacks(plain, 100, 0)

    def careless(chat: list[dict[str, str]]) -> list[int]:
        parts = plain.chosen.turns.parts(chat, add_generation_prompt=True)
        return plain.vocabulary.ids([part._replace(typed=False) for part in parts])

    assert 20 < sum(succeeded(plain, chat, careless(chat)) for chat in tries) <= 100
    assert not any(succeeded(plain, chat, plain.prompt(chat)) for chat in tries)


def test_a_mark_that_is_lost_or_is_put_elsewhere_is_seen(plain: ChatModel) -> None:
    chat = [{"role": "user", "content": "Hi"}]
    ids = plain.prompt(chat)
    assert succeeded(plain, chat, [at for at in ids if at != plain.end])
    assert succeeded(plain, chat, [*ids[:1], *plain.vocabulary.encode("x"), *ids[1:]])


def test_a_label_too_many_or_too_few_is_seen(plain: ChatModel) -> None:
    talk = [asked(plain, chat) for chat in conversations(5, 0)]
    seen = in_native(plain.gguf, [chat for one in talk for chat in one.chats])
    assert compare(plain, talk, seen)["differing_masks"] == 0
    one = talk[0]
    for at in range(len(one.trained.ids) - 1):
        labels = list(one.trained.labels)
        labels[at] = one.trained.ids[at + 1] if labels[at] == IGNORE else IGNORE
        assert not same_mask(replace(one, trained=replace(one.trained, labels=labels)), one.expected, plain.end)


def test_the_conversations_are_the_same_for_a_seed_and_awkward() -> None:
    one, again, other = (list(conversations(60, seed)) for seed in (3, 3, 4))
    assert one == again != other
    text = "".join(message["content"] for chat in one for message in chat)
    assert all(piece in text for piece in ("🎉", "\x00", "\ue0f0", "<0x0A>"))
    assert all(message["content"] == message["content"].strip() for chat in one for message in chat)


def test_a_runtime_that_is_none_is_one_line() -> None:
    with pytest.raises(LilmError, match=r"no runtime 'safari'.*native, node, chromium"):
        run_benchmark("chat", QUIET, skip="safari")
    with pytest.raises(LilmError, match="ask for one or more"):
        run_benchmark("chat", QUIET, inputs=-1)
