"""A model in several files is the model that it was in one."""

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from lilm.demo.chunks import chunk_list
from lilm.wasm.limits import usable_bytes
from lilm.wasm.verify.node import WasmError, run_node

GREEDY = {"prompt": "S", "temperature": 0, "repeat_penalty": 1}


def split(source: Path, folder: Path, name: str, most: int) -> list[Path]:
    """As llama.cpp's gguf-split does: `most` tensors a file, what is about the model in the first."""
    reader = gguf.GGUFReader(source)
    groups = [reader.tensors[at : at + most] for at in range(0, len(reader.tensors), most)]
    paths = []
    for no, tensors in enumerate(groups):
        path = folder / f"{name}-{no + 1:05d}-of-{len(groups):05d}.gguf"
        writer = gguf.GGUFWriter(path, "llama")
        if no == 0:
            for field in reader.fields.values():
                if not field.name.startswith("GGUF.") and field.name != "general.architecture":
                    of = field.types[1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
                    writer.add_key_value(field.name, field.contents(), field.types[0], of)
        writer.add_uint16("split.no", no)
        writer.add_uint16("split.count", len(groups))
        writer.add_int32("split.tensors.count", len(reader.tensors))
        for tensor in tensors:
            writer.add_tensor(tensor.name, np.array(tensor.data), raw_dtype=tensor.tensor_type)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        paths.append(path)
    return paths


@pytest.mark.parametrize("most", [1, 4, 7])
def test_parts_give_the_text_of_the_whole(most: int, speller: Path, wasm_dir: Path, tmp_path: Path) -> None:
    parts = split(speller, tmp_path, "m", most)
    assert len(parts) > 2
    whole = run_node(speller, wasm_dir, [GREEDY])
    joined = run_node(parts[0], wasm_dir, [GREEDY])
    assert joined.runs[0].text == whole.runs[0].text == "a é日🎉z"
    assert joined.stats["model_bytes"] == whole.stats["model_bytes"]
    assert joined.stats["metadata"] == whole.stats["metadata"]


def refusal(path: Path, wasm_dir: Path) -> WasmError:
    with pytest.raises(WasmError) as caught:
        run_node(path, wasm_dir, [])
    return caught.value


def test_what_is_missing_or_foreign_is_named(
    speller: Path, wasm_dir: Path, tmp_path: Path, llama_writer: Callable[..., Path]
) -> None:
    parts = split(speller, tmp_path, "m", 7)
    other_folder = tmp_path / "other"
    other_folder.mkdir()
    pieces = [(f"<0x{byte:02X}>", 6) for byte in range(256)]
    bigger = llama_writer(tmp_path / "bigger.gguf", pieces=pieces, n_layer=3)
    other = split(bigger, other_folder, "m", 10)
    assert len(other) == len(parts)
    second = parts[1].read_bytes()

    parts[1].write_bytes(parts[2].read_bytes())
    assert "file 2 of 3 says that it is part 3 of 3" in str(refusal(parts[0], wasm_dir))
    parts[1].write_bytes(other[1].read_bytes())
    assert "they are of different models" in str(refusal(parts[0], wasm_dir))
    parts[1].write_bytes(speller.read_bytes())
    assert "file 2 of 3 is a whole model" in str(refusal(parts[0], wasm_dir))
    parts[1].write_bytes(second[: len(second) // 2])
    assert refusal(parts[0], wasm_dir).kind == "not_a_gguf"  # the tensors do not follow on each other
    parts[1].write_bytes(second[:40])
    assert refusal(parts[0], wasm_dir).kind == "truncated"
    parts[1].unlink()
    missing = refusal(parts[0], wasm_dir)
    assert missing.kind == "network" and parts[1].name in str(missing)


HEADERS = {
    "an alignment of 0": ("general.alignment", 4, struct.pack("<I", 0)),
    "an alignment of 3": ("general.alignment", 4, struct.pack("<I", 3)),
    "an alignment of 2 GiB": ("general.alignment", 4, struct.pack("<I", 1 << 31)),
    "arrays in arrays": ("x", 9, struct.pack("<IQ", 9, 1) * 40_000),
    "an array of nothing known": ("x", 9, struct.pack("<IQ", 77, 5)),
}


@pytest.mark.parametrize("odd", HEADERS)
def test_a_part_with_an_odd_header_is_refused_in_words(odd: str, wasm_dir: Path, tmp_path: Path) -> None:
    def value(key: str, kind: int, data: bytes) -> bytes:
        return struct.pack("<Q", len(key)) + key.encode() + struct.pack("<I", kind) + data

    for no in range(2):
        values = [value("split.no", 2, struct.pack("<H", no)), value("split.count", 2, struct.pack("<H", 2))]
        values += [value("split.tensors.count", 5, struct.pack("<i", 0)), value(*HEADERS[odd])]
        header = b"GGUF" + struct.pack("<IQQ", 3, 0, len(values)) + b"".join(values)
        (tmp_path / f"m-{no + 1:05d}-of-00002.gguf").write_bytes(header + bytes(64))
    error = refusal(tmp_path / "m-00001-of-00002.gguf", wasm_dir)
    assert error.kind == "not_a_gguf" and "a part of the model" in str(error)


LISTED = """
    const chunks = "m-00001-of-00003.gguf.chunks.json";
    const model = await load("m-00001-of-00003.gguf", { base: "./", keep: KEEP, threads: 2, chunks });
    const { text } = await model.complete("S", { temperature: 0, repeat_penalty: 1 });
    return { text };
"""


@pytest.mark.parametrize("keep", ["true", "false"])
@pytest.mark.parametrize("damaged", [False, True])
def test_each_part_is_checked_by_its_own_list(
    keep: str, damaged: bool, speller: Path, wasm_dir: Path, tmp_path: Path, in_chromium: Callable[..., Any]
) -> None:
    parts = split(speller, tmp_path, "m", 7)
    for part in parts:
        part.with_name(f"{part.name}.chunks.json").write_text(json.dumps(chunk_list(part, 64 << 10)))
    if damaged:
        data = bytearray(parts[1].read_bytes())
        data[-1] ^= 1
        parts[1].write_bytes(data)
    shutil.copytree(wasm_dir / "threads", tmp_path / "threads")
    limits = {"threads": usable_bytes("threads")}
    table = {"n_ctx": 512, "n_batch": 64, "threads": 2, "limits": limits, "variants": ["threads"], "models": {}}
    script = LISTED.replace("KEEP", keep)
    if damaged:
        script = f"try {{ {script} }} catch (error) {{ return {{ kind: error.kind }}; }}"
    answer = in_chromium(tmp_path, table, script)
    assert answer == ({"kind": "wrong_hash"} if damaged else {"text": "a é日🎉z"})
