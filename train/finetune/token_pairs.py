"""Pairs of answers as token ids: which are held out, and as the rows of a batch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from lilm.chat.tokens import ChatVocabulary
from lilm.chat.turns import Turns
from lilm.train.finetune.heldout import beginning, choose_apart
from lilm.train.finetune.masking import TokenisedChat, tokenise_chat
from lilm.train.finetune.order import check_order
from lilm.train.finetune.pairs import Pair
from lilm.train.pack.packing import IGNORE, PADDING


@dataclass(frozen=True)
class TokenPair:
    """Both chats of a pair, with labels on the last answer only."""

    pair: Pair
    chosen: TokenisedChat
    rejected: TokenisedChat

    @property
    def longest(self) -> int:
        return max(len(self.chosen.ids), len(self.rejected.ids))


def tokenise_pair(pair: Pair, turns: Turns, vocabulary: ChatVocabulary) -> TokenPair:
    """Raises LilmError naming the line for an order of roles that the format has no place for."""
    check_order(turns, pair.chosen, pair.where)
    return TokenPair(
        pair, *(_last_answer(tokenise_chat(chat, turns, vocabulary)) for chat in (pair.chosen, pair.rejected))
    )


def _last_answer(chat: TokenisedChat) -> TokenisedChat:
    """With no labels but those of the last stretch that has any."""
    stop = max(at for at, label in enumerate(chat.labels) if label != IGNORE) + 1
    start = max((at for at in range(stop) if chat.labels[at] == IGNORE), default=-1) + 1
    kept = [IGNORE] * start + chat.labels[start:stop]
    return TokenisedChat(chat.ids, kept + [IGNORE] * (len(chat.ids) - stop))


def split_pairs(pairs: Sequence[TokenPair], share: float) -> tuple[list[TokenPair], list[TokenPair]]:
    """(those to learn, those held out): of pairs with one question, one is held out or all are learnt."""
    keys = [beginning(pair.pair.asked) for pair in pairs]
    apart = choose_apart(keys, [True] * len(pairs), [0] * len(pairs), share)
    learnt = [pair for key, pair in zip(keys, pairs, strict=True) if key not in apart]
    return learnt, [pairs[at] for at in apart.values()]


def rows(chats: Sequence[TokenisedChat]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(input ids, position ids, labels), each int64 [chats, the longest chat's tokens], filled up on the right."""
    width = max(len(chat.ids) for chat in chats)
    ids = np.full((len(chats), width), PADDING, dtype=np.int64)
    labels = np.full((len(chats), width), IGNORE, dtype=np.int64)
    for row, chat in enumerate(chats):
        ids[row, : len(chat.ids)], labels[row, : len(chat.ids)] = chat.ids, chat.labels
    positions = np.tile(np.arange(width), (len(chats), 1))
    return torch.from_numpy(ids), torch.from_numpy(positions), torch.from_numpy(labels)
