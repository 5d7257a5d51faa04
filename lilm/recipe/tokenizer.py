"""[tokenizer]: the pieces to learn and to add."""

from typing import Literal

from pydantic import Field

from lilm.recipe.section import Section


class TokenizerConfig(Section):
    """A base with a byte-level BPE tokenizer.json (Llama 3, SmolLM) is added to like one with a tokenizer.model. It has
    its own pre-tokenizer and is no Unigram, so there `model_type` and `split_by_unicode_script` stay as they are."""

    pieces: int = Field(default=18_700, ge=0, le=1_000_000)
    """Pieces to learn; the merged size is rounded up to `multiple`. 0: no new vocabulary, which is right for a short
    training (new rows must first learn what the base's own pieces know already) and where each megabyte counts; text
    then takes more tokens. `lilm tokenizer compare-sizes` tries it on your text."""
    max_english_changed: float = Field(default=0.002, gt=0, le=0.1)
    """A language in Latin letters (Vietnamese, Turkish, German): greatest share of held-out English tokens that may
    become others, as new pieces may stand in English words too. Pieces beyond it are left out. A language in letters of
    its own changes none."""
    multiple: int = Field(default=64, ge=1, le=65_536)
    """The merged vocabulary's size is a multiple of this, by unused pieces."""
    model_type: Literal["bpe", "unigram"] = "bpe"
    """How pieces are learnt. What is written is a BPE model in either case, as the base's is one: of Unigram's pieces
    those stay that merges can reach, three of four, and Wikipedia takes 7% more tokens than with BPE. A byte-level
    base, and a language in Latin letters, have only "bpe"."""
    character_coverage: float = Field(default=0.9995, gt=0.9, le=1)
    """Share of the text's characters that get a piece; the rest are spelt in bytes."""
    split_by_unicode_script: bool = False
    """False lets 「食べる」 be one piece: 1.74 instead of 1.65 characters a token on Wikipedia. A byte-level base
    has only False: its own pre-tokenizer decides."""
    max_piece_length: int = Field(default=16, ge=1, le=1_000)
    """Characters of the longest piece."""
    train_chars: int = Field(default=10_000_000, ge=1000, le=10_000_000_000)
    """Characters of the corpus that the vocabulary is learnt from, the best-scored first."""
    verify_lines: int = Field(default=10_000, ge=1)
    """Held-out lines of the new language whose ids must be equal in all runtimes (SentencePiece where the base has it,
    Hugging Face, llama.cpp), if there are so many; of the base's language all are compared."""
