"""The kinds of base tokenizer that pieces can be added to."""

from pathlib import Path

from lilm.train.tokenizer.kind import Kind
from lilm.vocabulary.sentencepiece import has_model


def open_base(folder: Path) -> Kind:
    """Opens the base by the file that `folder` has, tokenizer.model first. Raises LilmError for one that cannot be
    added to."""
    if has_model(folder):
        from lilm.train.tokenizer.kind_sentencepiece import SentencePieceKind

        return SentencePieceKind(folder)
    from lilm.train.tokenizer.kind_byte_level import ByteLevelKind

    return ByteLevelKind(folder)
