"""Commas and full stops of Japanese text in one style, without touching numbers, code or Latin text; where a sentence
ends in any language.

「1，000」 and 「3．14」 become plain numbers, a half-width , or . is Japanese punctuation only after a Japanese
character, and 「2、3日」 stays, as 「2,3日」 means something else. The work is done in native/normaliser.h.
"""

STYLES = {"、。": "、。", "，．": "，．", ",.": ",.", "keep": ""}
"""Name of the style in the recipe -> its comma and full stop; none: all stay."""

ENDS = "。！？.!?\u0964\u0965\u061f\u06d4\u0589\u1362\u17d4\u17d5\u104b"
"""What a sentence ends in: Japanese and Chinese, European languages, Hindi (। ॥), Arabic (؟), Urdu (۔), Armenian,
Amharic, Khmer, Burmese. Thai has no such mark."""
