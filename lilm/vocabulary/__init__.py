"""Vocabularies as files: SentencePiece's and byte-level BPE's, their pieces and pre-tokenizers."""
