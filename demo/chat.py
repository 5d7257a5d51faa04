"""`lilm chat`: a local Gradio chat with a GGUF file, or with two side by side."""

import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lilm.demo.answer_schema import schema_of
from lilm.demo.chat_about import about_model
from lilm.demo.chat_notes import (
    BROKEN,
    GROWING,
    as_asked,
    asked_again,
    asked_for_more,
    broken_off,
    ended,
    is_awaited,
    note_of,
    noted,
    with_question,
)
from lilm.demo.chat_parts import abouts_of, local_theme, panel, sliders_of
from lilm.demo.chat_texts import translations
from lilm.demo.chat_turns import (
    ARRIVED,
    ASKING,
    BEGUN,
    CHANGED,
    CHOOSE,
    CHOOSE_TALK,
    CLOSED,
    ENDED,
    FAILED,
    HAND_OVER,
    KEEP,
    MISSED,
    OURS,
    READY,
    SAVE,
    SETTLED,
    START,
    START_TALKS,
    STOPPED,
    TO_THE_BOX,
    is_asked,
    loaded,
    messages_of,
    plain,
    turn,
)
from lilm.demo.hosts import names_of
from lilm.demo.meter import language_of, meter
from lilm.demo.pace import paced
from lilm.demo.sessions import MOST, keep_few_sessions
from lilm.errors import LilmError
from lilm.llamacpp.answers import MAX_SEED, Order
from lilm.llamacpp.chat import ChatEngine
from lilm.recipe import SamplingConfig

if TYPE_CHECKING:
    import gradio as gr

REDRAW_SECONDS = 0.05  # Gradio sends and draws the whole answer each time, slower than a small model writes
# Nothing may be fetched from elsewhere; Gradio's own page needs inline code.
POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:;"
    " style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
)

N_PREDICT = 256
SCHEMA = "the JSON schema"
Numbers = tuple[float, ...]


def build_chat(
    model_path: Path,
    sampling: SamplingConfig,
    *,
    n_ctx: int = 4096,
    threads: int = 0,
    lora: Path | None = None,
    beside: Path | None = None,
    system: str = "",
    schema: str = "",
    n_predict: int = N_PREDICT,
) -> "gr.Blocks":
    """The chat page of one model, or of two that answer the same questions one after the other. They are loaded here,
    in child processes that end with this one, or when the page is closed.

    threads: 0 takes one per core. lora: an adapter to load over the model. beside: the second model. system, schema
    (a JSON schema that answers follow), n_predict: what the settings begin with, as sampling. Raises LilmError when a
    file is missing, corrupt or has no chat template, and for a schema that cannot be followed.
    """
    schema_of(schema, SCHEMA)
    with ExitStack() as opened:
        engines = [opened.enter_context(ChatEngine(model_path, n_ctx=n_ctx, threads=threads, lora=lora))]
        if beside is not None:
            engines.append(opened.enter_context(ChatEngine(beside, n_ctx=n_ctx, threads=threads)))
        known = [about_model(engine.model) for engine in engines]
        models = opened.pop_all()
    count = len(engines)
    import gradio as gr

    text = translations()

    def ask(message: str, *histories: list[dict[str, Any]]) -> tuple[Any, ...]:
        if message.strip():  # a question that was never answered is replaced
            ends = [len(history) - is_asked(history) for history in histories]
            pairs = zip(histories, ends, strict=True)
            histories = tuple(with_question(history[:end], message.strip(), history[end:]) for history, end in pairs)
        return *histories, *busy(value="")

    def again(history: list[dict[str, Any]]) -> tuple[Any, ...]:
        return asked_again(history), *busy()

    def more(history: list[dict[str, Any]]) -> tuple[Any, ...]:
        return asked_for_more(history), *busy()

    def edit(history: list[dict[str, Any]], edited: gr.EditData) -> tuple[Any, ...]:
        """Ask the changed question in place of the old one and of all that came after it."""
        at = edited.index if isinstance(edited.index, int) else edited.index[0]
        was = [turn("user", plain(edited.previous_value)), *history[at + 1 :]]  # `history` has the new words already
        if not plain(edited.value).strip():
            return [*history[:at], *was], *free()
        return with_question(history[:at], plain(edited.value).strip(), was), *busy()

    def answer(request: gr.Request, *values: Any) -> Iterator[tuple[Any, ...]]:
        """Yields the histories with the growing answers, and the lines under them. Each is answered that waits for
        it, or goes on."""
        lang = language_of(request.headers.get("accept-language", ""))
        histories = [as_asked(history) for history in values[:count]]
        meters: list[Any] = [gr.skip()] * count
        *numbers, system_message, form = values[count:]
        try:
            order = ordered(tuple(numbers), str(form or ""))
        except LilmError as error:
            yield *map(broken_off, histories), *meters
            raise told(error) from error
        if not any(is_awaited(history) for history in histories):
            yield *histories, *meters
        for at, engine in enumerate(engines):
            if not is_awaited(history := histories[at]):
                continue
            kept, begun, also = history, "", {"id": note_of(history[-1]).get("id")}
            if not is_asked(history):  # what is there of a character that was cut would be gone on with as it stands
                kept, begun, also = history[:-1], plain(history[-1]["content"]).rstrip("\ufffd"), {**also, "more": True}
            messages = messages_of(
                [*kept, turn("assistant", begun)] if "more" in also else kept, str(system_message or "")
            )
            pieces, said, sent = engine.write(messages, order), begun, 0.0

            def answered(**note: Any) -> list[dict[str, Any]]:
                return [*kept, noted(turn("assistant", said.strip()), **note, **also)]  # noqa: B023 - used at once

            coming = paced(pieces, engine)
            try:
                for piece in coming:
                    if piece is None:  # Gradio looks here whether the visitor has left
                        yield *histories, *meters
                        continue
                    said = (said + piece).lstrip()
                    if time.monotonic() - sent > REDRAW_SECONDS:
                        sent = time.monotonic()
                        histories[at] = [*kept, noted(turn("assistant", said), state=GROWING, **also)]
                        yield *histories, *meters
            except LilmError as error:
                histories[at] = answered(state=GROWING) if said != begun else history
                yield *map(broken_off, histories), *meters
                raise told(error) from error
            finally:
                coming.close()
            histories[at] = answered(**(ended(pieces.outcome, engine.n_ctx) if pieces.outcome else {"state": BROKEN}))
            meters[at] = meter(pieces.outcome, engine.n_ctx, engine.resident, lang) if pieces.outcome else ""
            yield *histories, *meters

    def told(error: LilmError) -> gr.Error:
        """It stays until it is closed."""
        return gr.Error(error.line(), duration=None, print_exception=False)

    def ordered(numbers: Numbers, form: str) -> Order:
        names = ("temperature", "top_p", "top_k", "min_p", "repeat_penalty")
        chosen = dict(zip(names, numbers, strict=False))
        drawn = sampling.model_copy(update={**chosen, "top_k": int(chosen["top_k"])})
        seed = secrets.randbelow(MAX_SEED)
        return Order(drawn.model_dump(), int(numbers[5]), seed, schema=schema_of(form, SCHEMA))

    def busy(**box: Any) -> tuple[Any, Any, Any]:
        """Returns the updates of the box, Send and Stop while an answer is awaited. Another message would be lost: the
        running answer writes the history that it began with."""
        return gr.update(interactive=False, **box), gr.update(visible=False), gr.update(visible=True)

    def free(**box: Any) -> tuple[Any, Any, Any]:
        return gr.update(interactive=True, **box), gr.update(visible=True), gr.update(visible=False)

    def kept() -> tuple[Any, ...]:
        """No other chat is taken."""
        return gr.skip(), gr.skip(), *free()

    def take(chat: str) -> tuple[Any, ...]:
        """Go on with a saved chat."""
        if not chat:
            return kept()
        try:
            return *loaded(chat), *free()
        except LilmError as error:
            raise gr.Error(error.line(), print_exception=False) from error

    def tell(request: gr.Request) -> Any:
        lang = language_of(request.headers.get("accept-language", ""))
        return [about[lang] for about in known] if count > 1 else known[0][lang]

    page: gr.Blocks
    title = " | ".join(engine.model.stem for engine in engines)
    with gr.Blocks(title=f"LiLM · {title}", analytics_enabled=False, fill_height=True) as page:
        panels = []
        with gr.Row(equal_height=True) if count > 1 else nullcontext():
            for number, engine in enumerate(engines, 1):
                with gr.Column() if count > 1 else nullcontext():
                    panels.append(panel(engine.model.stem, number, text, keeps=count == 1))
        chats = [one.chat for one in panels]
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
        with gr.Accordion(text("settings"), open=False):
            system_box = gr.Textbox(system, label=text("system"), elem_id="system", lines=1, max_lines=4)
            schema_box = gr.Textbox(schema, label=text("schema"), elem_id="schema", lines=1, max_lines=8)
            with gr.Row():
                sliders = sliders_of(sampling, n_predict, text)
        abouts = abouts_of([engine.model.stem for engine in engines], text)

        controls = [box, send, stop]
        here: dict[str, Any] = {"queue": False, "api_visibility": "private"}
        nothing = [gr.skip()] * 2 * count

        def then_answer(event: Any, **access: Any) -> Any:
            asked, told = [*chats, *sliders, system_box, schema_box], [*chats, *(one.line for one in panels)]
            begun = event.then(None, js=READY).then(None, chats, None, js=BEGUN)
            answered = begun.then(answer, asked, told, concurrency_limit=1, concurrency_id="model", **access)
            answered.success(None, chats, [*chats, *controls], js=ENDED).then(None, js=TO_THE_BOX)
            answered.failure(None, chats, [*chats, *controls], js=FAILED).then(None, js=TO_THE_BOX)
            answered.then(None, chats, [*chats, *controls], js=CLOSED)
            answered.failure(lambda: nothing, None, told, **here)  # else Gradio's "Error" lies over the box
            return answered

        asked = gr.on([box.submit, send.click], ask, [box, *chats], [*chats, *controls], js=ASKING, **here)
        answers = [then_answer(asked, api_name="answer")]
        for chat in chats:
            for event, change in ((chat.retry, again), (chat.edit, edit)):
                answers.append(then_answer(event(change, chat, [chat, *controls], **here), api_visibility="private"))
        for one in panels:
            if one.more is not None:
                went_on = one.more.click(more, one.chat, [one.chat, *controls], **here)
                answers.append(then_answer(went_on, api_visibility="private"))
        stop.click(None, chats, [*chats, *controls], js=STOPPED, cancels=answers).then(None, js=TO_THE_BOX)
        gr.on([chat.change for chat in chats], None, chats, chats, js=CHANGED)
        page.load(tell, None, abouts, **here)
        chosen = gr.Textbox(visible=False)  # what a button's script gives goes to `take` in its place
        page.load(None, js=START)
        for one in panels:
            said, keeps = [one.chat, system_box], one.hand_over is not None
            one.chat.clear(free, None, controls, cancels=answers, **here)
            one.save.click(None, said, None, js=SAVE)
            takers = [(one.load, CHOOSE_TALK), (one.hand_over, HAND_OVER)] if keeps else [(one.load, CHOOSE)]
            for button, script in takers:
                queued = {**here, "queue": button is one.load}  # else Gradio says "Error" alone where a file is no chat
                taken = button.click(take, chosen, [*said, *controls], js=script, cancels=answers, **queued)
                failed = taken.failure(kept, None, [*said, *controls], **here)  # the same of "Error"
                if keeps:
                    taken.success(None, said, None, js=ARRIVED)
                    failed = failed.then(None, js=MISSED)
                failed.then(None, chats, [*chats, *controls], js=SETTLED)
            if keeps:
                page.load(None, system_box, None, js=START_TALKS)
                gr.on([one.chat.change, system_box.change], None, said, None, js=KEEP)
    keep_few_sessions(page)
    closing = page.close

    def close(verbose: bool = True) -> None:
        with models:
            closing(verbose)

    page.close = close  # type: ignore[method-assign] # Gradio tells nobody when it closes
    return page


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
    beside: Path | None = None,
    n_ctx: int = 4096,
    system: str = "",
    schema: str = "",
    n_predict: int = N_PREDICT,
) -> "gr.Blocks":
    """Chat with `model_path`, and the model `beside` it, at http://host:port until Ctrl-C; port 0 takes the first free
    one from 7860 on.

    share: a public address through Gradio's servers (the only case in which anything leaves the machine).
    block False returns at once. Raises LilmError before any server starts when a model cannot be used, and when
    the port is taken.
    """
    from starlette.middleware import Middleware
    from starlette.requests import Request
    from starlette.responses import FileResponse, PlainTextResponse, Response
    from starlette.routing import Route

    from lilm.demo.middleware import OursOnly, WithHeaders

    here = files("lilm.demo")

    def ours(request: Request) -> Response:
        """The page's own scripts, and their icons."""
        name = request.path_params["name"]
        if name not in OURS:
            return PlainTextResponse("404 Not Found\n", status_code=404)
        media_type = "image/svg+xml" if name.endswith(".svg") else "text/javascript"
        return FileResponse(str(here / name), media_type=media_type, headers={"Cache-Control": "no-cache"})

    def no_upload(request: Request) -> Response:
        """This chat takes no files."""
        return PlainTextResponse("404 Not Found\n", status_code=404)

    page = build_chat(
        model_path,
        sampling or SamplingConfig(),
        n_ctx=n_ctx,
        threads=threads,
        lora=lora,
        beside=beside,
        system=system,
        schema=schema,
        n_predict=n_predict,
    )
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
            state_session_capacity=MOST,
            theme=local_theme(),
            i18n=translations(),
            css=(here / "chat.css").read_text(encoding="utf-8"),
            app_kwargs={
                "middleware": [
                    Middleware(WithHeaders, fields={"Content-Security-Policy": POLICY}),
                    Middleware(OursOnly, names=frozenset() if share else names_of(host)),
                ],
                "routes": [
                    Route("/gradio_api/upload{rest:path}", no_upload, methods=["POST"]),
                    Route("/lilm/{name:path}", ours),
                ],
            },
        )
    except (OSError, OverflowError) as error:  # the latter for a number that no port has
        page.close(verbose=False)
        remedy = "stop the other server, or choose with --port"
        raise LilmError(f"cannot listen on port {port or 'any'}: {error}", where=host, remedy=remedy) from error
    return page
