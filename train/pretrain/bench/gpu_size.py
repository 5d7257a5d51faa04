"""What `lilm bench gpu` trains, at each size."""

from dataclasses import dataclass
from pathlib import Path

from lilm.llama.shape import Shape
from lilm.train.plan.shape import KNOWN

# SmolLM2-135M's config.json (Allal et al. 2025, arXiv:2502.02737), with 8,000 pieces more, filled up to 64
SMOLLM2 = Shape(
    vocab=57_152, hidden=576, intermediate=1536, layers=30, heads=9, kv_heads=3, head_dim=64, tied=True, context=8192
)
TINYLLAMA = Shape.of(KNOWN["TinyLlama/TinyLlama-1.1B"], vocab=51_520)
CHECKED = Shape(
    vocab=51_520, hidden=512, intermediate=1408, layers=2, heads=8, kv_heads=2, head_dim=64, tied=True, context=2048
)
TOY = Shape(vocab=997, hidden=64, intermediate=128, layers=1, heads=4, kv_heads=2, head_dim=16, tied=True, context=64)


@dataclass(frozen=True)
class Size:
    """check: shape of the checks' model. speed, pilot: shapes of the two models that are trained. window: tokens of a
    sequence. batch_size: sequences of a step. rows: sequences of a forward pass, first without torch.compile, then with
    it. pilot_rows: the same of the pilot, and a whole step's. seconds: that each try is timed."""

    check: Shape
    speed: Shape
    pilot: Shape
    window: int
    batch_size: int
    rows: tuple[int, ...]
    pilot_rows: int
    seconds: float


SIZES = {
    "tinyllama": Size(
        check=CHECKED,
        speed=TINYLLAMA,
        pilot=SMOLLM2,
        window=2048,
        batch_size=64,
        rows=(8, 8, 16),
        pilot_rows=32,
        seconds=10.0,
    ),
    "tiny": Size(check=TOY, speed=TOY, pilot=TOY, window=64, batch_size=8, rows=(4, 4, 8), pilot_rows=8, seconds=0.3),
}


@dataclass(frozen=True)
class Settings:
    """What a part is run with. device: "cuda" or "cpu". base, tokens: folders of those stages, or none. flops: FLOP/s
    that training has reached, 0 when not known. compile_s: seconds that the first step took in the pilot's place."""

    size: Size
    device: str
    base: Path | None = None
    tokens: Path | None = None
    flops: float = 0.0
    compile_s: float = 0.0
