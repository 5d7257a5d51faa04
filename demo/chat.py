"""`lilm chat`: a local Gradio chat with a GGUF file."""

import html
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lilm.demo.hosts import names_of
from lilm.errors import LilmError
from lilm.llamacpp.chat import ChatEngine
from lilm.recipe import SamplingConfig

if TYPE_CHECKING:
    import gradio as gr

TEXTS = {
    "en": {
        "placeholder": "Write a message…",
        "hello": "Runs on this machine. Nothing you write leaves it.",
        "send": "Send",
        "stop": "Stop",
        "message": "Message",
        "settings": "Settings",
        "temperature": "Temperature (0: always the likeliest word)",
        "repeat_penalty": "Repeat penalty (above 1 avoids words just used)",
        "n_predict": "Longest answer, tokens",
    },
    "ja": {
        "placeholder": "メッセージを入力…",
        "hello": "このマシンの中で動きます。入力した内容が外に出ることはありません。",
        "send": "送信",
        "stop": "停止",
        "message": "メッセージ",
        "settings": "設定",
        "temperature": "温度（0 は常に最も確率の高い語）",
        "repeat_penalty": "繰り返しの抑制（1 より大きいと直前の語を避けます）",
        "n_predict": "回答の最大の長さ（トークン）",
    },
}
LETTERS = 16  # a token of the context; more than any text has, and llama.cpp cuts words in the square of their length
REDRAW_SECONDS = 0.05  # Gradio sends and draws the whole answer each time, slower than a small model writes
# Nothing may be fetched from elsewhere; Gradio's own page needs inline code.
POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:;"
    " style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
)
TO_THE_BOX = "() => document.querySelector('#message textarea').focus()"
# The chat box copies the HTML that it takes: this undoes `shown`.
COPY_AS_TYPED = """() => {
    const write = navigator.clipboard.writeText.bind(navigator.clipboard);
    const letters = { "&lt;": "<", "&gt;": ">", "&amp;": "&" };
    navigator.clipboard.writeText = (text) => write(text.replace(/&(lt|gt|amp);/g, (name) => letters[name]));
}"""


def shown(text: str) -> str:
    """`text` as Gradio's chat box, which takes HTML, shows it letter by letter. Half a surrogate pair, which neither
    Gradio's answers nor llama.cpp can hold, becomes a question mark."""
    return html.escape(text.encode(errors="replace").decode(), quote=False)


def plain(content: Any) -> str:
    """The text of a Gradio message: a string or a list of parts, escaped by `shown`."""
    if not isinstance(content, str):
        content = "".join(part if isinstance(part, str) else str(part.get("text", "")) for part in content)
    return html.unescape(content)


def turn(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": shown(text)}


def newest(messages: list[dict[str, str]], letters: int) -> list[dict[str, str]]:
    """The last messages, from a user's on, that have at most this many letters together; at least the very last."""
    start = len(messages) - 1
    for at in range(start, -1, -1):
        letters -= len(messages[at]["content"])
        if letters < 0:
            break
        if messages[at]["role"] == "user":
            start = at
    return messages[start:]


def build_chat(
    model_path: Path, sampling: SamplingConfig, *, n_ctx: int = 4096, threads: int = 0, lora: Path | None = None
) -> "gr.Blocks":
    """The chat page of one model, which is loaded here, in a child process that ends with this one.

    threads: 0 takes one per core. lora: an adapter to load over the model.
    Raises LilmError when the file is missing, corrupt or has no chat template.
    """
    engine = ChatEngine(model_path, n_ctx=n_ctx, threads=threads, lora=lora)
    import gradio as gr

    text = translations()

    def ask(message: str, history: list[dict[str, Any]]) -> tuple[Any, ...]:
        if message.strip():
            history = [*history, turn("user", message.strip())]
        return history, *busy(value="")

    def again(history: list[dict[str, Any]]) -> tuple[Any, ...]:
        while history and history[-1]["role"] == "assistant":
            history = history[:-1]
        return history, *busy()

    def answer(history: list[dict[str, Any]], *values: float) -> Iterator[list[dict[str, Any]]]:
        """Yields the history with the growing answer."""
        history = [turn(one["role"], plain(one["content"])) for one in history]
        if not history or history[-1]["role"] != "user":
            yield history
            return
        chosen = dict(zip(("temperature", "top_p", "top_k", "min_p", "repeat_penalty"), values, strict=False))
        drawn = sampling.model_copy(update={**chosen, "top_k": int(chosen["top_k"])})
        messages = newest(
            [{"role": one["role"], "content": plain(one["content"])} for one in history], LETTERS * engine.n_ctx
        )
        said, sent = "", 0.0
        try:
            if len(messages[-1]["content"]) > LETTERS * engine.n_ctx:
                raise LilmError("the message is too long", where=model_path.name, remedy="shorten it")
            for piece in engine.chat(messages, drawn, n_predict=int(values[5]), seed=secrets.randbits(32)):
                said += piece
                if time.monotonic() - sent > REDRAW_SECONDS:
                    sent = time.monotonic()
                    yield [*history, turn("assistant", said.lstrip())]
            yield [*history, turn("assistant", said.strip())]
        except LilmError as error:
            raise gr.Error(error.line(), duration=None, print_exception=False) from error

    def busy(**box: Any) -> tuple[Any, Any, Any]:
        """Returns the updates of the box, Send and Stop while an answer is awaited. Another message would be lost: the
        running answer writes the history that it began with."""
        return gr.update(interactive=False, **box), gr.update(visible=False), gr.update(visible=True)

    def free(**box: Any) -> tuple[Any, Any, Any]:
        return gr.update(interactive=True, **box), gr.update(visible=True), gr.update(visible=False)

    def give_back(history: list[dict[str, Any]]) -> tuple[Any, ...]:
        """The message that got no answer goes back into the box, where it can be changed; it may have gone already."""
        asked = again(history)[0]
        if not asked:
            return gr.skip(), *free()
        return asked[:-1], *free(value=plain(asked[-1]["content"]))

    def stopped(history: list[dict[str, Any]]) -> tuple[Any, ...]:
        """What has been said stays; a message that no word of an answer has come to goes back."""
        return give_back(history) if history and history[-1]["role"] == "user" else (gr.skip(), *free())

    page: gr.Blocks
    with gr.Blocks(title=f"LiLM · {model_path.stem}", analytics_enabled=False, fill_height=True) as page:
        gr.Markdown(f"### {model_path.stem}")
        chatbot = gr.Chatbot(
            show_label=False,
            scale=1,
            placeholder=text("hello"),
            buttons=["copy", "copy_all"],
            sanitize_html=True,
            render_markdown=False,  # a small model writes plain text; its stray marks are to be seen as they are
            allow_tags=False,
            elem_id="chat",
        )
        with gr.Row(equal_height=True):
            box = gr.Textbox(
                show_label=False,
                placeholder=text("placeholder"),
                label=text("message"),
                elem_id="message",
                lines=1,
                max_lines=8,
                scale=8,
                autofocus=True,
            )
            send = gr.Button(text("send"), variant="primary", scale=1, min_width=90)
            stop = gr.Button(text("stop"), variant="stop", scale=1, min_width=90, visible=False)
        with gr.Accordion(text("settings"), open=False), gr.Row():
            sliders = [
                gr.Slider(0, 2, sampling.temperature, step=0.05, label=text("temperature")),
                gr.Slider(0.05, 1, sampling.top_p, step=0.01, label="Top-p"),
                gr.Slider(0, 200, sampling.top_k, step=1, label="Top-k"),
                gr.Slider(0, 0.5, sampling.min_p, step=0.01, label="Min-p"),
                gr.Slider(1, 1.5, sampling.repeat_penalty, step=0.01, label=text("repeat_penalty")),
                gr.Slider(16, 1024, 256, step=16, label=text("n_predict")),
            ]

        controls = [box, send, stop]
        here: dict[str, Any] = {"queue": False, "api_visibility": "private"}

        def then_answer(event: Any, **access: Any) -> Any:
            answered = event.then(
                answer, [chatbot, *sliders], chatbot, concurrency_limit=1, concurrency_id="model", **access
            )
            answered.failure(give_back, chatbot, [chatbot, *controls], **here).then(None, js=TO_THE_BOX)
            answered.success(free, None, controls, **here).then(None, js=TO_THE_BOX)
            return answered

        asked = gr.on([box.submit, send.click], ask, [box, chatbot], [chatbot, *controls], **here)
        retried = chatbot.retry(again, chatbot, [chatbot, *controls], **here)
        answers = [then_answer(asked, api_name="answer"), then_answer(retried, api_visibility="private")]
        stop.click(stopped, chatbot, [chatbot, *controls], cancels=answers, **here)
        chatbot.clear(free, None, controls, cancels=answers, **here)
        page.load(None, js=COPY_AS_TYPED)
    return page


def translations() -> Any:
    import gradio as gr

    return gr.I18n(**TEXTS)


def launch(
    model_path: Path,
    port: int = 0,
    share: bool = False,
    *,
    host: str = "127.0.0.1",
    sampling: SamplingConfig | None = None,
    open_browser: bool = False,
    threads: int = 0,
    block: bool = True,
    lora: Path | None = None,
) -> "gr.Blocks":
    """Chat with `model_path` at http://host:port until Ctrl-C; port 0 takes the first free one from 7860 on.

    share: a public address through Gradio's servers (the only case in which anything leaves the machine).
    block False returns at once. Raises LilmError before any server starts when the model cannot be used, and when
    the port is taken.
    """
    from starlette.middleware import Middleware
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse, Response
    from starlette.routing import Route

    from lilm.demo.middleware import OursOnly, WithHeaders

    def no_upload(request: Request) -> Response:
        """This chat takes no files."""
        return PlainTextResponse("404 Not Found\n", status_code=404)

    page = build_chat(model_path, sampling or SamplingConfig(), threads=threads, lora=lora)
    try:
        page.launch(
            server_name=host,
            server_port=port or None,
            share=share,
            inbrowser=open_browser,
            prevent_thread_lock=not block,
            quiet=not block,
            footer_links=[],
            ssr_mode=False,
            theme=local_theme(),
            i18n=translations(),
            app_kwargs={
                "middleware": [
                    Middleware(WithHeaders, fields={"Content-Security-Policy": POLICY}),
                    Middleware(OursOnly, names=frozenset() if share else names_of(host)),
                ],
                "routes": [Route("/gradio_api/upload{rest:path}", no_upload, methods=["POST"])],
            },
        )
    except OSError as error:
        remedy = "stop the other server, or choose with --port"
        raise LilmError(f"cannot listen on port {port or 'any'}: {error}", where=host, remedy=remedy) from error
    return page


def local_theme() -> Any:
    """A theme with the system's fonts: nothing is fetched from a font service."""
    import gradio as gr

    fonts = ["system-ui", "Hiragino Sans", "Yu Gothic UI", "Noto Sans CJK JP", "sans-serif"]
    return gr.themes.Soft(
        primary_hue="indigo", neutral_hue="slate", font=fonts, font_mono=["ui-monospace", "monospace"]
    )
