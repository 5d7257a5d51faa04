"""A regular expression for a text that stands between quotes in JSON."""

NOT_RAW = '"\\\\\\x00-\\x1F'  # in a class: what no text in JSON holds as it is


def in_json(pattern: str) -> str:
    """The same, whose classes of all but some characters leave out what would end the text or break it: llama.cpp's
    converter takes them as they are.

    >>> in_json("^[^@]+$") == "^[^" + NOT_RAW + "@]+$", in_json(r"^\\[^a]") == r"^\\[^a]"
    (True, True)
    """
    found, at, inside = "", 0, False
    while at < len(pattern):
        if pattern[at] == "\\":
            found += pattern[at : at + 2]
            at += 2
            continue
        if not inside and pattern.startswith("[^", at):
            found, at, inside = f"{found}[^{NOT_RAW}", at + 2, True
            continue
        inside = pattern[at] == "[" or (inside and pattern[at] != "]")
        found += pattern[at]
        at += 1
    return found
