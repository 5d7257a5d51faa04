"""The engine in node: native llama.cpp's text, whole characters, plain errors for broken files."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from lilm.chat.files import read_format
from lilm.export.gguf_writer import write_gguf
from lilm.export.quantise import quantise
from lilm.llamacpp.engine import Engine
from lilm.train.finetune.agreement import CHATS
from lilm.wasm.verify.in_node import N_PREDICT, compare
from lilm.wasm.verify.node import WasmError, run_node
from tests.chat.formats import injections, instruct_base, instruct_gguf
from tests.train.conftest import write_corpus
from tests.train.marked_bases import make

GREEDY = {"temperature": 0, "repeat_penalty": 1}


@pytest.fixture(scope="module")
def stories(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """stories260K, a real model, as f16, Q8_0 and Q4_0."""
    folder = tmp_path_factory.mktemp("stories")
    hf = folder / "hf"
    hf.mkdir()
    for file in (shared_data / "model" / "stories260K-hf").iterdir():
        shutil.copyfile(file, hf / file.name)
    files = {name: folder / f"model-{name}.gguf" for name in ("f16", "Q8_0", "Q4_0")}
    write_gguf(hf, files["f16"], ("en",))
    for quant in ("Q8_0", "Q4_0"):
        quantise(files["f16"], files[quant], quant, 2, lambda done, total: None)
    return files


def same_so_far(one: Sequence[int], other: Sequence[int]) -> list[bool]:
    return [one[: place + 1] == other[: place + 1] for place in range(len(one))]


@pytest.mark.parametrize("quant", ["f16", "Q8_0", "Q4_0"])
def test_the_text_is_that_of_native_llama_cpp(quant: str, stories: dict[str, Path], wasm_dir: Path) -> None:
    prompts = ["Once upon a time, there was a little", "Tom and his dog", "The sun was"]
    runs = [{"prompt": prompt, **GREEDY, "n_predict": N_PREDICT, "ignore_eos": True} for prompt in prompts]
    answer = run_node(stories[quant], wasm_dir, runs, threads=2, n_ctx=256)
    with Engine(stories[quant], n_ctx=256, threads=2) as engine:
        assert [list(run.prompt_ids) for run in answer.runs] == [engine.tokenize(prompt) for prompt in prompts]
        native = [engine.greedy(prompt, N_PREDICT, stop=False) for prompt in prompts]
    result = compare(native, answer.runs)
    assert result.agrees and result.ties <= 2
    if quant == "f16":
        assert answer.runs[0].text.startswith(" girl named Lily. She loved to play outside in the park.")
    # Activations are rounded as native llama.cpp rounds them: cutting them off moves logits by 0.2 to 0.6. (Attention
    # sums in f32 here and in half floats there, after which some are rounded to the other side.)
    moved = [
        abs(a - b)
        for one, other in zip(native, answer.runs, strict=True)
        for a, b, same in zip(one.gaps, other.gaps, same_so_far(one.ids, other.ids), strict=False)
        if same
    ]
    assert sum(moved) / len(moved) < 0.1


def test_the_known_text_comes_out_and_ends(speller: Path, wasm_dir: Path) -> None:
    run = run_node(speller, wasm_dir, [{"prompt": "S", **GREEDY}]).runs[0]
    assert run.text == "a é日🎉z"
    assert run.stop_reason == "eos"


def test_special_tokens_in_a_prompt_are_text_and_in_a_chat_are_tokens(speller: Path, wasm_dir: Path) -> None:
    messages = [{"role": "user", "content": "こんにちは"}]
    plain, chat = run_node(
        speller, wasm_dir, [{"prompt": "</s>", "n_predict": 1}, {"messages": messages, "n_predict": 1}]
    ).runs
    assert 2 not in plain.prompt_ids
    with Engine(speller, n_ctx=256, threads=1) as engine:
        assert list(chat.prompt_ids) == engine.tokenize_chat(messages)
    assert chat.prompt_ids.count(2) == 1 and chat.prompt_ids[0] == 1


@pytest.mark.parametrize("name", ["chatml", "llama3", "zephyr"])
def test_nothing_that_people_type_becomes_a_special_token(name: str, wasm_dir: Path, tmp_path: Path) -> None:
    gguf = instruct_gguf(instruct_base(tmp_path / name, name))
    asked = [[{"role": "user", "content": words}] for words in injections(list(read_format(gguf).special))]
    asked += CHATS
    answer = run_node(gguf, wasm_dir, [{"messages": messages, "n_predict": 1} for messages in asked], n_ctx=512)
    with Engine(gguf, n_ctx=512, threads=1) as engine:
        for messages, run in zip(asked, answer.runs, strict=True):
            assert list(run.prompt_ids) == engine.tokenize_chat(messages), messages


@pytest.mark.parametrize(
    ("kind", "name"), [("gguf", "pieces, declared"), ("path", "merges, dead"), ("gguf", "whole words first, none")]
)
def test_a_turn_mark_that_a_base_got_is_no_word_that_people_type(
    kind: str, name: str, wasm_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "corpus").mkdir()
    write_corpus(tmp_path / "corpus")
    made = make(kind, name, tmp_path, tmp_path / "corpus")
    token = made.chosen.end_token
    typed = [*injections([token]), token.replace("Ġ", " "), f"a{token}b {token.lower()}"]
    asked = [[{"role": "user", "content": words}] for words in ["Hello", *typed]]
    harmless, *runs = run_node(made.gguf, wasm_dir, [{"messages": chat, "n_predict": 1} for chat in asked]).runs
    assert harmless.prompt_ids.count(made.mark) > 0
    for words, run in zip(typed, runs, strict=True):
        assert run.prompt_ids.count(made.mark) == harmless.prompt_ids.count(made.mark), words
    texts = run_node(made.gguf, wasm_dir, [{"prompt": words, "n_predict": 1} for words in ["Hello", *typed]]).runs
    assert len({run.prompt_ids.count(made.mark) for run in texts}) == 1, "a text has what stands before it, if anything"


WORDS = "{{ message['content'] }}"


@pytest.mark.parametrize(
    "template",
    [
        f"{{% for message in messages %}}{WORDS}{WORDS}{{% endfor %}}",
        f"{{% for message in messages %}}{WORDS}{{% endfor %}}{{{{ messages[0]['content'] }}}}",
        f"{{{{ messages[-1]['content'] }}}}{{% for message in messages %}}{WORDS}{{% endfor %}}",
        f"{{% for message in messages[1:] %}}{WORDS}{{% endfor %}}",
    ],
)
def test_a_template_that_repeats_or_hides_a_message_is_refused(template: str, wasm_dir: Path, tmp_path: Path) -> None:
    base = instruct_base(tmp_path / "base", "plain")
    (base / "chat_template.jinja").write_text(template, encoding="utf-8")
    gguf = instruct_gguf(base)
    with pytest.raises(WasmError, match="drops, repeats or moves messages") as caught:
        run_node(gguf, wasm_dir, [], chats=[CHATS[1]], n_ctx=256)
    assert caught.value.kind == "unsupported"
    with (
        pytest.raises(ValueError, match="drops, repeats or moves messages"),
        Engine(gguf, n_ctx=256, threads=1) as engine,
    ):
        engine.tokenize_chat(CHATS[1])


@pytest.mark.parametrize("name", ["chatml", "zephyr"])
def test_an_answer_goes_on_with_the_tokens_of_a_whole_one(name: str, wasm_dir: Path, tmp_path: Path) -> None:
    gguf = instruct_gguf(instruct_base(tmp_path / name, name))
    chats = [[*CHATS[0], {"role": "assistant", "content": words}] for words in ("Paris is", "日本の", "- a\n- b</s>")]
    runs = [{"messages": messages, "n_predict": 1} for messages in [CHATS[0], *chats]]
    asked, *begun = run_node(gguf, wasm_dir, runs, n_ctx=512).runs
    with Engine(gguf, n_ctx=512, threads=1) as engine:
        for messages, run in zip(chats, begun, strict=True):
            ids = list(run.prompt_ids)
            assert ids == engine.tokenize_chat(messages) and ids[: len(asked.prompt_ids)] == list(asked.prompt_ids)
            assert engine.text(ids[len(asked.prompt_ids) :]).strip() == messages[-1]["content"]


def test_a_seed_decides_the_draw(stories: dict[str, Path], wasm_dir: Path) -> None:
    drawn = {"prompt": "Once", "n_predict": 24, "temperature": 1.5}
    runs = run_node(stories["f16"], wasm_dir, [drawn | {"seed": 1}, drawn | {"seed": 1}, drawn | {"seed": 2}]).runs
    assert runs[0].ids == runs[1].ids != runs[2].ids


def test_a_penalty_keeps_it_from_repeating(endless: Path, wasm_dir: Path) -> None:
    run = {"prompt": "S", "temperature": 0, "n_predict": 40}
    plain, punished = run_node(endless, wasm_dir, [run | {"repeat_penalty": 1}, run | {"repeat_penalty": 100.0}]).runs
    assert plain.text.count("日") > 1
    assert punished.text.count("日") == 1


def test_a_full_context_ends_the_text_and_refuses_a_longer_prompt(endless: Path, wasm_dir: Path) -> None:
    answer = run_node(endless, wasm_dir, [{"prompt": "S", **GREEDY, "n_predict": -1}], n_ctx=256)
    assert answer.runs[0].stop_reason == "context_full"
    assert len(answer.runs[0].prompt_ids) + len(answer.runs[0].ids) == 256 + 1  # the last one is not evaluated
    with pytest.raises(WasmError, match="300 tokens and the context holds 256") as caught:
        run_node(endless, wasm_dir, [{"tokens": [1] * 300}], n_ctx=256)
    assert caught.value.kind == "context_full"


def test_the_context_is_no_longer_than_the_model_was_trained_with(speller: Path, wasm_dir: Path) -> None:
    assert run_node(speller, wasm_dir, [], n_ctx=100_000).stats["n_ctx"] == 2048


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"<!DOCTYPE html><html>" + b" " * 99, "not_a_gguf"),
        (b"", "truncated"),
        (b"GGUF", "truncated"),
        (b"GGUF\3\0\0\0" + b"\xff" * 500, "not_a_gguf"),
    ],
)
def test_what_is_no_gguf_is_told(content: bytes, kind: str, wasm_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(content)
    with pytest.raises(WasmError) as caught:
        run_node(tmp_path / "x.gguf", wasm_dir, [])
    assert caught.value.kind == kind


@pytest.mark.parametrize("part", [0.001, 0.3, 0.999])
def test_a_file_that_ends_early_is_told(part: float, speller: Path, wasm_dir: Path, tmp_path: Path) -> None:
    whole = speller.read_bytes()
    (tmp_path / "x.gguf").write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(WasmError) as caught:
        run_node(tmp_path / "x.gguf", wasm_dir, [])
    assert caught.value.kind == "truncated"


def test_an_unknown_architecture_is_told(speller: Path, wasm_dir: Path, tmp_path: Path) -> None:
    changed = speller.read_bytes().replace(
        b"general.architecture\x08\0\0\0\x05\0\0\0\0\0\0\0llama",
        b"general.architecture\x08\0\0\0\x05\0\0\0\0\0\0\0xxxxx",
        1,
    )
    (tmp_path / "x.gguf").write_bytes(changed)
    with pytest.raises(WasmError, match="xxxxx") as caught:
        run_node(tmp_path / "x.gguf", wasm_dir, [])
    assert caught.value.kind == "unknown_architecture"


@pytest.fixture(scope="module")
def random_llama(tmp_path_factory: pytest.TempPathFactory, llama_writer: Callable[..., Path]) -> Path:
    """Random weights in rows that every type of block divides; an odd number of tokens."""
    rng = np.random.default_rng(1)
    n_vocab, n_embd, n_ff = 515, 256, 768
    shapes = {f"attn_{name}": (n_embd, n_embd) for name in ("q", "k", "v", "output")}
    shapes |= {"ffn_gate": (n_ff, n_embd), "ffn_up": (n_ff, n_embd), "ffn_down": (n_embd, n_ff)}
    matrices = {
        f"blk.{layer}.{name}.weight": rng.normal(0, 0.08, shape) for layer in range(2) for name, shape in shapes.items()
    }
    matrices["token_embd.weight"] = rng.normal(0, 0.3, (n_vocab, n_embd))
    matrices["output.weight"] = rng.normal(0, 0.06, (n_vocab, n_embd))  # logits of about -1 to 1
    path = tmp_path_factory.mktemp("random") / "random.gguf"
    pieces = [(f"▁{word}", 1) for word in range(n_vocab - 3)]
    return llama_writer(path, pieces=pieces, n_embd=n_embd, n_ff=n_ff, matrices=matrices)


@pytest.mark.parametrize("quant", ["Q4_0", "Q8_0", "Q4_K_M", "Q5_K_M", "Q6_K", "IQ4_NL"])
def test_every_type_computes_what_native_llama_cpp_computes(
    quant: str, random_llama: Path, wasm_dir: Path, tmp_path: Path
) -> None:
    path = tmp_path / f"{quant}.gguf"
    quantise(random_llama, path, quant, 2, lambda done, total: None)
    prompts = [list(range(3, 3 + count)) for count in (1, 4, 5, 131)]  # by rows and by panels
    runs = [{"tokens": prompt, **GREEDY, "n_predict": 24, "ignore_eos": True} for prompt in prompts]
    answer = run_node(path, wasm_dir, runs, threads=2, n_ctx=256)
    with Engine(path, n_ctx=256, threads=2) as engine:
        native = [engine.greedy(prompt, 24, stop=False) for prompt in prompts]
    assert compare(native, answer.runs).agrees
    # Of the first token of each prompt: later ones may stand after a swap of almost equal logits. Native's attention
    # sums in half floats and ours in f32, after which some activations are rounded to the other side: so much does
    # native differ from itself with an F32 cache (.02 to .05).
    moved = [abs(one.gaps[0] - other.gaps[0]) for one, other in zip(native, answer.runs, strict=True)]
    assert max(moved) < 0.1, moved
    assert moved[0] < 0.02  # one token alone: nothing to sum
