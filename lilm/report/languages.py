"""Names of languages as a report's readers know them."""

NAMES = {"ja": "Japanese", "en": "English", "zh": "Chinese", "ko": "Korean", "de": "German", "fr": "French",
         "es": "Spanish", "it": "Italian", "pt": "Portuguese", "ru": "Russian", "vi": "Vietnamese", "th": "Thai",
         "id": "Indonesian", "tr": "Turkish", "ar": "Arabic", "hi": "Hindi", "sw": "Swahili"}  # fmt: skip


def language_name(code: str) -> str:
    """The English name; the code itself for a language that NAMES lacks.

    >>> language_name("ja"), language_name("xx")
    ('Japanese', 'xx')
    """
    return NAMES.get(code, code)
