"""The F16 file is decoded once: its kept hidden states say of other files what decoding it beside them says."""

import resource
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lilm.export.quality import reference as kept_reference
from lilm.export.quality.opened import REFERENCE, Measured
from lilm.export.quality.passages import Passages, long_passages, ordered, short_passages
from lilm.export.quality.reference import Reference
from lilm.export.quality.scored import score
from lilm.llamacpp.engine import Engine
from lilm.pipeline.hashing import sha256_file
from tests.export.conftest import SENTENCES


@pytest.fixture(scope="module")
def passages(random_export: Path) -> list[Passages]:
    texts = ordered(" ".join(f"{text} {number}" for text in SENTENCES * 10) for number in range(3))
    with Engine(random_export / "model-f16.gguf", n_ctx=64, threads=1) as engine:
        encode, bos = (lambda text: engine.tokenize(text, add_bos=False)), engine.bos_id
        return [short_passages("ja", texts, encode, bos, 400), long_passages("ja", texts, encode, bos, 600, 300)]


@pytest.fixture
def reference(random_export: Path, passages: list[Passages], tmp_path: Path) -> Reference:
    full = random_export / "model-f16.gguf"
    return Reference(Measured(full, "F16", REFERENCE, sha256=sha256_file(full)), tmp_path, passages, 1, keeps=True)


def figures(scoring: Any, passages: list[Passages]) -> list[dict[str, Any]]:
    return [score(scoring, one, lambda tokens: None) for one in passages]


def numbers(value: Any) -> list[float]:
    if isinstance(value, dict | list):
        return [number for one in (value.values() if isinstance(value, dict) else value) for number in numbers(one)]
    return [] if value is None else [float(value)]


def test_figures_are_those_of_decoding_it_beside_each_file(
    reference: Reference, passages: list[Passages], random_export: Path
) -> None:
    assert reference.why_not() == "" and reference.tokens == sum(
        len(one.ids) for part in passages for one in part.windows
    )
    with reference.recording() as scoring:
        recorded = figures(scoring, passages)
    with replace(reference, keeps=False).recording() as scoring:
        assert figures(scoring, passages) == recorded
    assert reference.path.stat().st_size == 2 * 256 * reference.tokens
    for name in ("model-Q4_0.gguf", "model-Q8_0.gguf"):
        with reference.against(random_export / name) as scoring:
            kept = figures(scoring, passages)
        with replace(reference, keeps=False).against(random_export / name) as scoring:
            decoded = figures(scoring, passages)
        assert len(numbers(kept)) == len(numbers(decoded)) > 50
        assert np.abs(np.subtract(numbers(kept), numbers(decoded))).max() < 1e-4
        assert kept[0]["figures"]["kld_mean"]["value"] > 1e-4
    reference.remove()
    assert not list(reference.folder.iterdir())


def test_with_kept_states_the_f16_file_is_not_decoded(
    reference: Reference, passages: list[Passages], random_export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    reference.make(told.append)
    assert sum(told) == reference.tokens
    opened: list[Any] = []
    begin = Engine.__init__

    def noted(self: Engine, *model: Any, **options: Any) -> None:
        opened.append(options.get("states"))
        begin(self, *model, **options)

    monkeypatch.setattr(Engine, "__init__", noted)
    with reference.against(random_export / "model-Q4_0.gguf") as scoring:
        figures(scoring, passages)
    assert opened == [reference.path]


def test_where_the_disk_is_full_or_sums_are_others_nothing_is_kept(
    reference: Reference, passages: list[Passages], random_export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with reference.recording() as scoring:
            recorded = figures(scoring, passages)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(reference.folder.iterdir()) and recorded[0]["figures"]["nats"]["value"] > 0
    monkeypatch.setattr(kept_reference, "EXACT", -1.0)
    reference.make(lambda tokens: None)
    assert not list(reference.folder.iterdir())
    with reference.against(random_export / "model-Q8_0.gguf") as scoring:
        assert figures(scoring, passages)[0]["figures"]["kld_mean"]["value"] > 0


def test_what_has_no_room_is_said(reference: Reference, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1_000_000_000})())
    assert "GB, of 1.0 GB free" in reference.why_not()
