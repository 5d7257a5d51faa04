"""The loop repeats itself bit by bit, also over a kill; what is frozen stays; documents do not see each other."""

import math
import shutil
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from lilm.devices import prepare_torch
from lilm.errors import LilmError
from lilm.progress import Reporter
from lilm.recipe import LoraConfig, NewRowsOptimConfig, OptimConfig
from lilm.train.pack.packing import IGNORE
from lilm.train.pretrain.embeddings import both_matrices, extend_embeddings
from lilm.train.pretrain.lora import merge_lora, with_lora
from lilm.train.trainer.batches import Batch, mixed
from lilm.train.trainer.checkpointing import recompute_activations
from lilm.train.trainer.loop import Job, train
from lilm.train.trainer.loss import LossModel, summed_loss
from lilm.train.trainer.measure import bits_per_byte
from lilm.train.trainer.samples import continue_greedily
from lilm.train.trainer.schedule import learning_rate

VOCAB = 97


def tiny(seed: int = 0, tied: bool = True) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    return LlamaForCausalLM(LlamaConfig(vocab_size=VOCAB, tie_word_embeddings=tied, num_key_value_heads=2, **shape))


def batch_at(step: int) -> Batch:
    generator = torch.Generator().manual_seed(step)
    ids = torch.randint(0, VOCAB, (4, 16), generator=generator)
    positions = torch.arange(16).expand(4, 16).contiguous()
    return Batch(ids, positions, ids.roll(-1, dims=1))


def job(folder: Path, steps: int = 8, **options: object) -> Job:
    optim = OptimConfig(steps=steps, lr=1e-2, batch_size=4)
    return Job("test", optim, batch_at, folder, checkpoint_every=3, **options)  # type: ignore[arg-type]


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


class Killed(Exception):
    pass


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_killed_run_goes_on_to_the_same_bits(tmp_path: Path, reporter: Reporter, dtype: str) -> None:
    prepare_torch(0, 2)
    whole = tiny()
    metrics, _ = train(whole, job(tmp_path / "whole", dtype=dtype), reporter)

    def killed_at_five(step: int) -> Batch:
        if step == 5:
            raise Killed
        return batch_at(step)

    first = job(tmp_path / "cut", dtype=dtype)
    with pytest.raises(Killed):
        train(tiny(), Job(**{**first.__dict__, "batch_at": killed_at_five}), reporter)
    resumed = tiny(seed=1)  # a wrong start: everything must come from the checkpoint
    again, _ = train(resumed, first, reporter)
    assert again == metrics
    for name, value in weights(whole).items():
        assert torch.equal(value, weights(resumed)[name]), name


def test_a_checkpoint_cut_in_half_is_not_used(tmp_path: Path, reporter: Reporter) -> None:
    prepare_torch(0, 2)
    whole = tiny()
    train(whole, job(tmp_path / "a"), reporter)
    newest = next((tmp_path / "a").glob("step-*"))
    file = newest / "weights.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    again = tiny()
    train(again, job(tmp_path / "a"), reporter)
    assert all(torch.equal(value, weights(again)[name]) for name, value in weights(whole).items())


def test_a_copy_that_somebody_keeps_beside_the_checkpoints_stays_and_is_none(
    tmp_path: Path, reporter: Reporter
) -> None:
    first = job(tmp_path / "kept", steps=4)
    whole, _ = train(tiny(), first, reporter)
    kept = shutil.copytree(tmp_path / "kept" / "step-00000004", tmp_path / "kept" / "step-00000004-before-the-weekend")
    (tmp_path / "kept" / "step-notes.txt").write_text("mine")
    again, _ = train(tiny(seed=1), first, reporter)
    assert again == whole
    train(tiny(), job(tmp_path / "kept", steps=8), reporter)
    assert (kept / "weights.safetensors").is_file()
    names = {path.name for path in (tmp_path / "kept").iterdir()}
    assert names == {"step-00000008", kept.name, "step-notes.txt"}


def test_micro_batches_change_nothing_but_rounding(tmp_path: Path, reporter: Reporter) -> None:
    prepare_torch(0, 2)
    losses = []
    for micro in (0, 2):
        one = job(tmp_path / str(micro), steps=4)
        optim = one.optim.model_copy(update={"micro_batch_size": micro})
        metrics, _ = train(tiny(), Job(**{**one.__dict__, "optim": optim}), reporter)
        losses.append([entry["loss"] for entry in metrics])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_a_loss_that_is_not_a_number_stops_with_a_word(tmp_path: Path, reporter: Reporter) -> None:
    model = tiny()
    with torch.no_grad():
        both_matrices(model)[0][3] = math.nan
    with pytest.raises(LilmError, match="lower lr"):
        train(model, job(tmp_path), reporter)


@pytest.mark.parametrize("elements", [10**9, VOCAB * 9])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_loss_and_its_gradients_are_torchs(monkeypatch: pytest.MonkeyPatch, elements: int, dtype: str) -> None:
    """In one chunk and in many; torch's own cross-entropy on the same numbers is what it is compared with."""
    monkeypatch.setattr("lilm.train.trainer.loss.CHUNK_ELEMENTS", elements)
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(2, 50, 8, generator=generator).to(getattr(torch, dtype))
    weight = torch.randn(VOCAB, 8, generator=generator).to(hidden.dtype).float()
    labels = torch.randint(0, VOCAB, (2, 50), generator=generator)
    labels[0, :7] = IGNORE
    ours, wanted = [[one.clone().requires_grad_() for one in (hidden, weight)] for _ in range(2)]
    (summed_loss(ours[0], ours[1], labels) / 93).backward()
    logits = wanted[0].float() @ wanted[1].T
    torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORE).backward()
    close = {"rtol": 1e-4, "atol": 1e-6} if dtype == "float32" else {"rtol": 0.02, "atol": 2e-3}
    for mine, torchs in zip(ours, wanted, strict=True):
        assert mine.grad is not None and torchs.grad is not None
        assert mine.grad.dtype == torchs.grad.dtype
        torch.testing.assert_close(mine.grad, torchs.grad, **close)
    frozen = hidden.clone().requires_grad_()
    summed_loss(frozen, weight, labels).backward()  # a matrix that does not learn gets no gradient, hidden does
    assert weight.grad is None and frozen.grad is not None
    kept = [one.detach().clone().requires_grad_() for one in ours]
    (summed_loss(kept[0], kept[1], labels, kept_rows=11) / 93).backward()
    assert kept[1].grad is not None and ours[1].grad is not None
    assert not kept[1].grad[:11].any(), "rows that are kept learn nothing"
    torch.testing.assert_close(kept[1].grad[11:], ours[1].grad[11:], **close)
    torch.testing.assert_close(kept[0].grad, ours[0].grad, **close)


def test_packed_documents_do_not_see_each_other() -> None:
    model = tiny().eval()
    first, second = torch.randint(0, VOCAB, (2, 8), generator=torch.Generator().manual_seed(3))
    alone = model.model(input_ids=second[None], position_ids=torch.arange(8)[None], use_cache=False).last_hidden_state
    packed = model.model(
        input_ids=torch.cat([first, second])[None], position_ids=torch.arange(8).repeat(2)[None], use_cache=False
    ).last_hidden_state
    assert torch.allclose(alone[0], packed[0, 8:], atol=1e-5)


@pytest.mark.parametrize("tied", [True, False])
def test_stage_one_moves_only_new_rows(tmp_path: Path, reporter: Reporter, tied: bool) -> None:
    model = tiny(tied=tied)
    before = weights(model)
    old = 80
    model.requires_grad_(False)
    for matrix in both_matrices(model):
        matrix.requires_grad_(True)
    one = job(tmp_path, kept_rows=old)
    optim = NewRowsOptimConfig(**one.optim.model_dump(exclude={"weight_decay"}))
    train(model, Job(**{**one.__dict__, "optim": optim}), reporter)
    for name, value in model.state_dict().items():
        if name in ("model.embed_tokens.weight", "lm_head.weight"):
            assert torch.equal(value[:old], before[name][:old]), name
            assert not torch.equal(value[old:], before[name][old:]), name
        else:
            assert torch.equal(value, before[name]), name


def test_lora_learns_and_is_merged_into_the_model(tmp_path: Path, reporter: Reporter) -> None:
    model = tiny()
    before = weights(model)
    wrapped = with_lora(model, LoraConfig(rank=4, alpha=4, train_embeddings=False))
    one = job(tmp_path, steps=30)
    metrics, _ = train(wrapped, Job(**{**one.__dict__, "batch_at": lambda step: batch_at(0)}), reporter)
    merge_lora(wrapped)
    after = weights(model)
    assert set(after) == set(before), "the adapter is gone from the model"
    assert not torch.equal(after["model.layers.0.mlp.up_proj.weight"], before["model.layers.0.mlp.up_proj.weight"])
    assert torch.equal(after["model.embed_tokens.weight"], before["model.embed_tokens.weight"])
    last = batch_at(0)
    with torch.no_grad():
        logits = model(input_ids=last.input_ids, position_ids=last.position_ids).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), last.labels.flatten())
    assert loss == pytest.approx(metrics[-1]["loss"], rel=0.02), "what was merged is what was trained"
    assert loss < metrics[0]["loss"] - 0.2


class Numbered:
    """Sequences that say which one they are."""

    def __init__(self, start: int) -> None:
        self.start = start

    def sequence(self, index: int) -> object:
        import numpy as np

        from lilm.train.finetune.masking import ChatWindow

        row = np.full(4, self.start + index, dtype=np.int64)
        return ChatWindow(row, row, row)


def test_replay_share_holds_and_no_sequence_is_skipped() -> None:
    at = mixed(Numbered(0), Numbered(1000), 0.25, 8)  # type: ignore[arg-type]
    seen = [int(row[0]) for step in range(10) for row in at(step).input_ids]
    assert [number for number in seen if number < 1000] == list(range(60))
    assert [number for number in seen if number >= 1000] == list(range(1000, 1020))


def test_learning_rate_warms_up_and_decays() -> None:
    for schedule, last in (("cosine", 0.1), ("wsd", 0.1), ("constant", 1.0)):
        optim = OptimConfig(steps=100, lr=1.0, warmup=0.1, schedule=schedule)  # type: ignore[arg-type]
        rates = [learning_rate(step, optim) for step in range(100)]
        assert rates[:10] == pytest.approx([0.1 * (step + 1) for step in range(10)])
        assert rates[-1] == pytest.approx(last, abs=0.05)
        assert max(rates) == 1.0


def test_bits_per_byte_of_a_uniform_model_is_the_entropy() -> None:
    model = tiny()
    with torch.no_grad():
        both_matrices(model)[0].zero_()
    text = "abcdefghij" * 5
    found = bits_per_byte(model, lambda t: [ord(c) % VOCAB for c in t], 1, [text, "xyz"], window=16)
    assert found == pytest.approx(math.log2(VOCAB), rel=1e-5)


def test_new_rows_begin_as_the_mean_of_the_old_spelling(shared_data: Path) -> None:
    from lilm.train.base.model_folder import load_llama
    from lilm.vocabulary.pieces import open_pieces

    folder = shared_data / "model" / "stories260K-hf"
    model = load_llama(folder, torch.device("cpu"))
    tokenizer = open_pieces(folder)
    before = both_matrices(model)[0].detach().clone()
    pieces = [*tokenizer.names, "日本"]
    extend_embeddings(model, tokenizer, pieces, "mean", seed=0)
    after = both_matrices(model)[0].detach()
    ids = [tokenizer.names.index(f"<0x{byte:02X}>") for byte in "日本".encode()]
    assert after.shape == (513, 64)
    assert torch.equal(after[:512], before)
    assert torch.allclose(after[512], before[ids].mean(dim=0))
    assert both_matrices(model)[1].data_ptr() == both_matrices(model)[0].data_ptr(), "still tied"


@pytest.mark.filterwarnings("error")
def test_activations_are_recomputed_by_whatever_transformers_calls_it() -> None:
    model = tiny()
    recompute_activations(model)
    assert all(layer.gradient_checkpointing for layer in model.model.layers)

    class Older:
        """Of transformers 5.0."""

        def gradient_checkpointing_enable(self, options: dict[str, bool]) -> None:
            self.options = options

    recompute_activations(older := Older())
    assert older.options == {"use_reentrant": False}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_documents_loss_does_not_depend_on_its_neighbours(dtype: str, checkpointing: bool) -> None:
    """As training sees it: in train mode, through the loss, with documents before and behind."""
    model = tiny().train()
    if checkpointing:
        recompute_activations(model)
    loss_model = LossModel(model, dtype)
    middle = torch.randint(0, VOCAB, (7,), generator=torch.Generator().manual_seed(9))
    positions = torch.cat([torch.arange(5), torch.arange(7), torch.arange(4)])[None]
    labels = torch.full((1, 16), IGNORE)
    labels[0, 5:11] = middle[1:]
    found, gradients = [], []
    for seed in range(3):
        around = torch.randint(0, VOCAB, (9,), generator=torch.Generator().manual_seed(seed))
        model.zero_grad()
        loss = loss_model(torch.cat([around[:5], middle, around[5:]])[None], positions, labels)
        loss.backward()
        weight = model.model.layers[0].self_attn.k_proj.weight
        assert weight.grad is not None
        found.append(loss.item())
        gradients.append(weight.grad.clone())
    assert found[0] == found[1] == found[2]
    assert torch.equal(gradients[0], gradients[1])


def test_rows_laid_end_to_end_give_the_same_loss() -> None:
    """What flash attention is fed: one long sequence, told apart by position_ids alone."""
    model = tiny()
    batch = batch_at(0)
    square, flat = (LossModel(model, "float32", flat=flat) for flat in (False, True))
    arguments = batch.input_ids, batch.position_ids, batch.labels
    assert flat(*arguments).item() == pytest.approx(square(*arguments).item(), rel=1e-5)


def test_embeddings_learn_at_their_own_rate(tmp_path: Path, reporter: Reporter) -> None:
    moved = []
    for scale in (1.0, 0.1):
        model = tiny()
        before = weights(model)
        one = job(tmp_path / str(scale), steps=1)
        optim = one.optim.model_copy(update={"weight_decay": 0.0})
        train(model, Job(**{**one.__dict__, "optim": optim, "embedding_lr_scale": scale}), reporter)
        after = weights(model)
        names = ("model.embed_tokens.weight", "model.layers.0.mlp.up_proj.weight")
        moved.append([float((after[name] - before[name]).abs().max()) for name in names])
    assert moved[1][0] == pytest.approx(moved[0][0] / 10, rel=1e-3)
    assert moved[1][1] == pytest.approx(moved[0][1], rel=1e-3)


@pytest.mark.parametrize("tied", [True, False])
def test_kept_rows_keep_their_bits_under_weight_decay(tmp_path: Path, reporter: Reporter, tied: bool) -> None:
    model = tiny(tied=tied)
    before = weights(model)
    train(model, job(tmp_path, kept_rows=80), reporter)
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        after = model.state_dict()[name]
        assert torch.equal(after[:80], before[name][:80]), name
        assert not torch.equal(after[80:], before[name][80:]), name
    assert not torch.equal(model.model.norm.weight, before["model.norm.weight"])


@pytest.mark.parametrize("with_adapter", [False, True])
def test_kept_layers_keep_their_bits_and_the_others_learn(
    with_adapter: bool, tmp_path: Path, reporter: Reporter
) -> None:
    model = tiny()
    learner = with_lora(model, LoraConfig(rank=2, alpha=2)) if with_adapter else model
    before = weights(learner)
    train(learner, job(tmp_path, kept_layers=1), reporter)
    moved = {name for name, value in learner.state_dict().items() if not torch.equal(value, before[name])}
    assert moved and not any("layers.0." in name for name in moved)
    assert any("layers.1." in name for name in moved)
    learning = {name for name, parameter in learner.named_parameters() if parameter.requires_grad}
    assert any("layers.0." in name for name in learning), "only within the training"
    with pytest.raises(LilmError, match="keep_layers = 2, and the model has 2 layers"):
        train(learner, job(tmp_path / "all", kept_layers=2), reporter)


def test_generation_is_greedy_and_of_the_length_asked_for() -> None:
    model = tiny().eval()
    ids = [5, 7, 11]
    found = continue_greedily(model, ids, 6)
    for at in range(6):
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids + found[:at]])).logits
        assert int(logits[0, -1].argmax()) == found[at]
    assert len(found) == 6


def test_a_compiled_model_still_keeps_documents_apart(
    tmp_path: Path, reporter: Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Traced as for a GPU, but not turned into machine code, which takes a minute."""
    monkeypatch.setattr(LossModel, "compile", lambda model: torch.nn.Module.compile(model, backend="aot_eager"))

    def packed(step: int) -> Batch:
        batch, border = batch_at(step), 3 + step
        positions = torch.cat([torch.arange(border), torch.arange(16 - border)]).expand(4, 16).contiguous()
        return Batch(batch.input_ids, positions, batch.labels)

    losses = []
    for compiled in (False, True):
        one = job(tmp_path / str(compiled), steps=3, compile=compiled)
        metrics, _ = train(tiny(), Job(**{**one.__dict__, "batch_at": packed}), reporter)
        losses.append([entry["loss"] for entry in metrics])
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
