"""What names a person, replaced by its kind: e-mail addresses, telephone and card numbers, postal codes.

Street addresses stay: without a dictionary of places their end can't be told.
"""

import re
from collections import Counter

_KINDS = {
    "EMAIL": r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}[@＠](?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,63}",
    "CARD": r"(?<![\d-])\d{4}(?:[ -]?\d{4}){2}[ -]?\d{1,7}(?![\d-])|(?<![\d-])3\d{3}[ -]?\d{6}[ -]?\d{5}(?![\d-])",
    # 03-1234-5678, 090-1234-5678, 0120-123-456, 045(123)4567, +81 3-1234-5678: ten or eleven digits from 0 on
    "PHONE": r"(?<![\d-])(?:\+81[ -]?|0)\d{1,4}(?:[-‐‑–ー ]\d{1,4}[-‐‑–ー ]|\(\d{1,4}\) ?|（\d{1,4}）)\d{3,4}(?![\d-])"
    r"|(?<![\d-])0[5789]0\d{8}(?![\d-])",
    "POSTAL": r"〒\s?\d{3}[-‐‑–ー]?\d{4}(?!\d)",
}
_PII = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _KINDS.items()))


def mask_pii(text: str) -> tuple[str, Counter[str]]:
    """(text with `<EMAIL>`, `<PHONE>`, `<CARD>`, `<POSTAL>` for what was there, how many of each).

    A card number must pass Luhn's check (ISO/IEC 7812-1), a Japanese telephone number have ten or eleven digits.

    >>> mask_pii("〒100-0001、電話03-1234-5678、taro@example.jpまで。")[0]
    '<POSTAL>、電話<PHONE>、<EMAIL>まで。'
    """
    found: Counter[str] = Counter()

    def masked(match: re.Match[str]) -> str:
        kind = str(match.lastgroup)
        digits = [int(digit) for digit in match[0] if digit.isdigit()]
        if (kind == "CARD" and not _is_card(digits)) or (kind == "PHONE" and not _is_phone(match[0], digits)):
            return match[0]
        found[kind] += 1
        return f"<{kind}>"

    return _PII.sub(masked, text), found


def _is_card(digits: list[int]) -> bool:
    """Luhn: every second digit from the right doubled, the sum of all digits a multiple of ten."""
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return 14 <= len(digits) <= 19 and any(digits) and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_phone(text: str, digits: list[int]) -> bool:
    """Ten or eleven digits; +81 stands for the first 0."""
    return len(digits) - text.startswith("+81") in (10, 11)
