"""[export]: GGUF files."""

from typing import Literal

from pydantic import Field, model_validator

from lilm.recipe.section import Section

QuantType = Literal["Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_0", "IQ4_NL"]
BlockName = Literal["Q8_0", "Q6_K", "Q5_K", "Q4_K", "Q4_0", "IQ4_NL", "Q5_1", "Q5_0", "Q4_1", "IQ4_XS", "Q3_K", "Q2_K"]
MIX = "mix"  # the file of the budget
SiteFile = Literal[QuantType, "mix"]


class ExportConfig(Section):
    quants: tuple[QuantType, ...] = Field(default=("Q8_0", "Q6_K", "Q4_K_M", "Q4_0"), min_length=1)
    """llama.cpp's own recipes, as they are: a name means here what it means everywhere, and what is made for a budget
    can be compared with it."""
    target_mb: float = Field(default=0.0, ge=0, le=1_000_000)
    """One more file, of not more than so many megabytes (millions of bytes), whose matrices have the types that cost
    least: how much each says something else in each type is measured. 0: none."""
    bits_per_weight: float = Field(default=0.0, ge=0, le=16)
    """Instead of target_mb: bits of the whole file, vocabulary and all, per weight."""
    imatrix: bool = True
    """Matrices of that file are rounded so that errors fall where inputs are small (an importance matrix). The files of
    `quants` are not: with one llama.cpp gives Q4_0 types that are slow on phones."""
    mix_types: tuple[BlockName, ...] = Field(default=("Q8_0", "Q6_K", "Q5_K", "Q4_K", "Q4_0", "IQ4_NL"), min_length=1)
    """What that file's matrices may be. These six are fast on phones and in the browser; the others only smaller. Rows
    that 256 does not divide have Q8_0, Q4_0 and IQ4_NL of them (and Q5_1, Q5_0, Q4_1)."""
    calibration_tokens: int = Field(default=20_000, ge=1_000, le=100_000_000)
    """Of training text, for the importance matrix, both languages together."""
    sensitivity_tokens: int = Field(default=1_024, ge=256, le=1_000_000)
    """Of other training text, for each of some hundred measurements; twice as many take twice as long. With these, the
    types above and 135M parameters two cores measure for about eight minutes."""

    @model_validator(mode="after")
    def _has_one_target(self) -> "ExportConfig":
        if self.target_mb and self.bits_per_weight:
            raise ValueError("target_mb and bits_per_weight are both given: one of them decides")
        if len(set(self.mix_types)) < len(self.mix_types):
            raise ValueError("mix_types names a type twice")
        return self

    @property
    def has_budget(self) -> bool:
        return bool(self.target_mb or self.bits_per_weight)

    def target_bytes(self, parameters: int) -> int:
        """Of the file for the budget, at most, for a model of so many parameters; 0 without a budget."""
        return int(self.target_mb * 1e6 or self.bits_per_weight * parameters / 8)

    @property
    def mix_name(self) -> str:
        """What reports call that file: mix-100MB, mix-4.5bpw."""
        return f"{MIX}-{self.target_mb:g}MB" if self.target_mb else f"{MIX}-{self.bits_per_weight:g}bpw"
