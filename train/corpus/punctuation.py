"""Commas and full stops of Japanese text in one style, without touching numbers, code or Latin text.

「1，000」 and 「3．14」 become plain numbers, a half-width , or . is Japanese punctuation only after a Japanese
character, and 「2、3日」 stays, as 「2,3日」 means something else. The work is done in native/normaliser.h.
"""

STYLES = {"、。": "、。", "，．": "，．", ",.": ",.", "keep": ""}
"""Name of the style in the recipe -> its comma and full stop; none: all stay."""
