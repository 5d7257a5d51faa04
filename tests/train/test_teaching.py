"""New pieces learn from all of the corpus: what follows them, how often they stand there, and level steps."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from lilm.devices import prepare_torch
from lilm.progress import Reporter
from lilm.recipe import OptimConfig
from lilm.train.pack.memory_store import MemoryStore
from lilm.train.pack.packing import IGNORE, PackedSequences
from lilm.train.pretrain.bigrams import DISCOUNT, count_bigrams, taught
from lilm.train.pretrain.init_frequency import expect_frequencies, hidden_states
from lilm.train.pretrain.teaching import NOTHING_NEW, prepare_teaching
from lilm.train.trainer.batches import Batch, SoftTargets, mixed
from lilm.train.trainer.compiled import compiled_layers
from lilm.train.trainer.loop import Job, train
from lilm.train.trainer.loss import LossModel, summed_loss

FIRST, VOCAB, WINDOW = 20, 32, 16
DOCUMENTS = [[1, 20, 21, 5, 20, 21, 2], [1, 20, 22, 3, 20, 2], [1, 7, 8, 2]]


def tiny(tied: bool = True) -> LlamaForCausalLM:
    prepare_torch(0, 1)
    config = LlamaConfig(
        vocab_size=VOCAB,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=64,
        tie_word_embeddings=tied,
    )
    return LlamaForCausalLM(config)


def batch(*rows: list[int]) -> Batch:
    ids = torch.tensor(rows)
    labels = torch.cat([ids[:, 1:], torch.full((len(rows), 1), IGNORE)], dim=1)
    return Batch(ids, torch.arange(ids.shape[1]).expand(ids.shape), labels)


def as_table(soft: SoftTargets) -> list[dict[int, float]]:
    return [
        dict(zip(soft.pieces[begin:end].tolist(), soft.shares[begin:end].tolist(), strict=True))
        for begin, end in pairwise(soft.starts.tolist())
    ]


def test_successors_are_those_of_the_whole_corpus_discounted() -> None:
    found = as_table(count_bigrams(MemoryStore(DOCUMENTS), FIRST, VOCAB).targets(batch([20, 5, 21]), 1.0))
    # 20 is followed by 21 twice, by 22 and by 2 once; by nothing across the border of a document
    assert found[0] == pytest.approx({2: (1 - DISCOUNT) / 4, 21: (2 - DISCOUNT) / 4, 22: (1 - DISCOUNT) / 4})
    assert found[1] == {}, "an old piece has the text's own target"
    assert found[2] == pytest.approx({2: (1 - DISCOUNT) / 2, 5: (1 - DISCOUNT) / 2})


def test_counting_in_blocks_is_counting_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = count_bigrams(MemoryStore(DOCUMENTS), FIRST, VOCAB)
    monkeypatch.setattr("lilm.train.pretrain.bigrams.BLOCK_TOKENS", 1)
    parts = count_bigrams(MemoryStore(DOCUMENTS), FIRST, VOCAB)
    for name in ("starts", "followers", "shares"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))


@pytest.mark.parametrize("elements", [10**9, VOCAB * 2])
def test_the_gradient_is_that_of_the_cross_entropy_with_both_targets(
    monkeypatch: pytest.MonkeyPatch, elements: int
) -> None:
    monkeypatch.setattr("lilm.train.trainer.loss.CHUNK_ELEMENTS", elements)
    one = batch([20, 21, 5, 20, 22, 3], [1, 7, 20, 2, 0, 0])
    soft = count_bigrams(MemoryStore(DOCUMENTS), FIRST, VOCAB).targets(one, 0.5)
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(2, 6, 8, generator=generator)
    weight = torch.randn(VOCAB, 8, generator=generator)
    ours, wanted = [[value.clone().requires_grad_() for value in (hidden, weight)] for _ in range(2)]
    loss = summed_loss(ours[0], ours[1], one.labels, soft)
    loss.backward()
    assert loss.item() == pytest.approx(summed_loss(hidden, weight, one.labels).item()), "the value is the labels'"
    target = torch.zeros(12, VOCAB)
    for at, (shares, label) in enumerate(zip(as_table(soft), one.labels.view(-1).tolist(), strict=True)):
        if label != IGNORE:
            for piece, share in shares.items():
                target[at, piece] += share
            target[at, label] += 1 - sum(shares.values())
    logits = (wanted[0] @ wanted[1].T).flatten(0, 1)
    (-(target * logits.log_softmax(-1)).sum()).backward()
    for mine, torchs in zip(ours, wanted, strict=True):
        torch.testing.assert_close(mine.grad, torchs.grad, rtol=1e-4, atol=1e-5)


def test_micro_batches_have_their_own_targets() -> None:
    rows = [[20, 21, 5, 20, 22, 3], [1, 7, 20, 2, 0, 0], [21, 2, 0, 0, 20, 21]]
    bigrams = count_bigrams(MemoryStore(DOCUMENTS), FIRST, VOCAB)
    at = taught(lambda step: batch(*rows), bigrams, lambda step: 0.9)
    model = LossModel(tiny(), "float32")
    whole = model(*model.inputs(at(0), 3)[0])
    whole.backward()
    wanted = model.output_matrix().grad
    assert wanted is not None
    wanted = wanted.clone()
    model.zero_grad()
    for inputs in model.inputs(at(0), 1):
        model(*inputs).backward()
    torch.testing.assert_close(model.output_matrix().grad, wanted)
    plain = replace(at(0), soft=None)
    model.zero_grad()
    model(*model.inputs(plain, 3)[0]).backward()
    assert not torch.allclose(model.output_matrix().grad, wanted), "the targets had an effect"


def test_stage_2_ends_with_the_text_itself() -> None:
    model, sequences = tiny(), PackedSequences(MemoryStore(DOCUMENTS * 9), WINDOW, 0)
    teaching = prepare_teaching(model, sequences, FIRST, 0.8)
    plain = mixed(sequences, None, 0.0, 2)

    def shares(stage: int, step: int) -> float:
        soft = teaching.batches(plain, stage, 10)(step).soft
        return 0.0 if soft is None else float(soft.shares.max())

    assert shares(1, 9) == shares(1, 0) == pytest.approx(2 * shares(2, 5)) == pytest.approx(shares(2, 0))
    assert shares(2, 10) == 0
    assert NOTHING_NEW.batches(plain, 1, 10) is plain


@pytest.mark.parametrize("tied", [True, False])
def test_new_rows_move_at_right_angles_to_the_mean_hidden_state(tmp_path: Path, tied: bool) -> None:
    model, sequences = tiny(tied), PackedSequences(MemoryStore(DOCUMENTS * 9), WINDOW, 0)
    level = prepare_teaching(model, sequences, FIRST, 0.0).level
    assert level is not None and float(level.norm()) == pytest.approx(1, rel=1e-5)
    model.requires_grad_(False)
    for matrix in (model.model.embed_tokens.weight, model.lm_head.weight):
        matrix.requires_grad_(True)
    before = model.lm_head.weight.detach().clone()
    optim = OptimConfig(steps=5, lr=1e-2, batch_size=2, weight_decay=0.0)
    job = Job("rows", optim, mixed(sequences, None, 0.0, 2), tmp_path, kept_rows=FIRST, level=level)
    train(model, job, Reporter(quiet=True))
    moved = model.lm_head.weight.detach() - before
    assert torch.equal(moved[:FIRST], torch.zeros_like(moved[:FIRST])), "the old rows keep their bits"
    assert float(moved[FIRST:].norm()) > 0.01
    assert float((moved[FIRST:] @ level).abs().max()) < 1e-5


class Letters:
    """A vocabulary whose pieces are characters: the id is the code point's last five bits."""

    bos_id = 1

    def __init__(self, size: int) -> None:
        self._size = size

    def __len__(self) -> int:
        return self._size

    def encode(self, text: str) -> list[int]:
        return [ord(char) % VOCAB for char in text]


def test_frequent_pieces_are_expected_more_often() -> None:
    model = tiny()
    often, seldom = chr(FIRST + 32), chr(FIRST + 33)
    text = (often * 9 + seldom + "abc") * 40
    windows = torch.tensor([Letters(VOCAB).encode(text)[:64]])

    def expected() -> torch.Tensor:
        with torch.no_grad():
            return (hidden_states(model, windows) @ model.lm_head.weight.T).softmax(-1).mean(dim=0)

    before = expected()
    expect_frequencies(model, Letters(FIRST), Letters(VOCAB), [text])  # type: ignore[arg-type]
    after = expected()
    unseen = FIRST + 2
    assert after[FIRST] > after[FIRST + 1] > after[unseen]
    assert after[FIRST] > before[FIRST] and after[unseen] < before[unseen]


def test_compiled_layers_compute_the_same_and_leave_no_trace() -> None:
    model = tiny().train()
    one = batch([20, 21, 5, 20, 22, 3], [1, 7, 20, 2, 0, 0])
    loss_model = LossModel(model, "float32")
    found = []
    for wanted in (False, True):
        model.zero_grad()
        with compiled_layers(model, wanted):
            loss = loss_model(*loss_model.inputs(one, 2)[0])
            loss.backward()
        weight = model.model.layers[0].self_attn.k_proj.weight
        assert weight.grad is not None
        found.append((loss.item(), weight.grad.clone()))
    assert found[1][0] == pytest.approx(found[0][0], rel=1e-5)
    torch.testing.assert_close(found[1][1], found[0][1], rtol=1e-3, atol=1e-6)
    assert not any("forward" in vars(layer) for layer in model.model.layers)
