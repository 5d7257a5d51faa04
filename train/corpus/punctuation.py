"""Commas and full stops of Japanese text in one style, without touching numbers, code or Latin text."""

import re

# after one of these a half-width , or . is Japanese punctuation
_JAPANESE = "\u3041-\u3096\u309d-\u30fe\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff」』）】〉》〕"
_HALF_COMMA = re.compile(f",(?<=[{_JAPANESE}],)(?![,.0-9A-Za-z])")  # the literal first: sre then searches fast
_HALF_STOP = re.compile(f"\\.(?<=[{_JAPANESE}]\\.)(?![,.0-9A-Za-z])")
_WIDE_COMMA_IN_LATIN = re.compile("，(?<=[0-9A-Za-z]，)(?=[0-9A-Za-z])")
_WIDE_STOP_IN_LATIN = re.compile("．(?<=[0-9A-Za-z]．)")
_COMMA_BETWEEN_DIGITS = re.compile("、(?<=[0-9]、)(?=[0-9])")
_KEEP = "\ue000"  # stands for 、 between digits meanwhile; private use was removed before

STYLES = {"、。": ("、", "。"), "，．": ("，", "．"), ",.": (",", ".")}


def punctuate(text: str, style: str) -> str:
    """`text` with the commas and full stops of `style`, one of STYLES.

    「1，000」 and 「3．14」 become plain numbers; 「2、3日」 stays, as 「2,3日」 means something else.

    >>> punctuate("今日は,雨．3.14と１，２", "、。")
    '今日は、雨。3.14と１、２'
    """
    comma, stop = STYLES[style]
    text = _HALF_STOP.sub(stop, _HALF_COMMA.sub(comma, text))
    if style == "，．":
        text = _COMMA_BETWEEN_DIGITS.sub(_KEEP, text)
        return text.replace("、", comma).replace("。", stop).replace(_KEEP, "、")
    if "，" in text or "．" in text:
        text = _WIDE_STOP_IN_LATIN.sub(".", _WIDE_COMMA_IN_LATIN.sub(",", text))
    text = text.replace("，", "、").replace("．", "。")
    if style == ",.":
        text = _COMMA_BETWEEN_DIGITS.sub(_KEEP, text)
        text = text.replace("、", comma).replace("。", stop).replace(_KEEP, "、")
    return text
