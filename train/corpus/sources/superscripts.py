"""Raised numbers as characters: a number without its exponent is another number (10<sup>21</sup> is not 1021)."""

import re

_RAISED = str.maketrans("0123456789+-−=()ni", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿⁱ")
_EXPONENT = re.compile(r"[-+−]?(?:[0-9]+[ni]?|[ni])(?:[-+−][0-9ni]+)?|\([-+−]?[0-9]+\)")
_FRACTION = re.compile(r"[-+−]?[0-9]+[./][0-9]+")


def raised(text: str) -> str:
    """The text of a <sup> element: exponents in Unicode's superscripts, other text (5th, Mme, [1]) as it is.

    >>> raised("21"), raised("−3"), raised("2n"), raised("1/2"), raised("th")
    ('²¹', '⁻³', '²ⁿ', '^1/2', 'th')
    """
    plain = text.strip().replace("''", "")  # ''n'' is wikitext's italic
    if _EXPONENT.fullmatch(plain):
        return plain.translate(_RAISED)
    return f"^{plain}" if _FRACTION.fullmatch(plain) else text
