"""Which choices fit a budget best, and what each is measured to cost."""

import itertools
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import LlamaForCausalLM

from lilm.export.budget import knapsack
from lilm.export.budget.controls import by_chance, by_error, by_measure, by_relative_error
from lilm.export.budget.groups import groups_of
from lilm.export.budget.knapsack import Option, allocate, total_bytes, total_cost
from lilm.export.budget.measure import Rounder, measure
from lilm.export.budget.probe import Probe, divergences
from lilm.export.budget.table import Choice, Row, plain_of
from lilm.export.imatrix.importance import Importance
from lilm.export.matrices import matrices
from lilm.gguf_file import open_gguf
from lilm.llama.config import read_llama_config
from lilm.llama.shape import Shape
from lilm.llamacpp.engine import Engine

pytestmark = pytest.mark.usefixtures("one_torch_thread")
TYPES = ("Q4_0", "IQ4_NL", "Q4_K", "Q8_0")


def problem(seed: int, unit: int) -> list[list[Option]]:
    generator = random.Random(seed)
    sizes = ([generator.randint(1, 40) * unit for _ in range(generator.randint(1, 4))] for _ in range(6))
    return [[Option(size, generator.random() * 100 / size) for size in sorted(group)] for group in sizes]


def best(groups: list[list[Option]], budget: int) -> float:
    every = itertools.product(*(range(len(group)) for group in groups))
    return min(total_cost(groups, chosen) for chosen in every if total_bytes(groups, chosen) <= budget)


@pytest.mark.parametrize("seed", range(20))
def test_no_other_choice_that_fits_is_better(seed: int) -> None:
    groups = problem(seed, 18_432)
    least, most = (sum(pick(option.bytes for option in group) for group in groups) for pick in (min, max))
    for budget in (least, least + (most - least) // 3, (least + most) // 2, most, 2 * most):
        chosen = allocate(groups, budget)
        assert total_bytes(groups, chosen) <= budget
        assert total_cost(groups, chosen) == pytest.approx(best(groups, budget), abs=1e-12)


def test_with_coarse_units_it_still_fits_and_is_nearly_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knapsack, "MOST_UNITS", 200)
    for seed in range(20):
        groups = problem(seed, 99_991)
        groups = [[Option(option.bytes + at, option.cost) for at, option in enumerate(group)] for group in groups]
        budget = sum(group[-1].bytes + group[0].bytes for group in groups) // 2
        chosen = allocate(groups, budget)
        assert total_bytes(groups, chosen) <= budget
        assert total_cost(groups, chosen) <= best(groups, budget) * 1.1 + 1e-12


def test_less_than_the_smallest_is_refused() -> None:
    with pytest.raises(ValueError, match="30 bytes at least, and 29"):
        allocate([[Option(10, 1.0)], [Option(20, 1.0), Option(40, 0.0)]], 29)


def test_a_choice_that_costs_more_bytes_and_says_less_is_not_taken() -> None:
    assert allocate([[Option(10, 1.0), Option(20, 2.0)]], 100) == [0]


def test_controls_fill_the_same_budget() -> None:
    sizes = (100, 150, 200)
    klds = [[0.9, 0.5, 0.0], [0.9, 0.1, 0.0], [0.1, 0.05, 0.0]]
    errors = [[3.0, 2.0, 1.0], [1.2, 1.1, 1.0], [9.0, 4.0, 1.0]]
    rows = [
        Row((f"m{at}",), tuple(Choice(f"T{size}", size, *costs) for size, *costs in zip(sizes, *one, strict=True)))
        for at, one in enumerate(zip(errors, klds, strict=True))
    ]
    assert by_measure(rows, 450) == [2, 1, 0]
    assert by_error(rows, 450) == [1, 0, 2]
    assert by_relative_error(rows, 450, [1, 1, 1000]) == [2, 1, 0], "large errors in a larger output weigh little"
    drawn = {tuple(by_chance(rows, 450, seed)) for seed in range(30)}
    assert len(drawn) > 3
    assert all(sum(sizes[at] for at in chosen) == 450 for chosen in drawn)
    assert by_chance(rows, 450, 7) == by_chance(rows, 450, 7)


def test_divergence_of_small_differences_is_exact() -> None:
    torch.manual_seed(0)
    before = torch.randn(5, 4000) * 4
    for scale in (1e-4, 1e-2, 1.0):
        after = before + scale * torch.randn(5, 4000)
        p, q = (one.double().log_softmax(-1) for one in (before, after))
        exact = (p.exp() * (p - q)).sum(-1).numpy()
        assert divergences(before, after).numpy() == pytest.approx(exact, rel=1e-3)
    assert divergences(before, before + 3).max() < 1e-10


@pytest.mark.parametrize(("model", "kind"), [("random", "Q4_0"), ("random", "Q6_K"), ("real", "Q4_0")])
def test_what_is_measured_is_what_llama_cpp_says_of_such_a_file(
    model: str, kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Each group alone in a type: the divergence of a file with these very blocks, computed by llama.cpp, which rounds
    their inputs as well."""
    from lilm.export.retyped import write_retyped

    folder, export = (request.getfixturevalue(f"{model}_{what}") for what in ("model", "export"))
    shape = Shape.of(read_llama_config(folder))
    full = open_gguf(export / "model-f16.gguf")
    llama = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float16).float().eval()
    windows = np.random.default_rng(1).integers(3, shape.vocab, (2, 40))
    windows[:, 0] = 1
    probe = Probe(llama, shape, windows, every=1)
    rounder = Rounder(full, None, 1)
    groups = groups_of(matrices(full), shape.layers)
    rows = measure(rounder, probe, groups, (kind, "Q8_0"), shape.layers)
    assert [row.names for row in rows] == [group.names for group in groups]
    for row in (rows[0], rows[1], rows[len(rows) // 2], rows[-2], rows[-1]):
        if row.choices[0].type != kind:  # rows of 172
            assert row.choices == (Choice("F16", row.choices[0].bytes, 0.0, pytest.approx(0, abs=1e-9)),)
            continue
        path = tmp_path / "one.gguf"
        write_retyped(full, path, dict.fromkeys(row.names, kind), lambda tensor, to: rounder.blocks(tensor.name, to))
        with Engine(path, n_ctx=64, threads=1, exact=True, reference=full.path) as engine:
            # the last position predicts nothing there
            klds = [engine.score([*window, 3]).kld for window in windows.tolist()]
        assert row.choices[0].kld == pytest.approx(float(np.mean(klds)), rel=0.02, abs=2e-6), row.names
        assert row.choices[0].kld > row.choices[1].kld >= 0
        assert row.choices[0].error > row.choices[1].error > 0


def test_of_types_of_one_size_the_closest_is_measured(random_model: Path, random_export: Path) -> None:
    shape = Shape.of(read_llama_config(random_model))
    full = open_gguf(random_export / "model-f16.gguf")
    llama = LlamaForCausalLM.from_pretrained(random_model, dtype=torch.float32).eval()
    probe = Probe(llama, shape, np.random.default_rng(1).integers(3, shape.vocab, (1, 16)), every=2)
    rounder = Rounder(full, None, 1)
    (row,) = measure(rounder, probe, groups_of(matrices(full), shape.layers)[-1:], TYPES, shape.layers)
    errors = {kind: rounder.rounded(row.names, kind)[1] for kind in TYPES}
    assert [choice.type for choice in row.choices] == [min(TYPES[:3], key=lambda kind: errors[kind]), "Q8_0"]
    assert [choice.error for choice in row.choices] == [errors[choice.type] for choice in row.choices]


def test_types_of_one_size_that_round_inputs_otherwise_are_both_measured(
    random_model: Path, random_export: Path
) -> None:
    """Q4_K's weights are nearer than Q4_0's in as many bits, but it shares a scale among more inputs: with one input
    far larger than the others, Q4_0 is nearer to the model."""
    shape = Shape.of(read_llama_config(random_model))
    full = open_gguf(random_export / "model-f16.gguf")
    llama = LlamaForCausalLM.from_pretrained(random_model, dtype=torch.float32).eval()
    rounder = Rounder(full, None, 1)
    group = groups_of(matrices(full), shape.layers)[-1]
    taken = []
    for large in (1.0, 60.0):
        llama.model.norm.weight.data[7] = large
        probe = Probe(llama, shape, np.random.default_rng(1).integers(3, shape.vocab, (1, 16)), every=2)
        (row,) = measure(rounder, probe, [group], ("Q4_0", "Q4_K"), shape.layers)
        klds = {kind: probe.kld(rounder.rounded(row.names, kind)[0], group.layer, kind) for kind in ("Q4_0", "Q4_K")}
        (choice,) = row.choices
        assert (choice.type, choice.kld) == (min(klds, key=lambda kind: klds[kind]), pytest.approx(min(klds.values())))
        taken.append(choice.type)
    assert taken == ["Q4_K", "Q4_0"]


@pytest.mark.parametrize("misleads", [False, True])
def test_few_bits_are_rounded_in_the_way_that_is_nearer(
    random_model: Path, random_export: Path, misleads: bool
) -> None:
    """An importance matrix of other text may cost more than it brings; of many bits it decides little, and is taken."""
    shape = Shape.of(read_llama_config(random_model))
    full = open_gguf(random_export / "model-f16.gguf")
    llama = LlamaForCausalLM.from_pretrained(random_model, dtype=torch.float32).eval()
    probe = Probe(llama, shape, np.random.default_rng(1).integers(3, shape.vocab, (1, 16)), every=2)
    group = groups_of(matrices(full), shape.layers)[-1]
    sums = np.full(full.tensors[group.names[0]].shape[-1], 1e-6 if misleads else 1.0)
    sums[::16] = 1.0  # as if the inputs between were at rest
    importance = Importance(dict.fromkeys(group.names, sums), dict.fromkeys(group.names, 1), ("text",), 1, 16)
    rounder = Rounder(full, importance, 1)
    (row,) = measure(rounder, probe, [group], ("Q4_0", "Q8_0"), shape.layers)
    plain = replace(rounder, importance=None)
    klds = [probe.kld(way.rounded(group.names, "Q4_0")[0], group.layer, "Q4_0") for way in (rounder, plain)]
    assert row.choices[0].kld == pytest.approx(min(klds))
    assert [choice.plain for choice in row.choices] == [klds[1] < klds[0], False]
    assert not misleads or klds[1] < klds[0]
    assert plain_of([row], [0]) == frozenset(group.names if row.choices[0].plain else ())
    written = replace(rounder, plain=plain_of([row], [0])).blocks(group.names[0], "Q4_0")
    nearer = plain if row.choices[0].plain else rounder
    assert (written == nearer.blocks(group.names[0], "Q4_0")).all()
