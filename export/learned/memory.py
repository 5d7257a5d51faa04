"""What learning blocks holds in memory, and what it keeps on the disk meanwhile."""

from collections.abc import Sequence

from lilm.export.memory import PROCESS, require_memory
from lilm.llama.shape import Shape
from lilm.recipe import LearnedConfig
from lilm.recipe.pretrain import LoraConfig
from lilm.train.plan.memory import BITS, Setting, layer_activations
from lilm.train.trainer.checkpoint import HEADERS
from lilm.train.trainer.chunks import CHUNK_ELEMENTS

LOGIT_BYTES = 20  # of one logit while the divergence is taken: both models' in two types, and the slope
MOMENTS = 12.0  # of what learns in a checkpoint: itself and AdamW's moments
BEST = 4.0  # of what learns, as it was when it was best
MOST_LEARN = 1 / 16  # of a weight: its group's scale, of 16 weights, or scale and min, of 32; norms are in the head
SCALE_BYTES = 1.5  # of a weight: its group's scale as it began, as it is, its gradient and AdamW's moments


def needed(shape: Shape, config: LearnedConfig) -> float:
    """Bytes, about; as tried on a CPU a tenth more or less."""
    return PROCESS + (_learning(shape, config) if config.steps else _rounding(shape, config))


def _learning(shape: Shape, config: LearnedConfig) -> float:
    """The student's weights and their gradients; of what is rounded to codes itself and two moments, or the codes."""
    bfloat16 = config.dtype == "bfloat16"
    teacher = (2.0 if bfloat16 else 4.0) * shape.body + 4.0 * shape.embeddings
    latent = 12.0 if config.codes else 1.0
    window = min(config.sequence_length, shape.context)
    sequences = config.micro_batch_size or config.batch_size
    setting = Setting("full", LoraConfig(), window, sequences, False, bfloat16, 0, 1)
    tokens = window * sequences
    activations = layer_activations(shape, setting) * shape.layers * tokens
    logits = LOGIT_BYTES * min(tokens * shape.vocab, CHUNK_ELEMENTS)
    return teacher + (4.0 + 4.0 + latent + SCALE_BYTES) * shape.parameters + activations + logits


def _rounding(shape: Shape, config: LearnedConfig) -> float:
    """One model, the output matrix as it was, the blocks, the tokens' hidden states, and what the widest matrix takes:
    the products of its inputs, two factors of them in float64, and its weights four times."""
    widest = max(shape.linear().values(), key=lambda sides: sides[0])
    states = 2 * 4.0 * config.rounding_tokens * shape.hidden
    products = (4 + 16) * float(widest[0]) ** 2 + 16.0 * widest[0] * widest[1]
    blocks = BITS.get(config.quant, BITS["Q8_0"]) / 8 * shape.body
    return 4.0 * (shape.parameters + shape.head) + blocks + states + products


def checkpoint_room(configs: Sequence[LearnedConfig], shape: Shape) -> int:
    """Bytes of disk, at most, for the checkpoints of learning one of these files after another: the last of each stays
    until all are made, and lies there beside the next while that is written. With each are its best weights."""
    each = [
        (MOMENTS + BEST) * (int(one.codes) + MOST_LEARN) * shape.parameters + HEADERS for one in configs if one.steps
    ]
    return int(sum(each) + max(each, default=0))


def require_learning(shape: Shape, config: LearnedConfig) -> None:
    """Raises LilmError when the device has less to give, and says what would fit."""
    ways = []
    if config.steps:
        rounding = needed(shape, config.model_copy(update={"steps": 0}))
        ways.append(f"set steps = 0, which rounds without learning, for {rounding / 1e9:.1f} GB")
    if config.steps and config.codes:
        scales = needed(shape, config.model_copy(update={"codes": False}))
        ways.append(f"codes = false, which learns scales alone, for {scales / 1e9:.1f} GB")
    remedy = " or ".join([*ways, "use a machine with more memory"])
    require_memory(needed(shape, config), f"learning {config.quant}", shape, "export.learned", remedy)
