"""Token Distillation: the model reads a new piece as it read the sub-tokens that the piece was spelt with.

Dobler, Elliott & de Melo 2025, "Token Distillation: Attention-aware Input Embeddings For New Tokens": the new input
rows, and nothing else, are trained until the hidden states over a text in the new vocabulary are those over the same
text in the old one. Unlike the paper, a snippet has all its new pieces at once and not one: a vocabulary of thousands
is learnt in one pass over a few thousand snippets.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch.nn.functional import embedding

from lilm.errors import LilmError
from lilm.progress import Reporter
from lilm.recipe.pretrain import PretrainConfig
from lilm.train.pretrain.init_snippets import Snippet, collect_snippets, stack_ids, stack_places
from lilm.vocabulary.pieces import Pieces

EPOCHS = 10  # over little text; after more the rows know it by heart
PIECES_A_STEP = 12


@dataclass(frozen=True)
class Distillation:
    """steps: of AdamW, at most; 0: one for each PIECES_A_STEP new pieces, and 100 or more. batch_size: snippets of one.
    lr: first rate, as a share of the old rows' root mean square; it falls to 0 along a cosine. dtype: autocast type;
    the rows themselves stay float32."""

    steps: int = 0
    batch_size: int = 16
    lr: float = 0.1
    dtype: Literal["float32", "bfloat16"] = "bfloat16"

    @classmethod
    def of(cls, config: PretrainConfig) -> "Distillation":
        return cls(steps=config.distillation_steps, dtype=config.dtype)


def distil_input_rows(
    model: Any,
    base: Pieces,
    merged: Pieces,
    texts: Iterable[str],
    seed: int,
    reporter: Reporter,
    settings: Distillation = Distillation(),
) -> dict[str, float]:
    """Train the rows of `merged`'s new pieces in the input matrix, in place; old rows and all else keep their bits.

    model: a LlamaForCausalLM with rows for all pieces, the new ones begun as means. texts: documents of the language to
    learn, read as far as needed. Returns snippets, pieces_shown (share of the new pieces that stand in one) and the
    distance of hidden states before and after (mean square of the difference / mean square of the target). Where input
    and output matrix are one, the output side gets the learnt rows too. Raises LilmError when no text has a new piece.
    """
    n_old = len(base)
    window = model.config.max_position_embeddings
    steps = settings.steps or max(100, (len(merged) - n_old) // PIECES_A_STEP)
    snippets = collect_snippets(texts, base, merged, window, steps * settings.batch_size)
    if not snippets:
        raise LilmError("no text has a new piece", where="pretrain.init", remedy='use init = "mean", or add text')
    matrix = model.get_input_embeddings().weight
    frozen = {parameter: parameter.requires_grad for parameter in model.parameters()}
    model.requires_grad_(False)
    model.eval()
    rows = torch.nn.Parameter(matrix.detach()[n_old:].float().clone())
    scale = float(matrix.detach()[:n_old].float().pow(2).mean().sqrt())
    optimizer = torch.optim.AdamW([rows], lr=settings.lr * scale, betas=(0.9, 0.95), weight_decay=0.0)
    steps = min(steps, EPOCHS * -(-len(snippets) // settings.batch_size))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    order = _orders(len(snippets), steps * settings.batch_size, seed)
    probe = snippets[:: max(1, len(snippets) // (4 * settings.batch_size))]
    before = _probe(model, probe, rows, n_old, settings)
    with reporter.bar("distil new rows", steps) as bar:
        for step in range(steps):
            chosen = order[step * settings.batch_size : (step + 1) * settings.batch_size]
            loss = _distance(model, [snippets[index] for index in chosen], rows, n_old, settings.dtype)
            torch.autograd.backward(loss)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            schedule.step()
            bar.advance(note=f"distance {loss.item():.3f}")
    after = _probe(model, probe, rows, n_old, settings)
    with torch.no_grad():
        matrix[n_old:] = rows.to(matrix)
    for parameter, learns in frozen.items():
        parameter.requires_grad_(learns)
    shown = {index for snippet in snippets for index in snippet.new.tolist() if index >= n_old}
    share = len(shown) / sum(not merged.is_unused(index) for index in range(n_old, len(merged)))
    figures = {"pieces_shown": share, "distance_before": before, "distance_after": after}
    return {"snippets": len(snippets), **{name: round(value, 4) for name, value in figures.items()}}


def _orders(count: int, wanted: int, seed: int) -> list[int]:
    """`wanted` numbers below `count`: one permutation after the other."""
    generator = torch.Generator().manual_seed(seed)
    epochs = -(-wanted // count)
    return [index for _ in range(epochs) for index in torch.randperm(count, generator=generator).tolist()][:wanted]


def _distance(model: Any, snippets: list[Snippet], rows: torch.Tensor, n_old: int, dtype: str) -> torch.Tensor:
    device, matrix = model.device, model.get_input_embeddings().weight
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=dtype == "bfloat16"):
        with torch.no_grad():
            old = stack_ids([snippet.old for snippet in snippets], device)
            target = model.model(input_ids=old, use_cache=False).last_hidden_state
        new = stack_ids([snippet.new for snippet in snippets], device)
        learnt = embedding((new - n_old).clamp(min=0), rows).to(matrix)
        known = embedding(new.clamp(max=n_old - 1), matrix)
        inputs = torch.where((new >= n_old)[..., None], learnt, known)
        found = model.model(inputs_embeds=inputs, use_cache=False).last_hidden_state
    wanted = target[stack_places([snippet.old_at for snippet in snippets], device)].float()
    got = found[stack_places([snippet.new_at for snippet in snippets], device)].float()
    distance: torch.Tensor = (got - wanted).pow(2).mean() / wanted.pow(2).mean()
    return distance


@torch.no_grad()
def _probe(model: Any, snippets: list[Snippet], rows: torch.Tensor, n_old: int, settings: Distillation) -> float:
    size = settings.batch_size
    parts = [snippets[at : at + size] for at in range(0, len(snippets), size)]
    return sum(float(_distance(model, part, rows, n_old, settings.dtype)) for part in parts) / len(parts)
