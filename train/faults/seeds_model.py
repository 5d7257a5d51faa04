"""Whole models, small, of both kinds of tokenizer: as folders, as a GGUF file, and as a finished stage."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from lilm.llama.layout import layout
from lilm.llama.shape import Shape
from lilm.vocabulary.byte_level import byte_alphabet
from lilm.vocabulary.sentencepiece import BPE, BYTE, CONTROL, NORMAL, UNKNOWN, empty_proto

CHATML = """{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}\
{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"""
LETTERS = ("t", "h", "e", "▁", "th", "the", "▁the", "お", "山", "おお")
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
SHAPE = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
SHAPE |= {"num_key_value_heads": 1, "max_position_embeddings": 64}


def write_bases(folder: Path) -> None:
    """A folder with a SentencePiece model and one file of weights, and one with a byte-level BPE and two."""
    pieces, levels = folder / "pieces", folder / "bytes"
    for path in (pieces, levels):
        path.mkdir(parents=True)
    rows = _write_pieces(pieces)
    _write_model(pieces, rows, ("model.safetensors",))
    rows = _write_byte_level(levels)
    _write_model(levels, rows, ("model-1.safetensors", "model-2.safetensors"))


def write_gguf_files(folder: Path) -> None:
    """The same two models as GGUF files with a chat template."""
    from lilm.export.gguf_writer import write_gguf

    bases = folder / "bases"
    write_bases(bases)
    for base in ("pieces", "bytes"):
        (folder / base).mkdir()
        write_gguf(bases / base, folder / base / "a.gguf", ("en",))
    shutil.rmtree(bases)


def write_run(folder: Path) -> None:
    """A run folder whose base stage is done."""
    from lilm.pipeline.runner import run_stages, stage_named
    from lilm.progress import Reporter
    from lilm.recipe import Recipe, load_recipe

    place = folder / "run"
    write_bases(place / "bases")
    (place / "bases" / "pieces").rename(place / "base")
    shutil.rmtree(place / "bases")
    recipe = load_recipe("quickstart").model_dump(mode="json") | {"base": {"kind": "path", "path": str(place / "base")}}
    run_stages(Recipe.model_validate(recipe), place / "run", [stage_named("base")], Reporter(quiet=True))


def _write_pieces(folder: Path) -> int:
    """Returns the number of pieces."""
    proto = empty_proto()
    for name, kind in (("<unk>", UNKNOWN), ("<s>", CONTROL), ("</s>", CONTROL)):
        proto.pieces.add(piece=name, score=0.0, type=kind)
    for byte in range(256):
        proto.pieces.add(piece=f"<0x{byte:02X}>", score=0.0, type=BYTE)
    for at, text in enumerate(
        (*LETTERS, *(chr(code) for code in range(ord("a"), ord("z") + 1) if chr(code) not in "the"))
    ):
        proto.pieces.add(piece=text, score=-1.0 - at, type=NORMAL)
    spec = proto.trainer_spec
    spec.model_type, spec.vocab_size, spec.byte_fallback = BPE, len(proto.pieces), True
    spec.unk_id, spec.bos_id, spec.eos_id, spec.pad_id = 0, 1, 2, -1
    proto.normalizer_spec.name = "identity"
    proto.normalizer_spec.add_dummy_prefix, proto.normalizer_spec.remove_extra_whitespaces = True, False
    (folder / "tokenizer.model").write_bytes(proto.SerializeToString())
    _write_json(folder / "tokenizer_config.json", {"bos_token": "<s>", "eos_token": {"content": "</s>"}})
    (folder / "chat_template.jinja").write_text(CHATML.replace("<|im_end|>", "</s>"), encoding="utf-8")
    return len(proto.pieces)


def _write_byte_level(folder: Path) -> int:
    merges = [("t", "h"), ("th", "e"), ("Ġ", "the"), ("o", "n")]
    names = [*byte_alphabet(), *("".join(merge) for merge in merges)]
    added = [
        {
            "id": len(names) + at,
            "content": text,
            "special": True,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
        }
        for at, text in enumerate(SPECIAL)
    ]
    model: dict[str, Any] = {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "fuse_unk": False,
        "byte_fallback": False,
    }
    model |= {"ignore_merges": False, "vocab": {name: at for at, name in enumerate(names)}, "merges": merges}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    data = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{**token, "rstrip": False, "normalized": False} for token in added],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, level]},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": SPECIAL[0], "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {SPECIAL[0]: {"id": SPECIAL[0], "ids": [len(names)], "tokens": [SPECIAL[0]]}},
        },
        "decoder": {**level, "add_prefix_space": True},
        "model": model,
    }
    _write_json(folder / "tokenizer.json", data)
    named = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": SPECIAL[0], "eos_token": SPECIAL[2]}
    templates = [{"name": "tools", "template": "x"}, {"name": "default", "template": CHATML}]
    _write_json(folder / "tokenizer_config.json", {**named, "chat_template": templates})
    return len(names) + len(added)


def _write_model(folder: Path, rows: int, files: tuple[str, ...]) -> None:
    """config.json, generation_config.json, and tensors of random numbers, with an index where there are several."""
    from safetensors.numpy import save_file

    rope = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    config: dict[str, Any] = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        **SHAPE,
        "head_dim": 16,
        "vocab_size": rows,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10_000.0,
        "rope_scaling": {**rope, "original_max_position_embeddings": 32} if len(files) > 1 else None,
        "attention_bias": False,
        "tie_word_embeddings": len(files) > 1,
        "bos_token_id": 1,
        "eos_token_id": [2],
    }
    _write_json(folder / "config.json", config)
    _write_json(folder / "generation_config.json", {"bos_token_id": 1, "eos_token_id": 2, "max_length": 64})
    rng = np.random.default_rng(0)
    scaled = {**config, "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0}, "rope_theta": 10_000.0}
    tensors = {entry.source: rng.normal(0, 0.05, entry.shape).astype(np.float32) for entry in layout(Shape.of(scaled))}
    names = sorted(tensors)
    found = {name: files[at % len(files)] for at, name in enumerate(names)}
    for file in files:
        save_file({name: tensors[name] for name in names if found[name] == file}, folder / file, {"format": "pt"})
    if len(files) > 1:
        _write_json(folder / "model.safetensors.index.json", {"metadata": {"total_size": 1}, "weight_map": found})


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
