"""Does anything that is typed become a mark, or move the border of a turn?"""

from collections.abc import Iterable, Sequence

from lilm.chat import Message, Part
from lilm.chat.tokens import stretches
from lilm.export.talk.injections import harmless, injections
from lilm.export.talk.models import ChatModel


def attacks(model: ChatModel, count: int, seed: int) -> list[list[Message]]:
    """The chats to try on one format, whose own marks are among what is forged."""
    found = [model.taken(chat) for chat in injections(count, seed, marks_of(model))]
    return [chat for chat in found if chat]


def marks_of(model: ChatModel) -> list[str]:
    """Special tokens, and the lines that the template writes between messages."""
    lines = (line for border in model.chosen.turns.borders.values() for line in border.split("\n"))
    return sorted({*model.vocabulary.control, *(line for line in lines if line)})


def succeeded(model: ChatModel, chat: Sequence[Message], ids: Sequence[int]) -> bool:
    """Whether words of the chat are anything but words in `ids`, a runtime's tokens of it.

    Special tokens have to be those of the same turns without forged words, and between them stands what stands between
    them in the template: its own text and the words, each stretch as the tokenizer writes it where it looks for no
    special token. And no more places look like the beginning of a turn: a special token and the template's text.
    """
    control = set(model.vocabulary.control.values())
    plain = model.prompt(harmless(chat))
    if [at for at in ids if at in control] != [at for at in plain if at in control]:
        return True
    written = _stretches(model, chat)
    if _turns(model, written) != _turns(model, _stretches(model, harmless(chat))):
        return True
    texts = [piece for piece in written if isinstance(piece, str)]
    return [piece for piece in _between(ids, control) if piece] != [model.vocabulary.encode(text) for text in texts]


def _stretches(model: ChatModel, chat: Sequence[Message]) -> list[str | int]:
    return stretches(model.chosen.turns.parts(chat, add_generation_prompt=True), model.vocabulary.control)


def _between(ids: Sequence[int], control: set[int]) -> list[list[int]]:
    found: list[list[int]] = [[]]
    for at in ids:
        if at in control:
            found.append([])
        else:
            found[-1].append(at)
    return found


def _turns(model: ChatModel, written: Iterable[str | int]) -> list[str]:
    """For each text behind a special token, the longest text of the template's own there that it begins with."""
    cut = (stretches([Part(border, False)], model.vocabulary.control) for border in model.chosen.turns.borders.values())
    behind = [pieces[-1] for pieces in cut if len(pieces) > 1 and isinstance(pieces[-1], str)]
    found: list[str] = []
    after = False
    for piece in written:
        if isinstance(piece, str) and after:
            found.append(max((text for text in behind if piece.startswith(text)), key=len, default=""))
        after = isinstance(piece, int)
    return found
