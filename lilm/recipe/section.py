"""The base of every recipe section: unknown keys refused, values frozen, docstrings kept as descriptions."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, validate_default=True)

    unhashed: ClassVar[frozenset[str]] = frozenset()
    """Keys that decide how the work is done, not what comes out: changing one reruns nothing."""
