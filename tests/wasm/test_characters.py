"""Nothing is drawn that is no text: whole characters only, natively and in node, however hot."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lilm.llamacpp.characters import BETWEEN, Characters
from lilm.llamacpp.engine import Engine
from lilm.recipe import SamplingConfig
from lilm.wasm.verify.node import run_node
from tests.chat.formats import instruct_base, instruct_gguf

HOT = SamplingConfig(temperature=5, top_k=0, top_p=1, min_p=0, repeat_penalty=1)
SAMPLES, N_PREDICT = 500, 12
BYTES = [bytes([byte]) for byte in range(256)]


def drawn(characters: Characters, state: int) -> set[int]:
    logits = np.zeros(256, dtype=np.float32)
    characters.mask(logits, state)
    return set(np.flatnonzero(np.isfinite(logits)).tolist())


def test_what_may_follow_byte_by_byte_is_what_python_decodes() -> None:
    characters = Characters(BYTES)
    begun: list[tuple[bytes, int]] = [(b"", BETWEEN)]
    for _ in range(3):
        longer = []
        for text, state in begun:
            allowed = drawn(characters, state)
            assert allowed == {byte for byte in range(256) if can_end(text + bytes([byte]))}
            longer += [(text + bytes([byte]), characters.after(state, byte)) for byte in sorted(allowed)]
        # one of each kind of beginning: the edges of every range of bytes
        begun = [one for one in longer if one[1] != BETWEEN and one[0][-1] in EDGES]
    assert drawn(characters, characters.after(BETWEEN, 0xF0)) == set(range(0x90, 0xC0))


EDGES = bytes.fromhex("80 8f 90 9f a0 bc bf c2 df e0 e1 ec ed ee ef f0 f1 f3 f4")


def can_end(text: bytes) -> bool:
    """Whether some bytes make it one character that is not U+FFFD."""
    tails = (b"", b"\x80", b"\xbf", b"\x80\x80", b"\xbf\xbf", b"\x80\x80\x80", b"\xbf\xbf\xbf")
    for tail in (*tails, *(bytes([byte, 0x80]) for byte in range(0x80, 0xC0)), *(bytes([0xA0, 0x80, 0x80]),)):
        try:
            if (text + tail).decode() != "\ufffd":
                return True
        except UnicodeDecodeError:
            pass
    return False


def test_a_vocabulary_without_all_bytes_begins_nothing_that_it_cannot_end() -> None:
    characters = Characters([b"a", b"\xe3", b"\x81", b"\xf0", b"", b"\x82b"])
    logits = np.zeros(6, dtype=np.float32)
    characters.mask(logits, BETWEEN)
    assert np.isfinite(logits).tolist() == [True, True, False, False, True, False], "after F0 comes none below 90"


@pytest.fixture(scope="module")
def babbler(tmp_path_factory: pytest.TempPathFactory, llama_writer: Callable[..., Path]) -> Path:
    """Random weights, and a byte for every other token."""
    rng = np.random.default_rng(0)
    words = [(f"▁{chr(0x3042 + at)}", 1) for at in range(80)]
    pieces = [*((f"<0x{byte:02X}>", 6) for byte in range(256)), *words, ("\ufffd", 1)]
    rows = {name: rng.normal(0, 1, (3 + len(pieces), 64)) for name in ("token_embd.weight", "output.weight")}
    path = tmp_path_factory.mktemp("babbler") / "babbler.gguf"
    return llama_writer(path, pieces=pieces, n_embd=64, n_ff=64, n_layer=1, matrices=rows)


@pytest.fixture(scope="module")
def byte_level(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pieces of a byte-level BPE, of which some end inside of a character."""
    return instruct_gguf(instruct_base(tmp_path_factory.mktemp("bytes") / "base", "chatml"))


@pytest.mark.parametrize("kind", ["babbler", "byte_level"])
def test_hot_samples_have_no_replacement_character(kind: str, request: pytest.FixtureRequest, wasm_dir: Path) -> None:
    gguf = request.getfixturevalue(kind)
    prompt = [5, 6, 7]
    with Engine(gguf, n_ctx=64, threads=1) as engine:
        native = [engine.sample(prompt, HOT, N_PREDICT, seed) for seed in range(SAMPLES)]
        unmasked = np.random.default_rng(1).integers(3, engine.n_vocab, (SAMPLES, N_PREDICT))
        assert "\ufffd" in "".join(engine.text(row.tolist()) for row in unmasked[:20]), "it can write such"
        greedy = engine.greedy(prompt, 40, stop=False)
    asked = {"tokens": prompt, **HOT.model_dump(), "n_predict": N_PREDICT}
    runs = [{**asked, "seed": seed} for seed in range(SAMPLES)]
    best = {"tokens": prompt, "temperature": 0, "repeat_penalty": 1, "n_predict": 40, "ignore_eos": True}
    *hot, node = run_node(gguf, wasm_dir, [*runs, best], threads=1, n_ctx=64, n_batch=64).runs
    for texts in ([one.text for one in native], [one.text for one in hot]):
        assert len(texts) == SAMPLES and not any("\ufffd" in text for text in texts)
        assert sum(not text.isascii() for text in texts) > SAMPLES / 10, "characters of several bytes still come"
    assert node.ids == greedy.ids and node.text == greedy.text


def test_what_is_best_stays_best(speller: Path, spelled: str) -> None:
    with Engine(speller, n_ctx=64, threads=1) as engine:
        assert engine.greedy("S", 40).text == spelled
        assert engine.greedy("S", 4, stop=False).text == "a é", "of what n_predict cuts, whole characters are written"
        assert engine.greedy("S", 3, stop=False).text == "a "
