"""The base of every recipe section: unknown keys refused, values frozen, docstrings kept as descriptions."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, validate_default=True)
