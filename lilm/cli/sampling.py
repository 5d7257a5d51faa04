"""How text is drawn: the options of every command that has a model write, by llama.cpp's names."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lilm.errors import LilmError

if TYPE_CHECKING:
    from lilm.recipe import SamplingConfig

TemperatureOption = Annotated[
    float | None, typer.Option("--temp", help="0 takes the likeliest token each time. 0.8 when not given.")
]
TopKOption = Annotated[int | None, typer.Option("--top-k", help="40 when not given; 0 takes all tokens.")]
TopPOption = Annotated[float | None, typer.Option("--top-p", help="0.95 when not given.")]
MinPOption = Annotated[float | None, typer.Option("--min-p", help="0.05 when not given.")]
RepeatPenaltyOption = Annotated[
    float | None,
    typer.Option(
        "--repeat-penalty",
        help="Above 1 avoids words just used. 1.1 when not given, since small models repeat themselves; "
        "llama.cpp's own default is 1.0.",
    ),
]
LoraOption = Annotated[
    Path | None, typer.Option("--lora", metavar="ADAPTER.gguf", help="An adapter to load over the model.")
]
NPredictOption = Annotated[int, typer.Option("--n-predict", min=1, help="Longest answer, tokens.")]
NCtxOption = Annotated[
    int, typer.Option("--n-ctx", min=16, help="Context, tokens; at most what the model was trained on.")
]


def sampling_of(
    temp: float | None, top_k: int | None, top_p: float | None, min_p: float | None, repeat_penalty: float | None
) -> "SamplingConfig":
    """The defaults of the page, but for what is given. Raises LilmError for a value that is not allowed."""
    from pydantic import ValidationError

    from lilm.recipe import SamplingConfig

    given = {"temperature": temp, "top_k": top_k, "top_p": top_p, "min_p": min_p, "repeat_penalty": repeat_penalty}
    try:
        return SamplingConfig.model_validate({name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = "temp" if first["loc"] == ("temperature",) else "-".join(str(first["loc"][0]).split("_"))
        raise LilmError(
            f"{first['input']}: {first['msg']}", where=f"--{name}", remedy="choose another value"
        ) from error


def checked_seed(seed: int | None) -> int:
    """The seed, or one by chance. Raises LilmError for what llama.cpp does not take for one."""
    from lilm.llamacpp.answers import MAX_SEED

    if seed is None:
        import secrets

        return secrets.randbelow(MAX_SEED)
    if not 0 <= seed <= MAX_SEED:
        raise LilmError(f"{seed} is no seed", where="--seed", remedy=f"use 0 to {MAX_SEED}")
    return seed
