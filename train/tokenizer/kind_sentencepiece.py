"""Bases with a SentencePiece tokenizer.model: Llama 1 and 2, TinyLlama, and LiLM's own."""

from collections.abc import Sequence
from pathlib import Path

from lilm.recipe import TokenizerConfig
from lilm.train.tokenizer.beside_sentencepiece import learn_pieces
from lilm.train.tokenizer.hf import write_tokenizer
from lilm.train.tokenizer.kind import Written
from lilm.train.tokenizer.merge import merge_pieces, normal_pieces, read_base
from lilm.train.tokenizer.train import Learnt, train_sentencepiece
from lilm.train.tokenizer.verify import Candidate, Report, verify
from lilm.vocabulary.added_tokens import named_ids
from lilm.vocabulary.sentencepiece import MODEL


class SentencePieceKind:
    def __init__(self, folder: Path) -> None:
        self._path = folder / MODEL
        self._base = read_base(self._path)
        self.size = len(self._base.pieces)

    def write_merged(
        self,
        texts: Sequence[str],
        config: TokenizerConfig,
        language: str,
        out_dir: Path,
        model_max_length: int,
        english: Sequence[str] | None = None,
    ) -> Written:
        left_out = 0
        if not config.pieces:
            learnt = Learnt.nothing()
        elif english is None:
            learnt = train_sentencepiece(texts, config, normal_pieces(self._base), language)
        else:
            learnt, left_out = learn_pieces(texts, english, config, self._base, language)
        merged = merge_pieces(self._base, learnt, config.pieces, config.multiple)
        write_tokenizer(merged.proto, out_dir, model_max_length, named_ids(self._path.parent, self._base)[1])
        return Written(
            vocab_size=len(merged.proto.pieces),
            base_vocab_size=merged.base_size,
            pieces_added=len(merged.added),
            characters_added=sum(len(piece) == 1 for piece in merged.added),
            pieces_known=merged.known,
            pieces_unused=merged.padding,
            characters_left_to_bytes=learnt.skipped,
            share_left_to_bytes=learnt.skipped_share,
            unreachable=merged.unreachable,
            left_out=left_out,
        )

    def verify(self, made: Candidate) -> Report:
        return verify(made, self._path)
