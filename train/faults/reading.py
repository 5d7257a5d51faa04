"""What LiLM does with a file of each kind, as far as the file alone decides about it."""

import json
import shutil
import zlib
from collections import Counter
from pathlib import Path

from rich.console import Console

from lilm.errors import LilmError
from lilm.progress import Reporter

QUIET = Reporter(quiet=True)
ONE_IN = 12  # inputs of which so many are also read by what takes seconds


def read_recipe(folder: Path, out: Path) -> None:
    """Loaded, written and loaded again; checked; planned for."""
    from lilm.pipeline.runner import check_stages, explain, make_context, stage_named
    from lilm.recipe import load_recipe, recipe_toml
    from lilm.recipe.files import parse_recipe
    from lilm.train.plan.show import show_plan

    recipe = load_recipe(str(folder / "lilm.toml"))
    again = parse_recipe(recipe_toml(recipe), "written", folder)
    if again != recipe:
        raise AssertionError("a recipe that was written is another one")
    stages = [stage_named(name) for name in ("corpus", "base", "finetune", "export")]
    check_stages("check", stages, recipe, make_context(recipe, QUIET))
    explain(recipe, out, stages, QUIET)
    if recipe.base.kind == "scratch":
        show_plan(recipe, "h100", QUIET)


def read_chats(folder: Path, out: Path) -> None:
    """The seed's name begins with the format."""
    from lilm.recipe import ChatSourceConfig
    from lilm.train.finetune.sources import check_chat_source
    from lilm.train.finetune.sources import read_chats as chats

    (path,) = folder.glob("chats.*")
    format = folder.name.partition("-")[0]
    source = ChatSourceConfig.model_validate({"name": "a", "format": format, "path": str(path)})
    check_chat_source(source, "ja")
    for chat in chats(source, "ja", 0, Counter()):
        json.dumps(chat.messages, ensure_ascii=False).encode()


def read_base(folder: Path, out: Path) -> None:
    """The stage, and then what the later stages read of it."""
    import torch

    from lilm.chat.files import read_format
    from lilm.export.gguf_writer import write_gguf
    from lilm.pipeline.runner import run_stages, stage_named
    from lilm.recipe import Recipe, load_recipe
    from lilm.train.base.model_folder import load_llama
    from lilm.vocabulary.pieces import open_pieces

    torch.set_num_threads(1)
    given = load_recipe("quickstart").model_dump(mode="json") | {"base": {"kind": "path", "path": str(folder)}}
    run_stages(Recipe.model_validate(given), out, [stage_named("base")], QUIET)
    done = folder / "base"
    (out / "base").rename(done)
    shutil.rmtree(out)
    read_format(done)
    pieces = open_pieces(done)
    pieces.encode("the お山 1\n")
    pieces.n_bytes()
    load_llama(done, torch.device("cpu"))
    write_gguf(done, folder / "model.gguf", ("en",))


def read_gguf(folder: Path, out: Path) -> None:
    """Reads it as a base, as something to chat with, and now and then by llama.cpp."""
    from lilm.chat.files import read_format
    from lilm.chat.template import ChatTemplate
    from lilm.chat.tokens import stretches
    from lilm.export.gguf_info import bits_per_weight, by_type, read_tensors
    from lilm.gguf_file import open_gguf
    from lilm.llama.shape import Shape
    from lilm.llamacpp.chat import ChatEngine
    from lilm.recipe import SamplingConfig
    from lilm.train.base.from_gguf import check_gguf_base, gguf_config
    from lilm.train.base.gguf_model import entries, read_figures
    from lilm.train.base.gguf_tokenizer import write_gguf_tokenizer
    from lilm.train.base.gguf_weights import write_safetensors

    path = folder / "a.gguf"

    def as_base() -> None:
        check_gguf_base(path)
        gguf_config(path)
        file = open_gguf(path)
        figures = read_figures(file)
        shape = Shape.of(figures)
        made = folder / "made"
        made.mkdir()
        write_gguf_tokenizer(file, made, figures["max_position_embeddings"])
        write_safetensors(file, entries(file, shape), made / "model.safetensors", lambda: None)

    def told() -> None:
        tensors = read_tensors(path)
        by_type(tensors)
        bits_per_weight(path.stat().st_size, tensors)

    def chat() -> None:
        found = read_format(path)
        if found.template is not None and now_and_then(path):
            template = ChatTemplate(found.template, found.tokens, str(path))
            stretches(template.prompt([{"role": "user", "content": "the 山"}]), found.special)
            with ChatEngine(path, n_ctx=64, threads=1) as engine:
                list(engine.chat([{"role": "user", "content": "the"}], SamplingConfig(), n_predict=2))

    refused: list[LilmError] = []
    for part in (as_base, told, chat):
        try:
            part()
        except LilmError as error:
            refused.append(error)
    if refused:
        raise refused[0]


def read_template(folder: Path, out: Path) -> None:
    """Cut into turns, and a chat rendered by it."""
    from lilm.chat.files import read_format
    from lilm.chat.template import ChatTemplate

    found = read_format(folder)
    if found.template is not None:
        ChatTemplate(found.template, found.tokens, str(folder)).prompt([{"role": "user", "content": "the 山"}])


def read_source(folder: Path, out: Path) -> None:
    """Items of a corpus source, whose format is the name of the folder above; one of them shown as `lilm corpus
    inspect` does."""
    from lilm.recipe import SourceConfig, load_recipe
    from lilm.train.corpus.inspect import inspect_file
    from lilm.train.corpus.sources import Bad, Skip, check_source, read, shards

    (path,) = folder.glob("a.*")
    format = folder.parent.name
    given = {"name": "a", "lang": "ja", "format": format, "path": str(path)}
    if folder.name == "separator":
        given["separator"] = "\n\n"
    source = SourceConfig.model_validate(given)
    check_source(source)
    found: list[str] = []
    for item in (item for shard in shards(source) for item in read(shard, source, 0)):
        found.append(item.error().line() if isinstance(item, Bad) else item.text if isinstance(item, Skip) else item)
        found[-1].encode()
    inspect_file(str(path), load_recipe("quickstart").corpus, "ja", Console(quiet=True))


def read_run(folder: Path, out: Path) -> None:
    """A run folder that was done: explained, and gone on with."""
    from lilm.pipeline.artifact import changed_output, read_manifest
    from lilm.pipeline.runner import explain, run_stages, stage_named
    from lilm.recipe import load_recipe

    run = folder / "run"
    recipe, stages = load_recipe(str(run / "lilm.toml")), [stage_named("base")]
    manifest = read_manifest(run / "base")
    if manifest is not None:
        changed_output(run / "base", manifest)
        manifest.digest.encode()
    explain(recipe, run, stages, QUIET)
    run_stages(recipe, run, stages, QUIET)


def now_and_then(path: Path) -> bool:
    return zlib.crc32(path.read_bytes()) % ONE_IN == 0
