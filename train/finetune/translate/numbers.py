"""Numbers of a text that its translation lacks: `10,000` is found again as `1万`, `5 pm` as `17時`."""

import re
import unicodedata

_SPELT_OUT = {str(number) for number in range(11)}  # which languages write as words
_HOURS = {str(hour) for hour in range(1, 12)}
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_SCALE = re.compile(
    r"\s*(?:hundreds?|thousands?|millions?|billions?|trillions?|dozens?|[km]\b|bn\b|mio\b|万|億|兆|千|百|割|만|억|조|천|亿)",
    re.IGNORECASE,
)
_AFTERNOON = re.compile(r"(?:[:.]\d\d)?\s*p\.?\s?m\b", re.IGNORECASE)
_KANJI = re.compile("[〇一二三四五六七八九十百千]{1,12}")  # a model that repeats itself writes thousands
_DIGITS = {kanji: value for value, kanji in enumerate("〇一二三四五六七八九")}
_POWERS = {"十": 10, "百": 100, "千": 1000}
_BY_KANJI = ("ja", "zh")
_WORDS = {1: "ひと", 2: "ふた"}


def lost_numbers(source: str, translation: str, language: str) -> list[str]:
    """Numbers of the source, as they stand there, that are not in the translation, whose language it is.

    >>> lost_numbers("In 1969, 10,000 people; 1.5 million.", "1969年に1万人、150万。", "ja")
    []
    >>> lost_numbers("3 of 12", "三つ", "ja")
    ['12']
    """
    source, translation = (unicodedata.normalize("NFKC", text) for text in (source, translation))
    values: set[str] = set()
    digits: set[str] = set()
    scaled: set[str] = set()
    for match in _NUMBER.finditer(translation):
        values |= _readings(match[0])
        digits.add(_significant(match[0]))
        if _SCALE.match(translation, match.end()):
            scaled.add(_significant(match[0]))
    if language in _BY_KANJI:
        written = {_value(found) for found in _KANJI.findall(translation)}
        written |= {value for value, word in _WORDS.items() if word in translation}
        values |= {str(value) for value in written}
        digits |= {_significant(str(value)) for value in written}
        scaled |= {_significant(str(value)) for value in written}
    lost = []
    for match in _NUMBER.finditer(source):
        wanted = _readings(match[0])
        if _AFTERNOON.match(source, match.end()):
            wanted |= {str(int(value) + 12) for value in wanted if value in _HOURS}
        alike = digits if _SCALE.match(source, match.end()) else scaled
        if wanted & values or _significant(match[0]) in alike:
            continue
        parts = re.split("[.,]", match[0])
        if len(parts) > 1 and all(_readings(part) & values for part in parts):
            continue
        if language not in _BY_KANJI and match[0] in _SPELT_OUT:
            continue
        lost.append(match[0])
    return lost


def _readings(number: str) -> set[str]:
    """The values that it may have, with a point or with a comma before its decimals."""
    found = set()
    for group, point in ((",", "."), (".", ",")):
        whole, _, rest = number.replace(group, "").partition(point)
        if point not in rest:
            decimals = rest.rstrip("0")
            found.add((whole.lstrip("0") or "0") + (f".{decimals}" if decimals else ""))
    return found or {number}


def _significant(number: str) -> str:
    return re.sub("[.,]", "", number).strip("0")


def _value(kanji: str) -> int:
    """Of 二十三, or 一九六九."""
    if not any(one in _POWERS for one in kanji):
        return int("".join(str(_DIGITS[one]) for one in kanji))
    total = last = 0
    for one in kanji:
        if one in _POWERS:
            total += (last or 1) * _POWERS[one]
            last = 0
        else:
            last = _DIGITS[one]
    return total + last
