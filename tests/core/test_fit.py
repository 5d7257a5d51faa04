"""Which device a model fits: the known devices, the arithmetic around what is measured in tests/wasm/test_peak.py, and
the budget that a device sets."""

import re
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from pydantic import ValidationError
from rich.console import Console

from lilm.errors import LilmError
from lilm.export.block_types import FAST
from lilm.export.gguf_writer import write_gguf
from lilm.fit.browser import Use
from lilm.fit.command import show_fit
from lilm.fit.device import Device, Place
from lilm.fit.fits import fit_matrix
from lilm.fit.known.devices import find_device, load_devices
from lilm.fit.known.types import fast_types, slow_types
from lilm.fit.model import Model, read_model
from lilm.fit.needs import available_bytes, longest_on, needed_bytes, room_for_weights
from lilm.llama.shape import Shape
from lilm.pipeline.place import place_of
from lilm.pipeline.stage import Context, stage_named
from lilm.pipeline.work import stage_config
from lilm.recipe import ExportConfig, WasmConfig
from lilm.recipe.files import parse_recipe
from lilm.wasm.stage import check_base
from tests.conftest import quickstart_without_budget

KERNELS = Path(__file__).resolve().parents[2] / "wasm" / "src" / "kernels" / "mul_mat.c"
TINYLLAMA = Model(Shape(51_520, 2048, 5632, 22, 32, 4, 64, tied=False, context=8192), 201, 691_000_000, 693_000_000)
SMALL = Model(Shape(51_520, 576, 1536, 30, 9, 3, 64, tied=True, context=8192), 272, 92_000_000, 94_000_000)
USE = Use(n_batch=256, threads=8, stack_bytes=2 << 20)


def test_each_figure_says_where_it_is_from() -> None:
    devices = load_devices()
    assert 15 <= len(devices) <= 30
    assert {one.kind for one in devices.values()} == {"app", "tab"}
    for one in devices.values():
        assert re.fullmatch(r"[a-z0-9-]+", one.name)  # files are named after it
        assert one.source.startswith("https://")
        assert re.fullmatch(r"20\d\d(-\d\d-\d\d)?", one.date)
        assert one.confidence in ("high", "medium", "low")
        assert one.may_use_mb > 0
        if one.kind == "app":
            assert one.may_use_mb < one.ram_mb
        if one.entitlement:
            assert one.may_use_mb > devices[one.name.removesuffix("-entitled")].may_use_mb


def test_safari_on_an_iphone_is_a_device_of_its_own() -> None:
    safari = find_device("iphone-safari")
    assert (safari.kind, safari.may_use_mb) == ("tab", 450)
    assert longest_on(safari, TINYLLAMA, USE) == 0
    assert longest_on(safari, SMALL, USE) == 8192
    assert longest_on(find_device("iphone-13-pro"), TINYLLAMA, USE) == 8192


@pytest.mark.parametrize("name", ["iphone-safari", "android-chrome", "iphone-12-mini"])
@pytest.mark.parametrize("weights", [300_000_000, 500_000_000])
def test_the_longest_context_fits_and_a_longer_one_does_not(name: str, weights: int) -> None:
    long = replace(TINYLLAMA, shape=replace(TINYLLAMA.shape, context=1 << 17), weights_bytes=weights)
    device, most = find_device(name), available_bytes(find_device(name), USE)
    longest = longest_on(device, long, USE)
    assert longest % 256 == 0 and longest < long.shape.context
    assert longest == 0 or needed_bytes(device, long, USE, longest) <= most
    assert needed_bytes(device, long, USE, longest + 256) > most
    if longest:
        assert longest_on(device, long, replace(USE, kv_type="q8_0")) > 1.5 * longest


@pytest.mark.parametrize("name", ["iphone-safari", "iphone-12-mini", "desktop-chrome"])
@pytest.mark.parametrize("n_ctx", [512, 4096])
def test_the_room_for_weights_is_what_still_fits(name: str, n_ctx: int) -> None:
    device = find_device(name)
    room = room_for_weights(Place(device, USE, n_ctx), SMALL.shape)
    full = replace(SMALL, weights_bytes=room, n_merges=SMALL.shape.vocab)
    assert needed_bytes(device, full, USE, n_ctx) <= available_bytes(device, USE)
    assert longest_on(device, full, USE) >= n_ctx
    more = replace(full, weights_bytes=room + 1_000_000)
    assert needed_bytes(device, more, USE, n_ctx) > available_bytes(device, USE)


def test_a_misspelt_device_is_refused_with_the_right_one() -> None:
    with pytest.raises(ValueError, match="no device 'iphone-safary'; is it iphone-safari"):
        find_device("iphone-safary")
    with pytest.raises(ValidationError, match="is it iphone-13-pro"):
        ExportConfig(device="iPhone-13-Pro")
    with pytest.raises(ValueError, match=r"known: iphone-8-safari, .*android-8gb"):
        find_device("xyz")


def test_one_key_decides_the_budget() -> None:
    assert ExportConfig(device="iphone-safari").has_budget
    assert ExportConfig(device="iphone-safari").exported_as("mix") == "mix-iphone-safari"
    for keys in ({"target_mb": 100}, {"bits_per_weight": 4}):
        with pytest.raises(ValidationError, match=f"{next(iter(keys))} and device are both given"):
            ExportConfig.model_validate({"device": "iphone-safari", **keys})


def test_the_export_runs_again_when_the_devices_context_changes_and_only_then() -> None:
    stage = stage_named("export")
    without = quickstart_without_budget()
    text = without.replace("[export]\n", '[export]\ndevice = "iphone-safari"\n')
    configs, places = [], []
    for n_ctx in (1024, 2048):
        one = parse_recipe(text, "lilm.toml", Path("/"))
        one = one.model_copy(update={"wasm": one.wasm.model_copy(update={"n_ctx": n_ctx})})
        configs.append(stage_config(stage, one))
        places.append(place_of(one))
    assert [config["place"]["n_ctx"] for config in configs] == [1024, 2048]
    assert configs[0]["place"]["may_use_mb"] == 450
    assert [place.n_ctx for place in places if place] == [1024, 2048]
    plain = parse_recipe(without, "lilm.toml", Path("/"))
    assert place_of(plain) is None
    assert "place" not in stage_config(stage, plain)


def test_files_of_types_without_kernels_are_called_slow() -> None:
    known = fast_types()
    text = KERNELS.read_text(encoding="utf-8")
    chosen = text[text.index("find_type") : text.index("default:")]
    assert set(re.findall(r"GGML_TYPE_(\w+)", chosen)) == set(known["browser"])
    assert set(FAST) == set(known["browser"]) & set(known["arm"])
    mostly_slow = replace(SMALL, matrix_bytes={"Q3_K": 80, "Q6_K": 15, "IQ4_XS": 5})
    assert slow_types(mostly_slow, "arm") == ["Q3_K", "IQ4_XS"]
    assert slow_types(mostly_slow, "browser") == [], "Q3_K has a kernel there"
    two_bits = replace(SMALL, matrix_bytes={"Q2_K": 80, "Q6_K": 15, "IQ4_XS": 5})
    assert slow_types(two_bits, "arm") == slow_types(two_bits, "browser") == ["Q2_K", "IQ4_XS"]
    assert slow_types(replace(SMALL, matrix_bytes={"Q6_K": 60, "Q3_K": 40}), "arm") == []
    mxfp4 = replace(SMALL, matrix_bytes={"MXFP4": 80, "Q8_0": 20})
    assert (slow_types(mxfp4, "arm"), slow_types(mxfp4, "browser")) == ([], ["MXFP4"])
    assert slow_types(replace(SMALL, matrix_bytes={"F16": 100}), "browser") == []
    row = fit_matrix([find_device("iphone-safari")], {"a": two_bits, "b": SMALL}, USE)[0]
    assert row["slow"] == ["a"]


def write_empty(path: Path) -> Path:
    """A Llama of one layer, of zeros, that spells bytes."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    kinds = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL, *[gguf.TokenType.BYTE] * 256]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_context_length(256)
    writer.add_embedding_length(64)
    writer.add_feed_forward_length(64)
    writer.add_head_count(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(64)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([piece.encode() for piece in pieces])
    writer.add_token_scores([0.0] * len(pieces))
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    matrices = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"]
    writer.add_tensor("token_embd.weight", np.zeros((len(pieces), 64), dtype=np.float32))
    for norm in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{norm}.weight", np.ones(64, dtype=np.float32))
    for matrix in matrices:
        writer.add_tensor(f"blk.0.{matrix}.weight", np.zeros((64, 64), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def shown(path: Path, device: str = "") -> tuple[str, dict[str, Any]]:
    console = Console(width=80, file=StringIO(), record=True)
    figures = show_fit(path, device, 0, USE, console)
    return console.export_text(), figures


def test_the_table_names_every_device_and_fits_a_terminal(tmp_path: Path) -> None:
    path = write_empty(tmp_path / "empty.gguf")
    text, figures = shown(path)
    assert "…" not in text
    for name in load_devices():
        assert re.search(rf"^ *{name} +[\d,]+ +\d+ +256", text, re.MULTILINE)
    assert [row["device"] for row in figures["devices"]] == list(load_devices())
    model = read_model(path)
    assert figures["parts"]["app"]["weights_bytes"] == model.weights_bytes
    needed = figures["devices"][0]["needed_bytes"]["256"]
    assert needed == needed_bytes(find_device("iphone-8-safari"), model, USE, 256)


@pytest.mark.parametrize("width", [80, 40])
def test_no_figure_is_cut_off_on_a_narrow_terminal(tmp_path: Path, width: int) -> None:
    (tmp_path / "export").mkdir()
    names = ("Q4_0", "Q4_K_M", "Q6_K", "Q8_0", "f16", "mix-1.94MB", "mix-1.94MB-learned")
    files = [write_empty(tmp_path / "export" / f"model-{name}.gguf") for name in names]
    for path in (tmp_path, files[0]):
        console = Console(width=width, file=StringIO(), record=True)
        show_fit(path, "", 0, USE, console)
        text = console.export_text()
        assert "…" not in text and "1,024" not in text
        assert text.count(" 256") >= len(load_devices()) * (len(names) if path is tmp_path else 1)


def test_a_run_folder_gets_a_column_for_each_file_and_a_device_its_source(tmp_path: Path) -> None:
    with pytest.raises(LilmError, match="no GGUF file"):
        shown(tmp_path)
    (tmp_path / "export").mkdir()
    for name in ("model-Q4_0.gguf", "model-f16.gguf"):
        write_empty(tmp_path / "export" / name)
    with (tmp_path / "export" / "model-f16.gguf").open("ab") as larger:
        larger.write(bytes(4096))
    text, figures = shown(tmp_path, "iphone-safari")
    assert re.search(r"iphone-safari +450 +256 +256", text)
    assert "iphone-safari: model-f16.gguf fits with a context of 256" in text
    assert find_device("iphone-safari").source in "".join(text.split())
    assert len(figures["devices"]) == 1
    with pytest.raises(LilmError, match="--device: no device 'iphone'"):
        shown(tmp_path, "iphone")


def test_an_adapters_folder_shows_the_models_that_it_goes_over(tmp_path: Path) -> None:
    write_empty(tmp_path / "base-Q4_0.gguf")
    writer = gguf.GGUFWriter(tmp_path / "adapter.gguf", "llama")
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_tensor("blk.0.attn_q.weight.lora_a", np.zeros((4, 64), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    _, figures = shown(tmp_path, "iphone-safari")
    assert list(figures["devices"][0]["longest_n_ctx"]) == ["base-Q4_0.gguf"]


def test_what_is_no_model_is_refused_in_one_line(tmp_path: Path) -> None:
    path = write_empty(tmp_path / "m.gguf")
    data = path.read_bytes()
    (tmp_path / "cut.gguf").write_bytes(data[:-2000])
    with pytest.raises(LilmError, match=r"cut\.gguf: truncated GGUF"):
        shown(tmp_path / "cut.gguf")
    (tmp_path / "other.gguf").write_bytes(data.replace(b"llama.block_count", b"llama.block_mount"))
    with pytest.raises(LilmError, match=r"key llama\.block_count is missing"):
        shown(tmp_path / "other.gguf")
    with pytest.raises(LilmError, match="no such file"):
        shown(tmp_path / "none.gguf")


def test_a_device_with_less_than_the_context_takes_has_no_room() -> None:
    tiny = Device("tiny", "", "", 0, "tab", 30, "https://", "2026", "low")
    assert room_for_weights(Place(tiny, USE, 2048), SMALL.shape) == 0
    assert longest_on(tiny, SMALL, USE) == 0


def test_a_cache_whose_blocks_do_not_divide_the_heads_is_refused_before_any_work(
    shared_data: Path, tmp_path: Path, context: Context
) -> None:
    """llama.cpp makes none, and a run learnt it when all was trained."""
    folder = shared_data / "model" / "stories260K-hf"  # heads of 8 numbers
    write_gguf(folder, tmp_path / "model.gguf", ("en",))
    for base in (folder, tmp_path / "model.gguf"):
        check_base(WasmConfig(), base, context)
        with pytest.raises(LilmError, match=r"q8_0 has blocks of 32 numbers.* heads of 8") as caught:
            check_base(WasmConfig(kv_type="q8_0"), base, context)
        assert caught.value.where == "wasm.kv_type"
    with pytest.raises(LilmError, match="heads of 8"):
        show_fit(tmp_path / "model.gguf", "", 0, replace(USE, kv_type="q8_0"), Console(file=StringIO()))
