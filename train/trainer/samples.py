"""What the model makes of a text's beginning: greedy, so that it is the same each time."""

from collections.abc import Callable
from typing import Any

import torch

from lilm.train.trainer.rank import current_rank

Decode = Callable[[list[int]], str]


@torch.no_grad()
def continue_greedily(model: Any, ids: list[int], n_tokens: int, end: int | None = None) -> list[int]:
    """The `n_tokens` most probable ids after `ids`, one by one.

    end: the id after which one process alone stops. Several go on past it: with ZeRO-3 all must ask equally often.
    """
    stop = end if current_rank().world_size == 1 else None
    answer: list[int] = []
    given, cache = ids, None
    for _ in range(n_tokens):
        out = model(input_ids=torch.tensor([given], device=model.device), past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        given = [int(out.logits[0, -1].argmax())]
        answer += given
        if stop in given:
            break
    return answer


def sample(
    model: Any,
    encode: Callable[[str], list[int]],
    decode: Decode,
    bos_token_id: int,
    eos_token_id: int,
    prompt: str,
    n_tokens: int,
) -> str:
    """The prompt and its continuation, which ends where the document does.

    encode, decode: text -> ids without special tokens, and back.
    """
    ids = encode(prompt)
    answer = continue_greedily(model, [bos_token_id, *ids], n_tokens)
    if eos_token_id in answer:
        answer = answer[: answer.index(eos_token_id)]
    return decode([*ids, *answer])


def beginnings(texts: list[str], count: int, characters: int = 20) -> list[str]:
    """The first characters of the first `count` texts: of their first line, and no half word where words have spaces.

    >>> beginnings(["A hungry panda named Ken", "池の近くに、マルという食いしん坊のパンダがいました。"], 2)
    ['A hungry panda named', '池の近くに、マルという食いしん坊のパンダ']
    """
    lines = [text.lstrip().split("\n")[0] for text in texts[:count]]
    cut = [line[: characters + 1] for line in lines]
    return [line.rpartition(" ")[0] if " " in line else line[:characters] for line in cut]
