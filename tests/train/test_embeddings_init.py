"""New rows: each start does what it says, old rows keep their bits, and distillation brings the states nearer."""

from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from lilm.devices import prepare_torch
from lilm.errors import LilmError
from lilm.progress import Reporter
from lilm.recipe import TokenizerConfig
from lilm.train.pretrain.embeddings import both_matrices, extend_embeddings
from lilm.train.pretrain.init_distillation import Distillation
from lilm.train.pretrain.init_model import add_rows
from lilm.train.pretrain.init_rows import SHRINK, covariance_rows, random_rows
from lilm.train.pretrain.init_snippets import PER_PIECE, collect_snippets
from lilm.train.tokenizer.hf import write_tokenizer
from lilm.train.tokenizer.merge import merge_pieces, normal_pieces, read_base
from lilm.train.tokenizer.train import Learnt, train_base_tokenizer, train_sentencepiece
from lilm.vocabulary.pieces import SentencePieces
from lilm.vocabulary.sentencepiece import processor, read_proto

EN = "Once upon a time there was a {} called {}. It walked to the river to find a red {}."
JA = "昔々、ある村に{}という{}がいました。{}は毎日、山へ行って石を探しました。"
QUICK = Distillation(steps=60, batch_size=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """base.model, and the merged tokenizer in `merged`."""
    root = tmp_path_factory.mktemp("init")
    animals, names = ("dog", "cat", "boy", "fox"), ("Tom", "Lily", "Sam", "Ann")
    english = [EN.format(a, n, b) for a in animals for n in names for b in ("ball", "hat")]
    train_base_tokenizer(english, 320, root / "base.model")
    base = read_base(root / "base.model")
    learnt = train_sentencepiece(japanese(), TokenizerConfig(pieces=100), normal_pieces(base))
    (root / "merged").mkdir()
    write_tokenizer(merge_pieces(base, learnt, 100, 64).proto, root / "merged", 256)
    return root


def japanese() -> list[str]:
    return [JA.format(n, k, n) for n in ("太郎", "花子", "ポチ", "ミケ") for k in ("男の子", "女の子", "犬", "猫")]


def tokenizers(folder: Path) -> tuple[SentencePieces, SentencePieces]:
    paths = (folder / "base.model", folder / "merged" / "tokenizer.model")
    one, other = map(SentencePieces, paths)
    return one, other


def decoded(pieces: SentencePieces, ids: list[int]) -> bytes:
    """The bytes of the pieces' text, ▁ written as itself."""
    sizes = pieces.n_bytes()
    parts = [
        bytes.fromhex(pieces.names[at][3:5])
        if sizes[at] == 1 and len(pieces.names[at]) == 6
        else pieces.names[at].encode()
        for at in ids
    ]
    return b"".join(parts)


def tiny(vocab_size: int, tied: bool) -> LlamaForCausalLM:
    prepare_torch(0, 1)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = LlamaConfig(vocab_size=vocab_size, tie_word_embeddings=tied, max_position_embeddings=256, **shape)
    return LlamaForCausalLM(config).eval()


def begun(folder: Path, init: str, tied: bool, reporter: Reporter, seed: int = 0) -> LlamaForCausalLM:
    base, merged = tokenizers(folder)
    model = tiny(len(base), tied)
    add_rows(model, base, merged, init, seed, japanese(), reporter, QUICK)  # type: ignore[arg-type]
    return model


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("init", ["mean", "covariance", "random", "distillation"])
def test_old_rows_and_all_else_keep_their_bits(folder: Path, reporter: Reporter, init: str, tied: bool) -> None:
    base, merged = tokenizers(folder)
    before = tiny(len(base), tied).state_dict()
    model = begun(folder, init, tied, reporter)
    for name, value in model.state_dict().items():
        assert torch.equal(value[: len(before[name])], before[name]), name
        assert torch.isfinite(value).all(), name
    matrices = both_matrices(model)
    assert [len(matrix) for matrix in matrices] == [len(merged)] * 2
    assert (matrices[0] is matrices[1]) == tied
    assert all(parameter.requires_grad for parameter in model.parameters())
    again = begun(folder, init, tied, reporter)
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in model.state_dict().items())


def test_covariance_rows_are_as_transformers_makes_them() -> None:
    """Mean and covariance of very many; the directions in which the old rows do not differ stay empty."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(300, 5, generator=generator) @ torch.randn(5, 8, generator=generator) * 100 + 7
    rows = rows.double()
    new = covariance_rows(rows, 20_000, seed=3)
    wanted = torch.cov(rows.T, correction=0) * SHRINK
    found = torch.cov(new.T, correction=0)
    assert torch.allclose(new.mean(dim=0), rows.mean(dim=0), atol=5e-5)
    assert torch.linalg.norm(found - wanted) < 0.05 * torch.linalg.norm(wanted)
    assert torch.linalg.matrix_rank(found / SHRINK, tol=1e-6) == 5
    assert not torch.equal(new, covariance_rows(rows, 20_000, seed=4))


def test_random_rows_are_spread_like_old_ones() -> None:
    rows = torch.randn(500, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 2.0, 4.0, 8.0]) + 3
    new = random_rows(rows, 50_000, seed=1)
    assert torch.allclose(new.std(dim=0), rows.std(dim=0), rtol=0.05)
    assert torch.allclose(new.mean(dim=0), rows.mean(dim=0), atol=0.15)


@pytest.fixture(scope="module")
def spaced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base that has a piece of two spaces, as Llama has, and whose file says that such spaces are one, as Llama's
    does not."""
    path = tmp_path_factory.mktemp("spaced") / "base.model"
    train_base_tokenizer([f"Once  upon a time  there was a {name}" for name in ("town", "cat", "tale")] * 5, 310, path)
    proto = read_proto(path)
    assert {"▁▁", "▁t"} <= {piece.piece for piece in proto.pieces}
    proto.normalizer_spec.remove_extra_whitespaces = True
    path.write_bytes(proto.SerializeToString())
    return path


def test_a_piece_is_spelt_as_it_stands(spaced: Path) -> None:
    """A space in front would make one token of two, ▁▁, or of itself and the first letter."""
    base = SentencePieces(spaced)

    def spelt(piece: str) -> list[str]:
        return [base.names[index] for index in base.spell(piece)]

    assert spelt("▁tä") == ["▁t", "<0xC3>", "<0xA4>"]
    assert spelt("tä") == ["t", "<0xC3>", "<0xA4>"]
    assert spelt("▁日") == ["▁", "<0xE6>", "<0x97>", "<0xA5>"]
    assert spelt("▁") == ["▁"]


def test_the_base_reads_every_space_as_the_merged_model_does(spaced: Path, tmp_path: Path) -> None:
    """What it has before training is measured on the same text as what it has after."""
    write_tokenizer(merge_pieces(read_base(spaced), Learnt.nothing(), 0, 64).proto, tmp_path, 256)
    merged = SentencePieces(tmp_path / "tokenizer.model")
    for text in ("a  town ", " a   cat", "was  a\n  tale\n"):
        assert SentencePieces(spaced).encode(text) == merged.encode(text)


def test_a_vocabulary_without_new_pieces_changes_nothing(folder: Path) -> None:
    base, _ = tokenizers(folder)
    model = tiny(len(base), True)
    before = both_matrices(model)[0].detach().clone()
    extend_embeddings(model, base, base.names, "mean", 0)
    assert torch.equal(both_matrices(model)[0], before)


def test_snippets_pair_places_after_which_the_same_text_was_read(folder: Path) -> None:
    base, merged = tokenizers(folder)
    for snippet in collect_snippets(japanese(), base, merged, 256, 50):
        pairs = list(zip(snippet.old_at.tolist(), snippet.new_at.tolist(), strict=True))
        assert pairs[-1] == (len(snippet.old) - 1, len(snippet.new) - 1), "both end with the text"
        assert len(pairs) >= len(snippet.new) // 2
        for old_at, new_at in pairs:
            old, new = snippet.old[1 : old_at + 1].tolist(), snippet.new[1 : new_at + 1].tolist()
            assert decoded(base, old) == decoded(merged, new)
            assert any(index >= len(base) for index in new)


def test_snippets_are_taken_for_pieces_that_few_others_show(folder: Path) -> None:
    base, merged = tokenizers(folder)
    same = collect_snippets(japanese()[:1] * 100, base, merged, 256, 1000)
    assert len(same) == PER_PIECE
    assert len(collect_snippets(japanese(), base, merged, 256, 3)) == 3
    assert collect_snippets(["only English here"], base, merged, 256, 10) == []
    assert collect_snippets(japanese(), base, merged, 10, 10) == [], "the window holds no snippet in old ids"


@pytest.mark.parametrize("tied", [True, False])
def test_distilled_rows_bring_the_hidden_states_nearer(folder: Path, reporter: Reporter, tied: bool) -> None:
    base, merged = tokenizers(folder)
    model, mean = tiny(len(base), tied), begun(folder, "mean", tied, reporter)
    figures = add_rows(model, base, merged, "distillation", 0, japanese(), reporter, QUICK)
    assert figures["init"] == "distillation"
    assert figures["distance_after"] < 0.7 * figures["distance_before"]
    assert 0.1 < figures["pieces_shown"] <= 1
    if not tied:
        frequency = begun(folder, "frequency", tied, reporter)
        assert torch.equal(both_matrices(model)[1], both_matrices(frequency)[1]), "nothing is distilled there"
    # measured here anew, on a text as a user has it
    text = japanese()[5]
    with torch.no_grad():
        wanted = model.model(input_ids=torch.tensor([_ids(folder, text, old=True)])).last_hidden_state[0, -1]
        ids = torch.tensor([_ids(folder, text, old=False)])
        near, far = (one.model(input_ids=ids).last_hidden_state[0, -1] for one in (model, mean))
    assert (near - wanted).norm() < (far - wanted).norm()


def _ids(folder: Path, text: str, old: bool) -> list[int]:
    path = folder / "base.model" if old else folder / "merged" / "tokenizer.model"
    return list(processor(read_proto(path)).encode(text, add_bos=True))


def test_text_without_new_pieces_is_the_users_to_mend(folder: Path, reporter: Reporter) -> None:
    base, merged = tokenizers(folder)
    model = tiny(len(base), True)
    with pytest.raises(LilmError, match="no text has a new piece"):
        add_rows(model, base, merged, "distillation", 0, ["plain"], reporter, QUICK)
