"""The kinds of files that are spoilt: how whole ones are made, which of their files is spoilt how, and who reads it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from lilm.train.faults import reading, reading_side, seeds, seeds_model, seeds_side
from lilm.train.faults.serving import server

Read = Callable[[Path, Path], None]
"""(folder of the spoilt input, folder to write to): returns, or raises LilmError."""


@dataclass(frozen=True)
class Kind:
    """write: makes the seeds, one folder each, in an empty folder. spoilers: by the name of the file, as a pattern, the
    way to spoil it. reader: for one worker, which gives it an empty folder, open as long as it reads this kind."""

    name: str
    write: Callable[[Path], None]
    spoilers: Mapping[str, str]
    reader: Callable[[Path], AbstractContextManager[Read]]


def _plain(read: Read) -> Callable[[Path], AbstractContextManager[Read]]:
    @contextmanager
    def opened(folder: Path) -> Iterator[Read]:
        yield read

    return opened


def _kind(name: str, write: Callable[[Path], None], read: Read, **spoilers: str) -> Kind:
    """spoilers: the pattern of a file's name for each way."""
    return Kind(name, write, {pattern: way for way, pattern in spoilers.items()}, _plain(read))


def _all() -> Iterator[Kind]:
    yield _kind("recipe", seeds.write_recipe, reading.read_recipe, toml="lilm.toml")
    yield _kind("chats", seeds.write_chats, reading.read_chats, json_lines="*.jsonl", json="*.json", bytes="*.parquet")
    yield _kind("config", seeds_model.write_bases, reading.read_base, json="*config.json")
    tensors = {"safetensors": "*.safetensors", "json": "*.index.json"}
    yield _kind("safetensors", seeds_model.write_bases, reading.read_base, **tensors)
    yield _kind("tokenizer.json", seeds_model.write_bases, reading.read_base, json="tokenizer*.json")
    yield _kind("tokenizer.model", seeds_model.write_bases, reading.read_base, pieces="tokenizer.model")
    yield _kind("gguf", seeds_model.write_gguf_files, reading.read_gguf, gguf="*.gguf")
    yield _kind("template", seeds_model.write_bases, reading.read_template, template="chat_template.jinja")
    yield _kind("manifest", seeds_model.write_run, reading.read_run, json="manifest.json", toml="lilm.toml")
    for name, write, way in (
        ("text", seeds.write_text, "text"),
        ("jsonl", seeds.write_jsonl, "json_lines"),
        ("csv", seeds.write_csv, "text"),
        ("auto", seeds.write_any, "text"),
        ("parquet", seeds.write_parquet, "bytes"),
        ("aozora", seeds.write_aozora, "text"),
        ("html", seeds.write_html, "text"),
        ("warc", seeds.write_warc, "text"),
        ("mediawiki", seeds.write_mediawiki, "text"),
        ("squad", seeds.write_squad, "json"),
    ):
        yield _kind(name, write, reading.read_source, **{way: "a.*"})
    json_files = {"json_lines": "a.jsonl", "json": "a.json"}
    evaluation = {**json_files, "text": "a.txt"}
    yield _kind("evaluation", seeds_side.write_evaluation_files, reading_side.read_evaluation_file, **evaluation)
    choices = {"json_lines": "a.jsonl", "text": "a.csv"}
    yield _kind("choices", seeds_side.write_choices, reading_side.read_choices_file, **choices)
    yield _kind("questions", seeds_side.write_questions, reading_side.read_questions_file, **json_files)
    yield _kind("pairs", seeds_side.write_pairs, reading_side.read_pairs_file, json_lines="a.jsonl")
    yield _kind("translator", seeds_side.write_told, reading_side.read_told, text="a.*")
    yield _kind("imatrix", seeds_side.write_imatrix_files, reading_side.read_imatrix_file, gguf="a.gguf")
    adapter = {"json": "[av]*.json", "safetensors": "adapter_model.safetensors"}
    yield _kind("adapter", seeds_side.write_adapters, reading_side.read_adapter, **adapter)
    yield _kind("recipe.json", seeds_side.write_recipe_json, reading_side.read_recipe_file, json="recipe.json")
    yield Kind("http", seeds.write_requests, {"request": "request"}, server)


KINDS = {kind.name: kind for kind in _all()}
