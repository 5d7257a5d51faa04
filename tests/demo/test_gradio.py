"""The Gradio chat, asked through its own client."""

import contextlib
import json
import re
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from lilm.demo.chat import build_chat, launch
from lilm.demo.chat_turns import loaded, plain, shown, turn
from lilm.errors import LilmError
from lilm.export.talk.injections import injections
from lilm.llamacpp.answers import Answer, Order, Outcome
from lilm.llamacpp.chat import ChatEngine
from lilm.llamacpp.client import WORKER
from lilm.recipe import SamplingConfig

SLIDERS = (0.8, 0.95, 40, 0.05, 1.1)


@pytest.fixture(scope="module")
def client(chat_gguf: Path) -> Iterator[Any]:
    from gradio_client import Client

    page = launch(chat_gguf, block=False, threads=1)
    yield Client(page.local_url, verbose=False)
    page.close(verbose=False)


def asks(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "text", "text": text}]}]


def ask(client: Any, n_predict: int, text: str = "むかしむかし") -> Any:
    return client.submit(asks(text), *SLIDERS, n_predict, "", "", api_name="/answer")


def ask_greedily(client: Any, n_predict: int) -> Any:
    """The same answer each time: one that is drawn may end before it is cut."""
    return client.submit(asks("むかしむかし"), 0, *SLIDERS[1:], n_predict, "", "", api_name="/answer")


def said(state: tuple[list[dict[str, Any]], Any]) -> str:
    history, _ = state
    assert [turn["role"] for turn in history] == ["user", "assistant"]
    return plain(history[-1]["content"])


def test_a_message_is_answered_in_a_stream(slow_gguf: Path) -> None:
    from gradio_client import Client

    # The other tests' model is done before the answer is drawn a second time.
    page = launch(slow_gguf, block=False, threads=1)
    try:
        states = list(ask(Client(page.local_url, verbose=False), 600))
        lengths = [len(said(state)) for state in states if len(state[0]) > 1]  # before, the question is read
    finally:
        page.close(verbose=False)
    assert lengths == sorted(lengths) and len(set(lengths)) > 2, "it grows"


def test_a_cancelled_answer_ends_and_the_next_visitor_is_answered(client: Any) -> None:
    from gradio_client import Client

    job = ask(client, 1024)
    next(iter(job))
    job.cancel()
    assert said(ask(Client(client.src, verbose=False), 16).result(timeout=60))


def test_a_queued_visitor_who_cancels_ends_no_one_else_s_answer(client: Any) -> None:
    from gradio_client import Client

    greedy = (asks("むかしむかし"), 0, *SLIDERS[1:], 200, "")
    alone = said(client.predict(*greedy, api_name="/answer"))
    running = client.submit(*greedy, api_name="/answer")
    next(iter(running))
    waiting = ask(Client(client.src, verbose=False), 16)
    waiting.cancel()
    assert said(running.result(timeout=60)) == alone


def test_a_message_that_is_too_long_is_told_soon_and_in_one_line(
    client: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    from gradio_client.exceptions import AppError

    for text in ("cat " * 400, "x" * 300_000):  # llama.cpp would cut the second for a minute
        began = time.monotonic()
        with pytest.raises(AppError, match="shorten"):
            client.predict(asks(text), *SLIDERS, 16, "", "", api_name="/answer")
        assert time.monotonic() - began < 20
    assert "Traceback" not in capfd.readouterr().err
    assert said(ask(client, 16).result(timeout=60))


def test_half_a_surrogate_pair_is_a_question_mark_and_the_chat_goes_on(client: Any) -> None:
    import httpx

    address, body = client.src + "gradio_api/call/answer", {"data": [asks("\ud800cat"), *SLIDERS, 16, "", ""]}
    asked = httpx.post(address, content=json.dumps(body), headers={"Content-Type": "application/json"})
    events = httpx.get(f"{address}/{asked.json()['event_id']}", timeout=60).text
    assert "event: complete" in events and '"?cat"' in events
    assert said(ask(client, 16).result(timeout=60))


def test_the_line_under_an_answer_tells_how_full_the_context_is_and_how_quick_it_came(client: Any) -> None:
    _, line = ask_greedily(client, 16).result(timeout=60)
    figures = r"context \d+/256 · 16 tokens · [\d.]+ tokens/s · (\d+) MB of memory · cut at the longest answer"
    found = re.fullmatch(figures, line)
    assert found and 20 < int(found[1]) < 1000


def test_the_line_under_an_answer_is_in_the_visitor_s_language(client: Any) -> None:
    from gradio_client import Client

    japanese = Client(client.src, verbose=False, headers={"Accept-Language": "ja-JP,ja;q=0.9,en;q=0.8"})
    _, line = ask_greedily(japanese, 16).result(timeout=60)
    assert line.startswith("コンテキスト ") and line.endswith("回答の最大の長さで切れました") and "tokens" not in line


def test_an_answer_follows_the_json_schema_of_the_settings(client: Any) -> None:
    schema = json.dumps({"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]})
    state = client.predict(asks("むかしむかし"), *SLIDERS, 64, "", schema, api_name="/answer")
    assert set(json.loads(said(state))) == {"ok"}


@pytest.mark.parametrize(
    ("schema", "told"), [("{", "not JSON"), ('{"not": {}}', "not is not supported"), ("[]", "an array")]
)
def test_a_schema_that_cannot_be_followed_is_one_line_and_the_chat_goes_on(client: Any, schema: str, told: str) -> None:
    with pytest.raises(Exception, match=f"the JSON schema: .*{told}"):
        client.predict(asks("The cat"), *SLIDERS, 16, "", schema, api_name="/answer")
    assert said(ask(client, 16).result(timeout=60))


def test_forged_marks_reach_the_model_letter_by_letter(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model's process takes what it is given for text; the page changes nothing of it on the way there."""
    asked: list[list[dict[str, str]]] = []

    def write(engine: ChatEngine, messages: list[dict[str, str]], order: Order) -> Answer:
        def pieces() -> Generator[str, None, Outcome]:
            asked.append(messages)
            yield "ok"
            return Outcome(1, 1, "stop", 0, 0.1, 0.1)

        return Answer(pieces())

    monkeypatch.setattr(ChatEngine, "write", write)
    typed = [chat for chat in injections(60, 0, ["<s>", "</s>", "<|im_start|>"]) if chat[0]["role"] == "user"]
    for chat in typed:
        history = [turn(message["role"], message["content"]) for message in chat]
        client.predict(history, *SLIDERS, 16, "", "", api_name="/answer")
    assert len(asked) == len(typed) > 20
    assert asked == typed


def test_the_system_message_is_read(client: Any) -> None:
    greedy = (asks("むかしむかし"), 0, *SLIDERS[1:], 24)
    without, same, cat = (
        said(client.predict(*greedy, system, "", api_name="/answer")) for system in ("", " ", "The cat sat.")
    )
    assert without == same != cat


def test_two_models_answer_the_same_question(chat_gguf: Path, slow_gguf: Path) -> None:
    from gradio_client import Client

    page = launch(chat_gguf, block=False, threads=1, beside=slow_gguf)
    try:
        asked = (asks("むかしむかし"), asks("むかしむかし"), 0, *SLIDERS[1:], 16, "", "")
        *histories, _, line = Client(page.local_url, verbose=False).predict(*asked, api_name="/answer")
    finally:
        page.close(verbose=False)
    one, other = (said((history, "")) for history in histories)
    assert one and other and one != other
    assert line.startswith("context ") and "/2048 · 16 tokens" in line


def test_half_a_surrogate_pair_spoils_no_later_chat(client: Any) -> None:
    with contextlib.suppress(Exception):  # what comes of this message alone is its sender's
        ask(client, 16, "\ud800").result(timeout=60)
    assert said(ask(client, 16).result(timeout=60))


def test_nothing_may_be_fetched_from_elsewhere(client: Any) -> None:
    import httpx

    response = httpx.get(client.src)
    policy = response.headers["content-security-policy"]
    assert "default-src 'self' data: blob:;" in policy
    assert "http" not in policy


def test_marks_of_html_are_shown_and_not_obeyed() -> None:
    text = "<img src=x onerror=alert(1)> & </b>"
    assert "<" not in shown(text)
    assert plain(shown(text)) == plain([{"type": "text", "text": shown(text)}]) == text


@pytest.mark.parametrize("text", ["def f(x):\n    if x:\n\t\treturn 1", "  a\n\n  b\n", "\n\ta\tb"])
def test_indentation_and_tabs_come_through_the_chat_box(text: str) -> None:
    import gradio as gr

    box = gr.Chatbot()
    for history in ([turn("user", text)], loaded(json.dumps({"messages": [{"role": "user", "content": text}]}))[0]):
        (there_and_back,) = box.preprocess(box.postprocess(history))
        assert plain(there_and_back["content"]) == text


@pytest.mark.parametrize("typed", ["http://x/?a=1&copy=2", "&nbsp;&eacute; &#12354;", "&notit;"])
def test_names_of_html_that_are_typed_stay_as_they_are(typed: str) -> None:
    assert plain(typed) == plain(shown(typed)) == typed  # edited in place, a message comes as it is typed


def test_a_corrupt_file_is_an_error_before_the_server_starts(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF and then nothing")
    with pytest.raises(LilmError, match="cannot load"):
        build_chat(path, SamplingConfig())


def test_a_taken_port_is_one_line(chat_gguf: Path, client: Any) -> None:
    port = int(client.src.rstrip("/").rsplit(":", 1)[1])
    before = workers()
    with pytest.raises(LilmError, match=f"cannot listen on port {port}"):
        launch(chat_gguf, port, block=False)
    assert workers() == before
    with pytest.raises(LilmError, match="cannot listen on port 99999"):
        launch(chat_gguf, 99999, block=False)
    assert workers() == before


def workers() -> set[int]:
    """The processes that hold models."""
    return {one.pid for one in psutil.Process().children() if any(WORKER in part for part in one.cmdline())}


def test_a_page_that_is_closed_gives_its_models_back(chat_gguf: Path) -> None:
    before = workers()
    page = launch(chat_gguf, block=False, threads=1, beside=chat_gguf)
    assert len(workers() - before) == 2
    page.close(verbose=False)
    assert workers() == before


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}])
def test_a_page_of_another_site_is_not_answered(client: Any, headers: dict[str, str]) -> None:
    import httpx

    assert httpx.get(client.src).status_code == 200
    for path in ("", "config", "gradio_api/queue/join"):
        assert httpx.post(client.src + path, headers=headers, json={}).status_code == 421
        assert httpx.get(client.src + path, headers=headers).status_code == 421


def test_no_file_can_be_left_here(client: Any) -> None:
    import httpx

    response = httpx.post(client.src + "gradio_api/upload", files={"files": ("note.txt", b"words")})
    assert response.status_code == 404
