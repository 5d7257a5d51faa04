"""Bytes that training holds, on the device and on the disk."""

from dataclasses import asdict, dataclass

from lilm.fit.budget import target_bytes
from lilm.fit.device import Place
from lilm.llama.shape import Shape
from lilm.recipe import LEARNED, MIX, ExportConfig, LoraConfig
from lilm.train.pack.megatron import token_bytes
from lilm.train.plan.flops import Method, trained_parameters
from lilm.train.tokenizer.report.curve import Shape as Matrices
from lilm.train.tokenizer.report.curve import row_bytes
from lilm.train.trainer.chunks import CHUNK_ELEMENTS

LOGIT_BYTES = 12  # of one logit: bfloat16, float32, and its gradient in both, some of it freed early
CONTEXT = 1.0e9  # CUDA context and what the allocator wastes
PROCESS = 2.5e9  # resident memory of a process that has torch and transformers loaded
BITS = {  # of a weight in a GGUF file, scales included (llama.cpp's block layouts; the _M mixes as measured on Llama)
    "Q8_0": 8.5,
    "Q6_K": 6.56,
    "Q5_K_M": 5.69,
    "Q4_K_M": 4.85,
    "Q4_0": 4.55,
    "IQ4_NL": 4.5,
}
PIECE_BYTES = 30  # of one in a GGUF's metadata


@dataclass(frozen=True)
class DeviceMemory:
    """Bytes on each device. casts: bfloat16 copies of the matrices, which autocast keeps for the length of a pass."""

    weights: float
    gradients: float
    optimizer: float
    casts: float
    activations: float
    logits: float
    context: float

    @property
    def total(self) -> float:
        return float(sum(asdict(self).values()))


@dataclass(frozen=True)
class Setting:
    """How training is run: what learns, sequences of `window` tokens per forward pass on each of `count` devices."""

    method: Method
    lora: LoraConfig
    window: int
    micro_batch: int
    checkpointing: bool
    bfloat16: bool
    zero: int
    count: int


def layer_activations(shape: Shape, setting: Setting) -> float:
    """Bytes that one layer keeps of one token for the backward pass.

    By what transformers' Llama keeps with fused attention: the residual stream and its normalised form in float32
    before each half; then, in the type of the products, their inputs (in bfloat16 each of q, k, v, gate and up has its
    own cast one; in float32 they share the normalised form), q, k, v and what attention answers, gate, up, the
    activation and the product. LoRA freezes the norms, which then keep only their input, and keeps its inner values.
    """
    cast = 2 if setting.bfloat16 else 4
    kept = 4 * shape.hidden * 4  # two of each half
    kept += 5 * shape.hidden * cast if setting.bfloat16 else 0
    kept += (3 * shape.width + 2 * shape.kv_width) * cast + 4 * shape.intermediate * cast
    if setting.method == "lora":
        adapters = sum(name in shape.linear() for name in setting.lora.target_modules)
        kept += adapters * setting.lora.rank * cast - 2 * shape.hidden * 4
    return float(kept)


def device_memory(shape: Shape, setting: Setting) -> DeviceMemory:
    """Weights, gradients and AdamW's two moments in float32; ZeRO 1, 2 and 3 share out the moments, the gradients and
    the weights (Rajbhandari et al. 2020)."""
    trained = trained_parameters(shape, setting.method, setting.lora)
    frozen_extra = shape.lora(setting.lora.rank, setting.lora.target_modules) if setting.method == "lora" else 0
    weights = 4.0 * (shape.parameters + frozen_extra)
    share = {stage: setting.count if setting.zero >= stage else 1 for stage in (1, 2, 3)}
    tokens = setting.window * setting.micro_batch
    layer = layer_activations(shape, setting) * tokens
    boundary = 4.0 * shape.hidden * tokens
    activations = boundary * shape.layers + layer if setting.checkpointing else layer * shape.layers
    return DeviceMemory(
        weights=weights / share[3],
        gradients=4.0 * trained / share[2],
        optimizer=8.0 * trained / share[1],
        casts=2.0 * (shape.body + shape.head) if setting.bfloat16 and setting.zero < 3 else 0.0,
        activations=activations,
        logits=float(LOGIT_BYTES * min(tokens * shape.vocab, CHUNK_ELEMENTS)),
        context=CONTEXT,
    )


def host_memory(shape: Shape, count: int, on_host: float) -> float:
    """Bytes of the machine's memory: each process reads the whole model before it puts it on its device. on_host: what
    each holds there while it trains (all of it on a CPU). The token store is mapped, not held."""
    return count * (PROCESS + max(on_host, 4.0 * shape.parameters))


@dataclass(frozen=True)
class Disk:
    """Bytes. tokens: the packed corpus, if each token is seen once. checkpoints: two for a moment, the old one and the
    new one. model: the trained one. exports: F16, the recipe's quants and the file of its budget."""

    tokens: float
    checkpoints: float
    model: float
    exports: float

    @property
    def total(self) -> float:
        return float(sum(asdict(self).values()))


def file_bytes(shape: Shape, file_type: str) -> float:
    """Returns the size of a GGUF file: the matrices in its types (as the tokenizer's report has them for the
    vocabulary's), norms and biases in float32, and the pieces with their scores and merges. The file types whose layers
    are all of one type: Q4_0, Q8_0, F16."""
    matrices = Matrices(shape.hidden, shape.tied)
    layers = sum(row_bytes(inputs, file_type) * outputs for inputs, outputs in shape.linear().values())
    return shape.layers * layers + 4.0 * shape.vectors + shape.vocab * (matrices.row_bytes(file_type) + PIECE_BYTES)


def disk(shape: Shape, trained: int, tokens: float, export: ExportConfig, place: Place | None = None) -> Disk:
    """trained: parameters with optimizer state, whose weights and moments a checkpoint holds in float32. place: of an
    export's budget for a device."""
    begun = [name.removesuffix(LEARNED) for name in export.files]
    return Disk(
        tokens=tokens * token_bytes(shape.vocab),
        checkpoints=2 * 12.0 * trained,
        model=4.0 * shape.parameters,
        exports=shape.parameters * (16 + sum(BITS[name] for name in begun if name != MIX)) / 8
        + begun.count(MIX) * target_bytes(export, shape, place),
    )
