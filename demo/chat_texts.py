"""What the Gradio chat says, in English and Japanese."""

from typing import Any

TEXTS = {
    "en": {
        "placeholder": "Write a message…",
        "hello": "Runs on this machine. Nothing you write leaves it.",
        "send": "Send",
        "stop": "Stop",
        "message": "Message",
        "settings": "Settings",
        "temperature": "Temperature (0: always the likeliest word)",
        "repeat_penalty": "Repeat penalty (above 1 avoids words just used; LiLM begins with 1.1, llama.cpp with 1.0)",
        "n_predict": "Longest answer, tokens",
        "system": "System message: how the model should behave",
        "schema": "JSON schema that answers follow (empty: free text)",
        "save": "Save chat",
        "load": "Load chat",
        "new": "New chat",
        "talks": "Conversations",
        "about": "About this model",
    },
    "ja": {
        "placeholder": "メッセージを入力…",
        "hello": "このマシンの中で動きます。入力した内容が外に出ることはありません。",
        "send": "送信",
        "stop": "停止",
        "message": "メッセージ",
        "settings": "設定",
        "temperature": "温度（0 は常に最も確率の高い語）",
        "repeat_penalty": "繰り返しの抑制（1 より大きいと直前の語を避けます。LiLM の初期値は 1.1、llama.cpp は 1.0）",
        "n_predict": "回答の最大の長さ（トークン）",
        "system": "システムメッセージ：モデルのふるまい",
        "schema": "回答が従う JSON スキーマ（空なら自由な文章）",
        "save": "会話を保存",
        "load": "会話を開く",
        "new": "新しい会話",
        "talks": "会話の一覧",
        "about": "このモデルについて",
    },
}


def translations() -> Any:
    """TEXTS as Gradio takes them: `translations()("send")` is shown in the visitor's language."""
    import gradio as gr

    return gr.I18n(**TEXTS)
