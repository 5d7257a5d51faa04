"""Reading a Llama from a folder, and saying what is wrong with it before anything is built on it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lilm.chat.files import read_chat_template
from lilm.errors import LilmError
from lilm.json_file import read_json_object
from lilm.llama.config import AGAIN, read_llama_config
from lilm.train.base.weights_check import check_headers
from lilm.vocabulary.added_tokens import ADDED
from lilm.vocabulary.byte_level import CONFIG, FILE
from lilm.vocabulary.pieces import taken_mark
from lilm.vocabulary.sentencepiece import MODEL, has_model

if TYPE_CHECKING:
    import torch
    from transformers import LlamaForCausalLM

TOKENIZER = MODEL
TEMPLATE = "chat_template.jinja"
GENERATION = "generation_config.json"
OBJECTS = (GENERATION, CONFIG, ADDED)  # that may be missing


def check_model_folder(folder: Path) -> list[Path]:
    """Returns the files that hold the weights of the Llama in `folder`, after reading config.json, the weights'
    headers and the tokenizer.

    Raises LilmError unless they belong together and are what all stages can work on.
    """
    from lilm.train.tokenizer.kinds import open_base

    config = read_llama_config(folder)
    for name in OBJECTS:
        if (folder / name).is_file():
            read_json_object(folder / name, remedy=AGAIN)
    read_chat_template(folder)
    files = check_headers(folder, config)
    own = tokenizer_files(folder)[0]
    if not (folder / own).is_file():
        other = f"{TOKENIZER} is tiktoken's" if (folder / TOKENIZER).is_file() else f"no {TOKENIZER}"
        raise LilmError(f"{other} and no {FILE}", where=str(folder), remedy="put the model's own tokenizer beside it")
    mark = taken_mark(folder)
    tokens, rows = open_base(folder).size - (mark is not None and mark.is_new), config["vocab_size"]
    if tokens > rows:
        raise LilmError(
            f"the tokenizer has {tokens} tokens and the model {rows} rows: they do not belong together",
            where=str(folder / own),
            remedy=f"put the model's own {own} beside it",
        )
    return files


def tokenizer_files(folder: Path) -> tuple[str, ...]:
    """Names of the files that make up a base's tokenizer; what tells its names, its chat template and what was added to
    it comes last, and may be missing."""
    if has_model(folder):
        return (TOKENIZER, CONFIG, TEMPLATE, ADDED)
    return (FILE, CONFIG, TEMPLATE)


def load_llama(folder: Path, device: "torch.device", dtype: str = "float32") -> "LlamaForCausalLM":
    """Returns the model on `device`, in eval mode; its config says of both matrices what its files hold.

    Raises LilmError when the weights cannot be read, or are not all those of its config.json and no others.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import LlamaConfig, LlamaForCausalLM
    from transformers.utils import logging

    plain = read_llama_config(folder)
    check_headers(folder, plain)  # transformers makes up what is missing
    logging.disable_progress_bar()
    try:
        model: Any = LlamaForCausalLM.from_pretrained(
            folder,
            config=LlamaConfig.from_dict(plain),
            dtype=getattr(torch, dtype),
            use_safetensors=True,
            local_files_only=True,
        )
    except (SafetensorError, OSError, json.JSONDecodeError) as error:  # it reads no JSON that begins with a BOM
        raise LilmError(f"cannot load the model ({error})", where=str(folder), remedy="fetch it again") from error
    # it leaves apart what a tied config has apart, and ties it when rows are added
    apart = model.get_input_embeddings().weight is not model.get_output_embeddings().weight
    model.config.tie_word_embeddings = not apart
    loaded: LlamaForCausalLM = model.to(device).eval()
    return loaded


def save_llama(model: Any, folder: Path) -> None:
    """config.json, generation_config.json and *.safetensors, without the name of the folder it came from."""
    from transformers.utils import logging

    logging.disable_progress_bar()  # ours are shown instead
    model.config._name_or_path = ""
    model.save_pretrained(folder)
