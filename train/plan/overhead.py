"""What a training does beside its steps, which on a small machine is a large part: measurements and checkpoints."""

from dataclasses import dataclass

from lilm.llama.flops import forward_flops
from lilm.llama.shape import Shape
from lilm.recipe import PretrainConfig, Recipe
from lilm.train.plan.flops import Method, trained_parameters
from lilm.train.plan.hardware import Hardware

ENGLISH_BYTES = 4.0  # of a token of the base's language
NEW_BYTES = {False: 1.7, True: 4.5}  # of one of the new language, without new pieces and with some thousand: .56 and
# 1.5 characters of Japanese a token, as SmolLM2 has before and after


@dataclass(frozen=True)
class Overhead:
    """Seconds. measuring: bits per byte and samples. saving: checkpoints, and the model at the end."""

    measuring: float
    saving: float


def measurements(config: PretrainConfig, steps: tuple[int, int]) -> int:
    """How often the model with all its rows is measured: at the beginning and the end of each stage and every
    `eval_every` steps, but the end of the first and the beginning of the second once. steps: of the two stages."""
    inner = sum(-(-count // config.eval_every) for count in steps)
    return 1 + inner


def checkpoints(every: int, steps: int) -> int:
    return -(-steps // every)


def overhead(recipe: Recipe, shape: Shape, steps: tuple[int, int], hardware: Hardware) -> Overhead:
    """steps: of the two stages; 0 where one is left out."""
    config = recipe.pretrain
    has_new = recipe.tokenizer.pieces > 0
    often = measurements(config, steps)
    tokens = often * config.eval_bytes * (1 / ENGLISH_BYTES + 1 / NEW_BYTES[has_new])
    if has_new:  # once before there are new rows, by the base's own pieces
        tokens += config.eval_bytes * (1 / ENGLISH_BYTES + 1 / NEW_BYTES[False])
    sampled = 2 * config.samples * config.sample_tokens * often
    forward = forward_flops(shape, config.sequence_length)
    methods: tuple[Method, Method] = ("new rows", config.method)
    written = sum(
        checkpoints(config.checkpoint_every, count) * 12.0 * trained_parameters(shape, method, config.lora)
        for count, method in zip(steps, methods, strict=True)
    )
    return Overhead(
        measuring=tokens * forward / hardware.forward + sampled * hardware.token_seconds,
        saving=(written + 4.0 * shape.parameters) / hardware.writing,
    )
