"""What trains on a GPU, as far as a CPU can run it: documents one by one, and the loss that torch.compile is given."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from lilm.train.pack.packing import IGNORE
from lilm.train.trainer import loss
from lilm.train.trainer.attention import SDPA, choose_attention, document_borders, exact_attention, flat_attention
from lilm.train.trainer.batches import Batch
from lilm.train.trainer.loss import LossModel
from lilm.train.trainer.loss_fused import FusedLoss, chunk_rows

varlen = pytest.importorskip("torch.nn.attention.varlen")
VOCAB = 97


@pytest.fixture(scope="module", autouse=True)
def on_a_cpu() -> None:
    """torch has its attention over packed sequences for GPUs alone: this is the same arithmetic, a document at a time,
    so that what leads to the kernel and from it (shapes, types, autograd, tracing) is what a GPU gets."""

    def heads(tensor: torch.Tensor, repeat: int) -> torch.Tensor:
        return tensor.float().repeat_interleave(repeat, 1).transpose(0, 1)

    def documents(borders: torch.Tensor) -> Iterator[slice]:
        return (slice(*pair) for pair in pairwise(borders.tolist()))

    def seen(query: torch.Tensor, key: torch.Tensor, scale: float) -> torch.Tensor:
        size = query.shape[1]
        later = torch.ones(size, size, dtype=torch.bool).triu(1)
        return (query @ key.mT * scale).masked_fill(later, float("-inf")).softmax(-1)

    def forward(query: Any, key: Any, value: Any, borders: Any, *rest: Any) -> tuple[torch.Tensor, ...]:
        _, longest, _, is_causal, scale = rest[:5]
        assert query.dtype == key.dtype == value.dtype == torch.bfloat16, "what FlashAttention takes"
        assert is_causal and int(borders.diff().max()) <= longest
        repeat, found = query.shape[1] // key.shape[1], torch.empty_like(query)
        for at in documents(borders):
            weights = seen(heads(query[at], 1), heads(key[at], repeat), scale)
            found[at] = (weights @ heads(value[at], repeat)).transpose(0, 1).to(query.dtype)
        return found, torch.zeros(query.shape[1], query.shape[0]), torch.zeros(2, dtype=torch.uint64)

    def backward(upper: Any, query: Any, key: Any, value: Any, *rest: Any) -> tuple[torch.Tensor, ...]:
        borders, scale, repeat = rest[2], rest[8], query.shape[1] // key.shape[1]
        found = tuple(torch.zeros_like(one) for one in (query, key, value))
        for at in documents(borders):
            q, g, k, v = (heads(x[at], n) for x, n in ((query, 1), (upper, 1), (key, repeat), (value, repeat)))
            weights = seen(q, k, scale)
            of_weights = g @ v.mT
            slope = weights * (of_weights - (of_weights * weights).sum(-1, keepdim=True)) * scale
            for gradient, one in zip(found, (slope @ k, slope.mT @ q, weights.mT @ g), strict=True):
                shared = one.transpose(0, 1).unflatten(1, (gradient.shape[1], -1)).sum(2)
                gradient[at] = shared.to(gradient.dtype)
        return found

    varlen._varlen_attn.register_kernel("cpu", forward)
    varlen._varlen_attn_backward.register_kernel("cpu", backward)


def tiny() -> LlamaForCausalLM:
    torch.manual_seed(0)
    shape = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 8}
    return LlamaForCausalLM(LlamaConfig(vocab_size=VOCAB, num_key_value_heads=2, tie_word_embeddings=True, **shape))


def packed(step: int) -> Batch:
    """4 rows of 32 places with 3 documents each, in step 2 with one."""
    ids = torch.randint(0, VOCAB, (4, 32), generator=torch.Generator().manual_seed(step))
    sizes = [32] if step == 2 else [5 + step, 20 - step, 7]
    positions = torch.cat([torch.arange(size) for size in sizes]).expand(4, 32).contiguous()
    return Batch(ids, positions, ids.roll(-1, dims=1))


def passes(model: LlamaForCausalLM, loss_model: LossModel, flat: bool) -> list[tuple[float, torch.Tensor]]:
    """Of four steps, each in two micro-batches: (loss in nats, gradient of the key projection)."""
    found = []
    with flat_attention(model, flat):
        for step in range(4):
            model.zero_grad()
            total = 0.0
            for inputs in loss_model.inputs(packed(step), 2):
                one = loss_model(*inputs)
                one.backward()
                total += one.item()
            gradient = model.model.layers[0].self_attn.k_proj.weight.grad
            assert gradient is not None
            found.append((total, gradient.clone()))
    return found


def same(ours: list[tuple[float, torch.Tensor]], wanted: list[tuple[float, torch.Tensor]], rel: float) -> None:
    for (mine, gradient), (theirs, wanted_gradient) in zip(ours, wanted, strict=True):
        assert mine == pytest.approx(theirs, rel=rel / 10)
        assert float((gradient - wanted_gradient).norm() / wanted_gradient.norm()) < rel


def test_document_by_document_is_what_the_mask_says() -> None:
    model = tiny()
    masked = passes(model, LossModel(model, "float32"), flat=False)
    same(passes(model, LossModel(model, "bfloat16", flat=True), flat=True), masked, rel=0.02)


def test_compiled_once_for_any_number_of_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the loss of a GPU; traced as for one, but not turned into machine code."""

    def fused(hidden: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor, soft: None, kept_rows: int) -> Any:
        return FusedLoss.apply(hidden.reshape(-1, hidden.shape[-1]), weight, labels.reshape(-1), 48, kept_rows)

    monkeypatch.setattr(loss, "summed_loss", fused)
    model = tiny()
    eager = passes(model, LossModel(model, "bfloat16", flat=True), flat=True)
    torch.compiler.reset()
    torch._dynamo.utils.counters.clear()
    compiled = LossModel(model, "bfloat16", flat=True)
    compiled.compile(backend="aot_eager")
    same(passes(model, compiled, flat=True), eager, rel=0.02)
    counters = torch._dynamo.utils.counters
    assert counters["stats"]["unique_graphs"] == 1, "another number of documents is no other graph"
    assert not counters["graph_break"]


def test_borders_are_where_positions_do_not_go_on() -> None:
    # a row begins a document, whatever its positions say; so does a position that is not the next
    positions = torch.tensor([[0, 1, 2, 0, 1], [3, 4, 0, 0, 1]])
    assert document_borders(positions).tolist() == [0, 3, 5, 7, 8, 10]


def test_a_cpu_keeps_its_attention_and_measuring_never_sees_the_kernel() -> None:
    model = tiny()
    assert not choose_attention(model, torch.device("cpu"), "bfloat16")
    ids = torch.randint(0, VOCAB, (1, 9))
    before = model(input_ids=ids).logits
    with flat_attention(model, True), exact_attention(model):
        assert torch.equal(model(input_ids=ids).logits, before)
    assert model.config._attn_implementation == SDPA, "after training the model is as it was"
    assert torch.equal(model(input_ids=ids).logits, before)


@pytest.mark.parametrize("rows", [13, 1000])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_fused_loss_and_its_gradients_are_torchs(rows: int, dtype: str) -> None:
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(100, 8, generator=generator).to(getattr(torch, dtype))
    weight = torch.randn(VOCAB, 8, generator=generator).to(hidden.dtype).float()
    labels = torch.randint(0, VOCAB, (100,), generator=generator)
    labels[:7] = IGNORE
    ours, wanted = [[one.clone().requires_grad_() for one in (hidden, weight)] for _ in range(2)]
    total = FusedLoss.apply(*ours, labels, rows) / 93  # type: ignore[no-untyped-call]
    total.backward()
    torchs = torch.nn.functional.cross_entropy(wanted[0].float() @ wanted[1].T, labels, ignore_index=IGNORE)
    torchs.backward()
    close = {"rtol": 1e-4, "atol": 1e-6} if dtype == "float32" else {"rtol": 0.02, "atol": 2e-3}
    torch.testing.assert_close(total, torchs, rtol=1e-4 if dtype == "float32" else 0.01, atol=0)
    for mine, theirs in zip(ours, wanted, strict=True):
        assert mine.grad is not None and theirs.grad is not None and mine.grad.dtype == theirs.grad.dtype
        torch.testing.assert_close(mine.grad, theirs.grad, **close)
    kept = [one.detach().clone().requires_grad_() for one in ours]
    (FusedLoss.apply(*kept, labels, rows, 11) / 93).backward()  # type: ignore[no-untyped-call]
    assert kept[1].grad is not None and ours[1].grad is not None
    assert not kept[1].grad[:11].any(), "rows that are kept learn nothing"
    torch.testing.assert_close(kept[1].grad[11:], ours[1].grad[11:], **close)


def test_chunks_are_whole_tiles_and_cover_every_token() -> None:
    for tokens in (1, 2048, 16_384, 65_536):
        rows = chunk_rows(tokens, 51_520)
        assert rows % 128 == 0
        assert rows * 51_520 <= 1 << 28
        assert (-(-tokens // rows)) * rows < tokens + 128 * (tokens // rows + 1), "the last chunk is not a rest"
