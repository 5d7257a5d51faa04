"""The base of every recipe section: unknown keys and odd numbers refused, values frozen, docstrings kept."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, validate_default=True, allow_inf_nan=False
    )

    unhashed: ClassVar[frozenset[str]] = frozenset()
    """Keys that decide how the work is done, not what comes out: changing one reruns nothing."""
