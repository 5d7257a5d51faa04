"""What the Gradio chat's page is made of."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from lilm.recipe import SamplingConfig

# A page has a heading of the first order, and this is a small one. Of two greetings the second would be a landmark with
# the name of the first.


class Panel(NamedTuple):
    """One model's part of the page: its chat, the line under it, and the buttons that save a chat and load one. The
    last two are pressed by the page's scripts: to go on with an answer, and to show a conversation that is kept. They
    are None where none is."""

    chat: Any
    line: Any
    save: Any
    load: Any
    more: Any = None
    hand_over: Any = None


def panel(name: str, number: int, text: Any, keeps: bool) -> Panel:
    """number: from 1 on, one for each model. keeps: conversations are kept, listed and gone on with."""
    import gradio as gr

    gr.Markdown(f"# {name}", elem_classes="model")
    chat = gr.Chatbot(
        show_label=False,
        scale=1,
        placeholder=text("hello"),
        buttons=["copy", "copy_all"],
        editable="user",
        sanitize_html=True,
        # chat.js draws answers: Gradio would draw people's messages too, with images and HTML, and escaped code twice.
        render_markdown=False,
        latex_delimiters=[],  # they are looked for all the same; two prices in $$ are no formula
        allow_tags=False,
        elem_id="chat" if number == 1 else f"chat-{number}",
    )
    line = gr.Markdown("", elem_id="meter" if number == 1 else f"meter-{number}")

    def button(name: str, **more: Any) -> Any:
        return gr.Button(text(name), size="sm", scale=0, min_width=90, **more)

    with gr.Row():
        if keeps:
            button("new", elem_id="new-chat")  # chat-talks.js does what these two do
            button("talks", elem_id="open-talks")
        saves = [button("save"), button("load")]
        pressed = [gr.Button(visible="hidden", elem_id=name) for name in ("go-on", "hand-over")] if keeps else []
    return Panel(chat, line, *saves, *pressed)


def abouts_of(names: Sequence[str], text: Any) -> list[Any]:
    """A closed part of the page with a text for each model, under its name where there are several."""
    import gradio as gr

    found = []
    with gr.Accordion(text("about"), open=False), gr.Row():
        for name in names:
            with gr.Column():
                if len(names) > 1:
                    gr.Markdown(f"## {name}")
                found.append(gr.Markdown(""))
    return found


def sliders_of(sampling: SamplingConfig, n_predict: int, text: Any) -> list[Any]:
    """One for each figure of an answer, which reaches to what it begins with."""
    import gradio as gr

    def slider(low: float, high: float, value: float, step: float, label: Any) -> Any:
        return gr.Slider(min(low, value), max(high, value), value, step=step, label=label)

    return [
        slider(0, 2, sampling.temperature, 0.05, text("temperature")),
        slider(0.05, 1, sampling.top_p, 0.01, "Top-p"),
        slider(0, 200, sampling.top_k, 1, "Top-k"),
        slider(0, 0.5, sampling.min_p, 0.01, "Min-p"),
        slider(1, 1.5, sampling.repeat_penalty, 0.01, text("repeat_penalty")),
        slider(16, 1024, n_predict, 16, text("n_predict")),
    ]


def local_theme() -> Any:
    """A theme with the system's fonts: nothing is fetched from a font service."""
    import gradio as gr

    fonts = ["system-ui", "Hiragino Sans", "Yu Gothic UI", "Noto Sans CJK JP", "sans-serif"]
    theme = gr.themes.Soft(
        primary_hue="indigo", neutral_hue="slate", font=fonts, font_mono=["ui-monospace", "monospace"]
    )
    # in Soft's own colours white on the button has a contrast of 4.46, a label 3.62, a slider's ends 2.56, of 4.5 that
    # WCAG asks for
    return theme.set(
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        block_title_text_color="*primary_700",
        body_text_color_subdued="*neutral_500",
    )
