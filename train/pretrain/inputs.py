"""What pretraining starts from, and a refusal by name of what does not belong together, before the first step."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer
from transformers import LlamaForCausalLM

from lilm.documents import read_texts
from lilm.errors import LilmError
from lilm.pipeline.hashing import sha256_file
from lilm.train.base.model_folder import tokenizer_files
from lilm.train.pack.packing import PackedSequences
from lilm.train.pack.token_store import TokenStore
from lilm.train.tokenizer.texts import sample_evenly
from lilm.train.trainer.measure import take_bytes
from lilm.vocabulary.pieces import Pieces, open_pieces


@dataclass(frozen=True)
class Tokenizers:
    """base: the base's own. pieces: of the merged one, the base's and the new ones. merged: it, which encodes text as
    text. sha256: of its tokenizer.json."""

    base: Pieces
    pieces: Pieces
    merged: Tokenizer
    sha256: str

    @property
    def vocab_size(self) -> int:
        """Pieces of the merged one."""
        return len(self.pieces)

    def encode(self, text: str) -> list[int]:
        ids: list[int] = self.merged.encode(text, add_special_tokens=False).ids
        return ids

    def decode(self, ids: list[int]) -> str:
        text: str = self.merged.decode(ids)
        return text


def open_tokenizers(base: Path, tokenizer: Path, model: LlamaForCausalLM) -> Tokenizers:
    """Raises LilmError when the base's tokenizer is another model's, or the merged one was merged into another."""
    old, new = open_pieces(base), open_pieces(tokenizer)
    n_old, rows = len(old), model.config.vocab_size
    file = tokenizer_files(base)[0]
    if n_old > rows:
        raise LilmError(
            f"the tokenizer has {n_old} pieces and the model {rows} rows: they do not belong together",
            where=str(base / file),
            remedy=f"put the model's own {file} beside it",
        )
    for at in range(n_old):
        piece = new.names[at] if at < len(new) else ""
        if piece != old.names[at]:
            raise LilmError(
                f"piece {at} is {piece!r} and the base's is {old.names[at]!r}: "
                "it was merged into another base's tokenizer",
                where=str(tokenizer / file),
                remedy="run the tokenizer stage again",
            )
    merged = Tokenizer.from_file(str(tokenizer / "tokenizer.json"))
    merged.encode_special_tokens = True  # "</s>" written in a text is text
    return Tokenizers(old, new, merged, sha256_file(tokenizer / "tokenizer.json"))


def open_sequences(pack: Path, language: str, tokenizer_sha256: str | None, window: int, seed: int) -> PackedSequences:
    """Raises LilmError when there is nothing of `language` to train on, or another tokenizer has packed it."""
    store = TokenStore.open(pack, language, "train", tokenizer_sha256)
    if store.n_documents == 0:
        raise LilmError(
            f"the training split of {language} is empty",
            where=str(pack),
            remedy="give the corpus more text of that language, or filter less",
        )
    return PackedSequences(store, window, seed)


def heldout_texts(corpus: Path, languages: tuple[str, ...], n_bytes: int) -> Mapping[str, list[str]]:
    """About `n_bytes` of UTF-8 in each language, documents spread over all, so that each source has its share.

    Raises LilmError when there is none.
    """
    texts = {}
    for language in languages:
        found = list(read_texts(corpus, language, "heldout"))
        size = sum(len(text.encode()) for text in found)
        if not size:
            raise LilmError(
                f"the held-out split of {language} is empty", where=str(corpus), remedy="raise corpus.heldout"
            )
        texts[language] = list(sample_evenly(found, n_bytes / size)) or take_bytes(found, n_bytes)
    return texts
