"""Exact duplicates: equal texts."""

from collections.abc import Sequence

from lilm.train.corpus.document import Document, Drop


def drop_exact(documents: Sequence[Document]) -> tuple[list[Document], list[Drop]]:
    """(documents whose text stands once, the rest). Of equal texts the one with the least id is kept.

    What is kept does not depend on the order of `documents`; their order is left as it was.
    """
    kept: dict[str, str] = {}
    for document in documents:
        first = kept.get(document.text)
        if first is None or document.id < first:
            kept[document.text] = document.id
    distinct: list[Document] = []
    drops: list[Drop] = []
    for document in documents:
        original = kept[document.text]
        if document.id == original:
            distinct.append(document)
        else:
            drops.append(Drop(document, "exact_duplicate", f"copy of {original}"))
    return distinct, drops
