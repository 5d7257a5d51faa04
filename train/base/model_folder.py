"""Reading a Llama from a folder, and saying what is wrong with it before anything is built on it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lilm.bpe import CONFIG, FILE, read_byte_level
from lilm.errors import LilmError
from lilm.spm import MODEL

if TYPE_CHECKING:
    import torch
    from transformers import LlamaForCausalLM

TOKENIZER = MODEL
TEMPLATE = "chat_template.jinja"


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of a Llama. Raises LilmError when it is missing, broken or of another architecture."""
    path = folder / "config.json"
    if not path.is_file():
        raise LilmError("no config.json", where=str(folder), remedy="give the folder of a Hugging Face model")
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise LilmError(f"not JSON ({error})", where=str(path), remedy="fetch the model again") from error
    if config.get("model_type") != "llama":
        raise LilmError(
            f"model_type is {config.get('model_type')!r}",
            where=str(path),
            remedy="use a model of the llama architecture",
        )
    return config


def check_model_folder(folder: Path) -> None:
    """Raises LilmError unless `folder` holds a Llama: config, whole safetensors, and a tokenizer that pieces can be
    added to."""
    from safetensors import SafetensorError, safe_open

    config = read_config(folder)
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise LilmError(
            "no *.safetensors", where=str(folder), remedy="convert the weights to safetensors; pickles are not read"
        )
    names: set[str] = set()
    for path in files:
        try:
            with safe_open(path, framework="np") as tensors:
                names |= set(tensors.keys())
        except (SafetensorError, OSError) as error:
            raise LilmError(f"corrupt safetensors ({error})", where=str(path), remedy="fetch the file again") from error
    wanted = {f"model.layers.{config['num_hidden_layers'] - 1}.mlp.down_proj.weight", "model.embed_tokens.weight"}
    if wanted - names:
        raise LilmError(
            f"tensor {sorted(wanted - names)[0]} is missing", where=str(folder), remedy="fetch the model again, whole"
        )
    if not (folder / TOKENIZER).is_file():
        if not (folder / FILE).is_file():
            raise LilmError(
                f"no {TOKENIZER} and no {FILE}", where=str(folder), remedy="put the model's own tokenizer beside it"
            )
        rows = config.get("vocab_size")
        tokens = len(read_byte_level(folder).names)
        if isinstance(rows, int) and tokens > rows:
            raise LilmError(
                f"the tokenizer has {tokens} tokens and the model {rows} rows: they do not belong together",
                where=str(folder / FILE),
                remedy=f"put the model's own {FILE} beside it",
            )


def tokenizer_files(folder: Path) -> tuple[str, ...]:
    """Names of the files that make up a base's tokenizer; what tells its names and its chat template comes last, and
    may be missing."""
    own = TOKENIZER if (folder / TOKENIZER).is_file() else FILE
    return (own, CONFIG, TEMPLATE)


def load_llama(folder: Path, device: "torch.device", dtype: str = "float32") -> "LlamaForCausalLM":
    """The model on `device`, in eval mode. Raises LilmError when the weights cannot be read."""
    import torch
    from safetensors import SafetensorError
    from transformers import LlamaForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        model: Any = LlamaForCausalLM.from_pretrained(
            folder, dtype=getattr(torch, dtype), use_safetensors=True, local_files_only=True
        )
    except (SafetensorError, OSError) as error:
        raise LilmError(f"cannot load the model ({error})", where=str(folder), remedy="fetch it again") from error
    loaded: LlamaForCausalLM = model.to(device).eval()
    return loaded


def save_llama(model: Any, folder: Path) -> None:
    """config.json, generation_config.json and *.safetensors, without the name of the folder it came from."""
    from transformers.utils import logging

    logging.disable_progress_bar()  # ours are shown instead
    model.config._name_or_path = ""
    model.save_pretrained(folder)
