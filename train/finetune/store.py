"""The chats that were learnt, as a token store, which later stages read as they read packed text; those that were not,
as messages."""

from collections.abc import Sequence
from pathlib import Path

from lilm.chat import Message
from lilm.json_file import read_json_object
from lilm.pipeline.hashing import sha256_file, write_json
from lilm.train.finetune.masking import TokenisedChat
from lilm.train.pack.megatron import ShardWriter, data_file, index_file, token_dtype
from lilm.train.pack.token_store import SIDECAR, TokenStore

CHATS = "chats"  # in the place of a language
HELDOUT = "heldout.json"


def write_chats(
    chats: Sequence[TokenisedChat], folder: Path, pieces: int, tokenizer_sha256: str, bos_id: int | None, eos_id: int
) -> None:
    """Write the whole chats, questions and all, to `folder`/tokens; see `lilm.train.pack.make` for the format.

    pieces: of the tokenizer. bos_id: None where a chat has none.
    """
    (folder / "tokens").mkdir(exist_ok=True)
    dtype = token_dtype(pieces)
    writer = ShardWriter(folder / "tokens" / f"{CHATS}-train-00000", dtype)
    for chat in chats:
        writer.add(chat.ids)
    writer.close()
    tokens = sum(len(chat.ids) for chat in chats)
    shard = {
        "name": writer.prefix.name,
        "tokens": tokens,
        "bin_sha256": sha256_file(data_file(writer.prefix)),
        "idx_sha256": sha256_file(index_file(writer.prefix)),
    }
    store = {"documents": len(chats), "tokens": tokens, "bytes": 0, "shards": [shard]}
    sidecar = {
        "tokenizer_sha256": tokenizer_sha256,
        "vocab_size": pieces,
        "dtype": dtype,
        "bos_id": bos_id,
        "eos_id": eos_id,
        "document": "a chat as the template renders it",
        "stores": {f"{CHATS}-train": store},
    }
    write_json(folder / SIDECAR, sidecar)


def open_chats(folder: Path) -> TokenStore | None:
    """The chats of a finetune stage's folder; None where it learnt none."""
    if not (folder / SIDECAR).is_file():
        return None
    return TokenStore.open(folder, CHATS, "train")


def write_heldout(chats: Sequence[Sequence[Message]], folder: Path) -> None:
    write_json(folder / HELDOUT, {CHATS: [list(chat) for chat in chats]})


def read_heldout(folder: Path) -> list[list[Message]]:
    """The chats that a finetune stage held out; none where its folder has none, or is older."""
    if not (folder / HELDOUT).is_file():
        return []
    found: list[list[Message]] = read_json_object(folder / HELDOUT)[CHATS]
    return found
