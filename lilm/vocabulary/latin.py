"""Which languages are written in English's own letters."""

# fmt: off
LATIN = frozenset((
    "af", "az", "bs", "ca", "cs", "cy", "da", "de", "en", "eo", "es", "et", "eu", "fi", "fil", "fr", "ga", "gd", "gl",
    "ha", "hr", "ht", "hu", "id", "ig", "is", "it", "jv", "la", "lb", "lt", "lv", "mg", "mi", "ms", "mt", "nb", "nl",
    "nn", "no", "om", "pl", "pt", "qu", "ro", "rw", "sk", "sl", "sm", "sn", "so", "sq", "st", "su", "sv", "sw", "tk",
    "tl", "tn", "to", "tr", "uz", "vi", "wo", "xh", "yo", "zu",
))
# fmt: on
"""Languages in Latin letters (ISO 639). Their new pieces may stand in English words too."""
