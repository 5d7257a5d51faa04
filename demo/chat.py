"""`lilm chat`: a local Gradio chat with a GGUF file."""

import html
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lilm.demo.hosts import is_for_us, names_of
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
REDRAW_SECONDS = 0.05  # Gradio sends and draws the whole answer each time, slower than a small model writes
# Nothing may be fetched from elsewhere; Gradio's own page needs inline code.
POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:;"
    " style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
)


def shown(text: str) -> str:
    """`text` as Gradio's chat box, which takes HTML, shows it letter by letter."""
    return html.escape(text, quote=False)


def plain(content: Any) -> str:
    """The text of a Gradio message: a string or a list of parts, escaped by `shown`."""
    if not isinstance(content, str):
        content = "".join(part if isinstance(part, str) else str(part.get("text", "")) for part in content)
    return html.unescape(content)


def build_chat(model_path: Path, sampling: SamplingConfig, *, n_ctx: int = 4096, threads: int = 0) -> "gr.Blocks":
    """The chat page of one model, which is loaded here, in a child process that ends with this one.

    threads: 0 takes one per core.
    Raises LilmError when the file is missing, corrupt or has no chat template.
    """
    engine = ChatEngine(model_path, n_ctx=n_ctx, threads=threads)
    import gradio as gr

    text = translations()

    def ask(message: str, history: list[dict[str, Any]]) -> tuple[str, list[dict[str, Any]]]:
        return "", [*history, {"role": "user", "content": shown(message.strip())}] if message.strip() else history

    def answer(history: list[dict[str, Any]], *values: float) -> Iterator[list[dict[str, Any]]]:
        """Yields the history with the growing answer."""
        if not history or history[-1]["role"] != "user":
            yield history
            return
        chosen = dict(zip(("temperature", "top_p", "top_k", "min_p", "repeat_penalty"), values, strict=False))
        drawn = sampling.model_copy(update={**chosen, "top_k": int(chosen["top_k"])})
        messages = [{"role": turn["role"], "content": plain(turn["content"])} for turn in history]
        said, sent = "", 0.0
        try:
            for piece in engine.chat(messages, drawn, n_predict=int(values[5]), seed=secrets.randbits(32)):
                said += piece
                if time.monotonic() - sent > REDRAW_SECONDS:
                    sent = time.monotonic()
                    yield [*history, {"role": "assistant", "content": shown(said.lstrip())}]
            yield [*history, {"role": "assistant", "content": shown(said.strip())}]
        except LilmError as error:
            raise gr.Error(error.line(), duration=None) from error

    def again(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
        while history and history[-1]["role"] == "assistant":
            history = history[:-1]
        return history

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

        def busy() -> tuple[Any, Any]:
            return gr.update(visible=False), gr.update(visible=True)

        def free() -> tuple[Any, Any]:
            return gr.update(visible=True), gr.update(visible=False)

        def then_answer(event: Any, name: str | None) -> None:
            started = event.then(busy, None, [send, stop], queue=False, api_visibility="private")
            access: dict[str, Any] = {"api_name": name} if name else {"api_visibility": "private"}
            ended = started.then(
                answer, [chatbot, *sliders], chatbot, concurrency_limit=1, concurrency_id="model", **access
            )
            ended.then(free, None, [send, stop], queue=False, api_visibility="private")

        asked = gr.on(
            [box.submit, send.click], ask, [box, chatbot], [box, chatbot], queue=False, api_visibility="private"
        )
        then_answer(asked, "answer")
        then_answer(chatbot.retry(again, chatbot, chatbot, queue=False, api_visibility="private"), None)
        stop.click(engine.stop, None, None, queue=False, api_name="stop")
        chatbot.clear(engine.stop, None, None, queue=False, api_visibility="private")
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
) -> "gr.Blocks":
    """Chat with `model_path` at http://host:port until Ctrl-C; port 0 takes the first free one from 7860 on.

    share: a public address through Gradio's servers (the only case in which anything leaves the machine).
    block False returns at once. Raises LilmError before any server starts when the model cannot be used, and when
    the port is taken.
    """
    page = build_chat(model_path, sampling or SamplingConfig(), threads=threads)
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
            app_kwargs={"middleware": [host_middleware(frozenset() if share else names_of(host)), policy_middleware()]},
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


def host_middleware(names: frozenset[str]) -> Any:
    """Starlette middleware that refuses what was meant for another server (see `lilm.demo.hosts`), and files: this chat
    takes none."""
    from starlette.datastructures import Headers
    from starlette.middleware import Middleware
    from starlette.responses import PlainTextResponse

    class Hosts:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            answer = self.app
            if scope["type"] == "http":
                headers = Headers(scope=scope)
                if not is_for_us(headers.get("host"), headers.get("origin"), names):
                    answer = PlainTextResponse("421 Misdirected Request\n", status_code=421)
                elif scope["path"].rstrip("/").endswith("/upload"):
                    answer = PlainTextResponse("404 Not Found\n", status_code=404)
            await answer(scope, receive, send)

    return Middleware(Hosts)


def policy_middleware() -> Any:
    """Starlette middleware that sends the content security policy with every answer."""
    from starlette.middleware import Middleware

    class Policy:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            async def with_policy(message: Any) -> None:
                if message["type"] == "http.response.start":
                    message["headers"] = [*message.get("headers", []), (b"content-security-policy", POLICY.encode())]
                await send(message)

            await self.app(scope, receive, with_policy)

    return Middleware(Policy)
