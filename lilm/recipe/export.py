"""[export]: GGUF files."""

from typing import Literal

from pydantic import Field

from lilm.recipe.section import Section

QuantType = Literal["Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_0", "IQ4_NL"]


class ExportConfig(Section):
    quants: tuple[QuantType, ...] = Field(default=("Q8_0", "Q6_K", "Q4_K_M", "Q4_0"), min_length=1)
