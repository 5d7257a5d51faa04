"""[corpus.rules]: the thresholds of the filters, each with its source."""

from pydantic import Field

from lilm.recipe.section import Section


class RulesConfig(Section):
    """Published thresholds; "web" are those that hold only for sources that are pages of the web.

    Sources: Swallow (Okazaki et al. 2024, arXiv:2404.17733), llm-jp (llm-jp-corpus v2), Gopher (Rae et al. 2021,
    arXiv:2112.11446, table A1), FineWeb (Penedo et al. 2024, arXiv:2406.17557). 0 or 1, whichever lets all pass,
    turns a share off.
    """

    min_chars: int = Field(default=50, ge=1)
    """Shorter documents are dropped."""
    min_web_chars: int = Field(default=400, ge=1)
    """Web: shorter pages are dropped (Swallow: 400)."""

    min_hiragana: float = Field(default=0.2, ge=0, le=1)
    """Japanese: least share of hiragana (Swallow: 0.2)."""
    max_katakana: float = Field(default=0.5, ge=0, le=1)
    """Japanese: greatest share of katakana (Swallow: 0.5)."""
    max_simplified: float = Field(default=0.05, ge=0, le=1)
    """Japanese: greatest share of kanji that only simplified Chinese has; kanji without any kana count as 1. Chinese
    text has 0.2 to 0.4, none of 5,000 Japanese texts more than 0.04."""
    max_old_kanji: float = Field(default=1.0, ge=0, le=1)
    """Japanese: greatest share of kanji in their forms before 1946 (舊字體). 1: off, as literature has them (46 of
    799 works of Aozora Bunko, 0.05 to 0.14 of their kanji); 0.03 keeps to the spelling of today."""

    min_sentence_chars: int = Field(default=20, ge=0)
    """Japanese web: least average of a sentence's characters (Swallow: 20)."""
    max_sentence_chars: int = Field(default=90, ge=1)
    """Japanese web: greatest average of a sentence's characters (Swallow: 90)."""
    max_longest_sentence: int = Field(default=200, ge=1)
    """Japanese web: greatest length of the longest sentence (Swallow: 200). Literature has longer ones."""
    max_ellipsis_lines: float = Field(default=0.2, ge=0, le=1)
    """Japanese web: greatest share of lines that end in … (Swallow: 0.2)."""

    max_duplicate_lines: float = Field(default=0.3, ge=0, le=1)
    """Greatest share of lines that stood before (Gopher: 0.30)."""
    max_duplicate_line_chars: float = Field(default=0.2, ge=0, le=1)
    """Greatest share of characters in lines that stood before (Gopher: 0.20)."""
    max_top_ngrams: tuple[float, float, float] = (0.20, 0.18, 0.16)
    """Greatest share of characters in the most frequent n-gram of 2, 3 and 4 words (Gopher: 0.20, 0.18, 0.16). Words
    are counted in characters, see lilm.train.corpus.rules.repetition."""
    max_duplicate_ngrams: tuple[float, float, float, float, float, float] = (0.15, 0.14, 0.13, 0.12, 0.11, 0.10)
    """Greatest share of characters in n-grams of 5 to 10 words that stood before (Gopher: 0.15 to 0.10)."""
    min_compression: float = Field(default=0.3, ge=0, le=1)
    """Least zlib ratio, compressed/plain bytes (llm-jp: 0.3); lower is repetitive."""
    max_compression: float = Field(default=0.7, ge=0)
    """Greatest zlib ratio of texts of 1,000 bytes or more (llm-jp: 0.7); higher is noise. Shorter ones always have a
    higher one."""

    max_adult_words: int = Field(default=3, ge=0)
    """Most words of the adult list that a document may hold (llm-jp: 3)."""
    max_ng_words: int = Field(default=3, ge=0)
    """Most slurs and threats that a document may hold (llm-jp: 3)."""
    max_spam_words: int = Field(default=14, ge=0)
    """Most words of the advertisement list that a document may hold (HojiChar: 14)."""

    min_word_chars: float = Field(default=3, ge=0)
    """English: least average of a word's characters (Gopher: 3)."""
    max_word_chars: float = Field(default=10, ge=1)
    """English: greatest average of a word's characters (Gopher: 10)."""
    max_symbols: float = Field(default=0.1, ge=0)
    """English: most # or … per word (Gopher: 0.1)."""
    max_bullet_lines: float = Field(default=0.9, ge=0, le=1)
    """English: greatest share of lines that begin with a bullet (Gopher: 0.9)."""
    max_english_ellipsis_lines: float = Field(default=0.3, ge=0, le=1)
    """English: greatest share of lines that end in … (Gopher: 0.3)."""
    min_alphabetic_words: float = Field(default=0.8, ge=0, le=1)
    """English: least share of words with a letter (Gopher: 0.8)."""
    min_stop_words: int = Field(default=2, ge=0, le=8)
    """English, from 50 words on: how many of the, be, to, of, and, that, have, with must stand there (Gopher: 2)."""
    min_words: int = Field(default=50, ge=0)
    """English web: least words (Gopher: 50)."""
    min_closed_lines: float = Field(default=0.12, ge=0, le=1)
    """English web: least share of lines that end in punctuation (FineWeb: 0.12)."""
    max_short_lines: float = Field(default=0.67, ge=0, le=1)
    """English web: greatest share of lines of 30 characters or fewer (FineWeb: 0.67)."""

    menu_lines: int = Field(default=4, ge=0)
    """Web: so many lines in a row of `menu_chars` or fewer without an end of a sentence are a menu, and taken out as
    boilerplate (after RefinedWeb's line-wise filter); 0: never."""
    menu_chars: int = Field(default=20, ge=1)
    """Web: most characters of a line of a menu."""
    mask_pii: bool = False
    """Whether e-mail addresses, telephone and credit card numbers and postal codes are replaced by 「<EMAIL>」 and the
    like."""
