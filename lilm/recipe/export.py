"""[export]: GGUF files."""

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from lilm.recipe.section import LicenseName, Section
from lilm.recipe.training import OptimConfig

QuantType = Literal["Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_0", "IQ4_NL"]
BlockName = Literal["Q8_0", "Q6_K", "Q5_K", "Q4_K", "Q4_0", "IQ4_NL", "Q5_1", "Q5_0", "Q4_1", "IQ4_XS", "Q3_K", "Q2_K"]
MIX = "mix"  # the file of the budget
BUDGETS = ("target_mb", "bits_per_weight", "device")  # keys that say how large that file may be
LEARNED = "-learned"  # after the name of the file that learning begins with
FileType = Literal[
    QuantType,
    "mix",
    "Q8_0-learned",
    "Q6_K-learned",
    "Q5_K_M-learned",
    "Q4_K_M-learned",
    "Q4_0-learned",
    "IQ4_NL-learned",
    "mix-learned",
]


class LearnedConfig(OptimConfig):
    """A file whose blocks are learnt: of the same types and size as llama.cpp's, but nearer to the F16 file, by KL
    divergence on training text of both languages."""

    quant: Literal[QuantType, "mix"]
    """The file that learning begins with, and the learnt one is named after: model-Q4_0-learned.gguf. One of `quants`;
    mix: the file of the budget."""
    codes: bool = True
    """Whether the code of each weight is learnt. False: only the scales are, which is faster and gains less."""
    rounding_tokens: int = Field(default=8192, ge=0, le=100_000_000)
    """Of the training text, on which the codes that learning begins with are chosen, so that the errors of a matrix's
    columns cancel out (GPTQ, arXiv:2210.17323). 0: it begins with llama.cpp's codes."""
    steps: int = Field(default=400, ge=0, le=100_000_000)
    """0: nothing is learnt after that; the file holds the codes so chosen, and one model is in memory at a time."""
    lr: float = Field(default=5e-3, gt=0, le=1)
    """Of the weights that are rounded to codes, in steps from one code to the next."""
    scale_lr: float = Field(default=1e-3, gt=0, le=1)
    """Of scales, norms and biases, as a part of what each was."""
    batch_size: int = Field(default=4, ge=1, le=1_000_000)
    """Sequences per optimizer step."""
    sequence_length: int = Field(default=256, ge=16, le=1_048_576)
    """Tokens of a training sequence."""
    replay: float = Field(default=0.5, ge=0, lt=1)
    """Of the text, the share of base-language sequences."""
    chats: float = Field(default=0.2, ge=0, lt=1)
    """Share of sequences that are chats, where the model was fine-tuned on some."""
    weight_decay: float = Field(default=0.0, ge=0, le=0)
    """Stays 0: it would draw the weights to code 0."""
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    """Autocast type; what is learnt stays float32."""
    eval_every: int = Field(default=100, ge=1)
    """Steps between measurements on text kept apart; the file gets the blocks of the best one."""
    checkpoint_every: int = Field(default=100, ge=1)
    """Steps between checkpoints."""

    @model_validator(mode="after")
    def _does_something(self) -> "LearnedConfig":
        if not self.steps and not self.rounding_tokens:
            raise ValueError("steps and rounding_tokens are both 0: nothing would be learnt")
        return self


class ExportConfig(Section):
    quants: tuple[QuantType, ...] = Field(default=("Q8_0", "Q6_K", "Q4_K_M", "Q4_0"), min_length=1)
    """llama.cpp's own recipes, as they are: a name means here what it means everywhere, and what is made for a budget
    can be compared with it."""
    target_mb: float = Field(default=0.0, ge=0, le=1_000_000)
    """One more file, of not more than so many megabytes (millions of bytes), whose matrices have the types that cost
    least: how much each says something else in each type is measured. 0: none."""
    bits_per_weight: float = Field(default=0.0, ge=0, le=16)
    """Instead of target_mb: bits of the whole file, vocabulary and all, per weight."""
    device: str = ""
    """Instead of target_mb: a device that `lilm fit` knows (iphone-safari, android-6gb, …). The file is as large
    as what an app or a page may use there allows, less what a context of wasm.n_ctx takes."""
    imatrix: bool | str = True
    """Matrices of that file are rounded so that errors fall where inputs are small (an importance matrix). The files of
    `quants` are not: with one llama.cpp gives Q4_0 types that are slow on phones. A path: of one's own, in the GGUF
    format of llama.cpp's llama-imatrix, of this very model with its new pieces; none is measured then."""
    mix_types: tuple[BlockName, ...] = Field(default=("Q8_0", "Q6_K", "Q5_K", "Q4_K", "Q4_0", "IQ4_NL"), min_length=1)
    """What that file's matrices may be. These six are fast on phones and in the browser; Q5_0 (5.5 bits) and Q3_K
    (3.44) are so in the browser alone; the others are only smaller. Rows that 256 does not divide have Q8_0, Q4_0 and
    IQ4_NL of them (and Q5_1, Q5_0, Q4_1). The six, Q5_0 and Q3_K can be learnt."""
    calibration_tokens: int = Field(default=20_000, ge=1_000, le=100_000_000)
    """Of training text, for the importance matrix, both languages together."""
    sensitivity_tokens: int = Field(default=1_024, ge=256, le=1_000_000)
    """Of other training text, for each of some hundred measurements; twice as many take twice as long. With these, the
    types above and 135M parameters two cores would measure for about twelve minutes, reckoned from single ones."""

    shard_mb: float = Field(default=0.0, ge=0, le=1_000_000)
    """A file of more megabytes (millions of bytes) becomes several of at most so many each, by llama.cpp's names
    (model-Q4_0-00001-of-00003.gguf); every llama.cpp and the page open the first of them. 512 is a good size for
    browsers, which take no file above 2,000. A tensor is not divided. 0: files stay whole."""

    adapter: bool = False
    """With pretrain.method = "lora" and no finetune.sources: the folder `lora` with the adapter as a file of its own,
    and the model without it in F16 and each of `quants`, over which llama.cpp loads it (`--lora`)."""
    license: LicenseName = ""
    """Under which you publish the model: general.license of its files, and the model card's. It follows from those of
    the base and of the text, and LiLM does not guess it."""

    learned: tuple[LearnedConfig, ...] = ()
    """[[export.learned]]: files whose blocks are learnt, beside those that they begin with."""

    @model_validator(mode="after")
    def _has_one_target(self) -> "ExportConfig":
        given = [key for key in BUDGETS if getattr(self, key)]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given[:2])} are both given: one of them decides")
        if self.device:
            from lilm.fit.known.devices import find_device  # reads GGUF files too, which most recipes do without

            find_device(self.device)
        if len(set(self.mix_types)) < len(self.mix_types):
            raise ValueError("mix_types names a type twice")
        return self

    @field_validator("imatrix", mode="before")
    @classmethod
    def _is_yes_no_or_a_path(cls, value: Any) -> Any:
        if not isinstance(value, bool | str) or value == "":  # a union's own words would name a key inside this one
            raise ValueError("true, false or the path of a file")
        return value

    @model_validator(mode="after")
    def _has_a_file_to_round(self) -> "ExportConfig":
        if self.imatrix_file and not self.has_budget:
            raise ValueError(
                "export.imatrix is a file, and nothing is rounded with one but the file of export.target_mb, "
                "bits_per_weight or device"
            )
        return self

    @model_validator(mode="after")
    def _begins_with_a_file(self) -> "ExportConfig":
        names = [one.quant for one in self.learned]
        if len(set(names)) < len(names):
            raise ValueError(f"export.learned: a type stands twice in {names}")
        if missing := sorted({*names} - {*self.quants, MIX}):
            raise ValueError(f"export.learned begins with llama.cpp's {missing}, which export.quants does not make")
        if MIX in names and not self.has_budget:
            raise ValueError(
                f"export.learned begins with {MIX!r}, which needs export.target_mb, bits_per_weight or device"
            )
        return self

    @property
    def budget_key(self) -> str:
        """The key that says how large the file of mixed types may be; "" when none does."""
        return next((key for key in BUDGETS if getattr(self, key)), "")

    @property
    def imatrix_file(self) -> str:
        """The path of an importance matrix of one's own; "" without one."""
        return self.imatrix if isinstance(self.imatrix, str) else ""

    @property
    def has_budget(self) -> bool:
        return bool(self.target_mb or self.bits_per_weight or self.device)

    @property
    def files(self) -> tuple[str, ...]:
        """Names of all quantised files, as recipes call them."""
        return (*self.quants, *((MIX,) if self.has_budget else ()), *(one.quant + LEARNED for one in self.learned))

    def target_bytes(self, parameters: int) -> int:
        """Returns the size of the file for a budget in megabytes or bits, at most, for a model of so many parameters; 0
        without one. Of one for a device lilm.fit.budget knows."""
        return int(self.target_mb * 1e6 or self.bits_per_weight * parameters / 8)

    def exported_as(self, name: str) -> str:
        """What reports and files call one of `files`: mix-100MB, mix-4.5bpw-learned, mix-iphone-safari, Q4_0."""
        size = f"{self.target_mb:.10g}MB" if self.target_mb else self.device or f"{self.bits_per_weight:.10g}bpw"
        return f"{MIX}-{size}{name.removeprefix(MIX)}" if name.startswith(MIX) else name
