"""A vocabulary of either kind, asked for what training needs of it."""

from pathlib import Path
from typing import Any, Protocol

from lilm.chat.files import read_chat_template
from lilm.chat.marks import text_mark
from lilm.vocabulary.added_tokens import named_ids, read_marked
from lilm.vocabulary.byte_level import (
    ByteLevel,
    bare_model,
    byte_alphabet,
    complete_tokenizer,
    piece_bytes,
    read_byte_level,
)
from lilm.vocabulary.sentencepiece import MODEL, has_model, processor, read_proto
from lilm.vocabulary.turn_mark import TurnMark


class Pieces(Protocol):
    """names: of each id. bos_id, eos_id: what stands before a text and after it; one and the same where there is no
    BOS."""

    names: list[str]
    bos_id: int
    eos_id: int

    def __len__(self) -> int:
        """Pieces, special and unused ones too."""
        ...

    def encode(self, text: str) -> list[int]:
        """Ids without BOS or EOS; what looks like a special token is text."""
        ...

    def spell(self, piece: str) -> list[int]:
        """Ids for the text of another vocabulary's `piece` of the same kind, without anything in front."""
        ...

    def n_bytes(self) -> list[int]:
        """UTF-8 bytes of text that each piece stands for."""
        ...

    def is_unused(self, index: int) -> bool:
        """Whether the piece only fills the vocabulary up."""
        ...

    def missing_bytes(self) -> frozenset[int]:
        """Bytes that text can hold and no piece stands for."""
        ...


class SentencePieces:
    """tokenizer.model. Every space is kept, whatever the file says, as in the merged model and in llama.cpp."""

    def __init__(self, path: Path) -> None:
        proto = read_proto(path)
        self._processor = processor(proto)
        self._alone = processor(proto, add_dummy_prefix=False)
        self.names = [self._processor.id_to_piece(index) for index in range(self._processor.vocab_size())]
        named = self.names[named_ids(path.parent, proto)[1]]
        own = self._processor.eos_id()
        end = text_mark(named, read_chat_template(path.parent), self._control(), self.names[own])
        self.bos_id, self.eos_id = self._processor.bos_id(), self._processor.piece_to_id(end)

    def __len__(self) -> int:
        return len(self.names)

    def encode(self, text: str) -> list[int]:
        ids: list[int] = self._processor.encode(text)
        return ids

    def spell(self, piece: str) -> list[int]:
        """Without the space that SentencePiece puts in front, which would merge with what follows it."""
        ids: list[int] = self._alone.encode(piece.replace("▁", " "))
        return ids

    def n_bytes(self) -> list[int]:
        """▁ is counted as itself."""
        return [1 if self._processor.is_byte(at) else len(name.encode()) for at, name in enumerate(self.names)]

    def is_unused(self, index: int) -> bool:
        return bool(self._processor.is_unused(index))

    def missing_bytes(self) -> frozenset[int]:
        return frozenset()  # a Llama's model has all of them

    def _control(self) -> set[str]:
        return {name for at, name in enumerate(self.names) if self._processor.is_control(at)}


class BytePieces:
    """A byte-level tokenizer.json. It may lack bytes (control characters, rare planes) that text can hold."""

    def __init__(self, folder: Path) -> None:
        self._found: ByteLevel = read_byte_level(folder)
        self._tokenizer = complete_tokenizer(self._found)
        self._tokenizer.encode_special_tokens = True
        self._model: Any = bare_model(self._found.merges, (*self._found.names, *self._found.missing))
        self._bytes = [at for at, name in enumerate(self._found.names) if name in byte_alphabet()]
        self.names = list(self._found.names)
        template, special = read_chat_template(folder), {self.names[at] for at in self._found.special}
        self.bos_id, self.eos_id = (
            self.names.index(text_mark(self.names[at], template, special))
            for at in (self._found.bos_id, self._found.eos_id)
        )

    def __len__(self) -> int:
        return len(self.names)

    def encode(self, text: str) -> list[int]:
        """Encodes as llama.cpp does: a byte that the vocabulary lacks has no id, and what stands around it stays
        apart."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return [index for index in ids if index < len(self.names)] if self._found.missing else ids

    def spell(self, piece: str) -> list[int]:
        """Spells by the merges alone: a piece may be part of a character. An unused one is spelt by its letters, and a
        byte that the vocabulary lacks by all those that it has: what is known of it is that it is a byte."""
        ids = [token.id for token in self._model.tokenize(piece)]
        return [one for index in ids for one in ([index] if index < len(self.names) else self._bytes)]

    def n_bytes(self) -> list[int]:
        return [len(name.encode() if self._is_plain(at) else piece_bytes(name)) for at, name in enumerate(self.names)]

    def is_unused(self, index: int) -> bool:
        return index in self._found.unused

    def missing_bytes(self) -> frozenset[int]:
        return frozenset(piece_bytes("".join(self._found.missing)))

    def _is_plain(self, index: int) -> bool:
        """Whether a name is text as it stands."""
        return index in self._found.special or index in self._found.unused


def open_pieces(folder: Path) -> Pieces:
    """Opens tokenizer.model or, where `folder` has none, tokenizer.json. Raises LilmError when the latter is no
    byte-level BPE that LiLM knows."""
    return SentencePieces(folder / MODEL) if has_model(folder) else BytePieces(folder)


def taken_mark(folder: Path) -> TurnMark | None:
    """What LiLM takes as a control token where the folder's tokenizer has none; None where it has one.

    Raises LilmError as the readers of tokenizers do.
    """
    return read_marked(folder / MODEL)[1] if has_model(folder) else read_byte_level(folder).mark


def new_pieces(base: Pieces, merged: Pieces) -> list[int]:
    """Ids of what `merged` has to learn beside `base`: not of padding, nor of single bytes, which text hardly has."""
    sizes = merged.n_bytes()
    return [at for at in range(len(base), len(merged)) if not merged.is_unused(at) and sizes[at] > 1]
