"""The base of every recipe section: unknown keys and odd numbers refused, values frozen, docstrings kept."""

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

LicenseName = Annotated[str, Field(max_length=200, pattern=r"^[^\r\n]*$")]
"""Best as SPDX and the hub write it: apache-2.0, cc-by-sa-4.0. Empty: not told."""


class Section(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, validate_default=True, allow_inf_nan=False
    )

    unhashed: ClassVar[frozenset[str]] = frozenset()
    """Keys that decide how the work is done, not what comes out: changing one reruns nothing."""
