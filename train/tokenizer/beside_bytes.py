"""Merges in Latin letters for a byte-level base, which go on where its own end."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import regex

from lilm.errors import LilmError
from lilm.recipe import TokenizerConfig
from lilm.train.tokenizer.beside import Text, Wish, apart, learn_beside
from lilm.train.tokenizer.byte_learn import ByteLearnt
from lilm.train.tokenizer.scripts import LATIN_LETTERS
from lilm.vocabulary.byte_level import ByteLevel, bare_model, piece_bytes, written

_LETTERS = regex.compile(rf" ?{LATIN_LETTERS}+")
# bytes with which a letter of Latin may begin that are no letter yet, U+0080 and above
_BEGINNING = regex.compile(rb" ?(?:[\xc3-\xc9\xcc\xcd]|\xe1[\xb4-\xbb]?|\xe2[\xb1]?|\xea[\x9c-\x9f\xac\xad]?)")


def learn_merges(
    texts: Sequence[str],
    english: Sequence[str],
    config: TokenizerConfig,
    base: ByteLevel,
    pre_tokenizer: Any,
    language: str,
) -> tuple[ByteLearnt, int]:
    """(about `config.pieces` pieces that `base` has not, how many were left out for English's sake).

    texts, english: documents of both languages. pre_tokenizer: the base's, of `tokenizers`. Raises LilmError when the
    text has no Latin letters.
    """
    letters = Counter(char for text in texts for char in regex.findall(LATIN_LETTERS, text))
    if not letters:
        raise LilmError(
            f"the text of language {language!r} has no letters", where="tokenizer", remedy="check its sources"
        )
    model = bare_model(
        base.merges, (*base.names, *base.missing), ignore_merges=bool(base.data["model"].get("ignore_merges"))
    )
    language_cut, seen, unseen = (_cut(model, _words(group, pre_tokenizer)) for group in (texts, *apart(english)))
    longest = config.max_piece_length

    @cache
    def may_be(name: str) -> bool:
        data = piece_bytes(name)
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return _BEGINNING.fullmatch(data) is not None
        return _LETTERS.fullmatch(text) is not None and len(text.lstrip(" ")) <= longest

    known = frozenset({*base.names, *base.missing})
    found = learn_beside(language_cut, seen, unseen, known, Wish(config.pieces, may_be, config.max_english_changed))
    whole = bare_model([*base.merges, *found.merges], [*base.names, *base.missing, *found.names])
    bytewise = {char for char in letters if len(whole.tokenize(written(char))) > 1}
    lost = sum(letters[char] for char in bytewise)
    learnt = ByteLearnt(
        found.names,
        found.merges,
        characters=sum(written(char) in found.names for char in letters),
        skipped=len(bytewise),
        skipped_share=lost / letters.total(),
    )
    return learnt, found.left_out


def _words(texts: Iterable[str], pre_tokenizer: Any) -> Counter[str]:
    """How often each word stands in the text, written in the byte alphabet."""
    words: Counter[str] = Counter()
    for text in texts:
        words.update(word for word, _ in pre_tokenizer.pre_tokenize_str(text))
    return words


def _cut(model: Any, counts: Mapping[str, int]) -> Text:
    return Text({word: [token.value for token in model.tokenize(word)] for word in counts}, counts)
