"""Bases with a byte-level BPE tokenizer.json: Llama 3, SmolLM, and others that use GPT-2's or Qwen's way."""

from collections.abc import Sequence
from pathlib import Path

from lilm.recipe import TokenizerConfig
from lilm.train.tokenizer.beside_bytes import learn_merges
from lilm.train.tokenizer.byte_learn import ByteLearnt, check_config, learn_byte_level
from lilm.train.tokenizer.byte_merge import merge_byte_level, write_byte_level
from lilm.train.tokenizer.byte_verify import verify_byte_level
from lilm.train.tokenizer.kind import Written
from lilm.train.tokenizer.verify import Candidate, Report
from lilm.vocabulary.byte_level import FILE, load_tokenizer, read_byte_level


class ByteLevelKind:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._base = read_byte_level(folder)
        self.size = len(self._base.names)

    def write_merged(
        self,
        texts: Sequence[str],
        config: TokenizerConfig,
        language: str,
        out_dir: Path,
        model_max_length: int,
        english: Sequence[str] | None = None,
    ) -> Written:
        check_config(config)
        learnt, left_out = self._learn(texts, config, language, english)
        merged = merge_byte_level(self._base, learnt, config.multiple)
        write_byte_level(merged, self._base, out_dir, model_max_length)
        return Written(
            vocab_size=merged.base_size + len(merged.added) + merged.padding,
            base_vocab_size=merged.base_size,
            pieces_added=len(merged.added),
            characters_added=learnt.characters,
            pieces_known=merged.known,
            pieces_unused=merged.padding,
            characters_left_to_bytes=learnt.skipped,
            share_left_to_bytes=learnt.skipped_share,
            unreachable=merged.unreachable,
            left_out=left_out,
        )

    def _learn(
        self, texts: Sequence[str], config: TokenizerConfig, language: str, english: Sequence[str] | None
    ) -> tuple[ByteLearnt, int]:
        """(what is learnt, pieces left out for English's sake)."""
        if not config.pieces:
            return ByteLearnt.nothing(), 0
        pre_tokenizer = load_tokenizer(self._folder / FILE).pre_tokenizer
        if english is None:
            return learn_byte_level(texts, config, self._base, pre_tokenizer, language), 0
        return learn_merges(texts, english, config, self._base, pre_tokenizer, language)

    def verify(self, made: Candidate) -> Report:
        return verify_byte_level(made, self._folder)
