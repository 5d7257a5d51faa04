"""Fine-tuning on chats, in the format that every other part uses."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerFast

from lilm.chat import CHAT_TEMPLATE
from lilm.chat.files import read_format
from lilm.devices import prepare_torch
from lilm.pipeline.artifact import Artifact
from lilm.pipeline.hashing import write_json
from lilm.pipeline.stage import Context
from lilm.recipe import FinetuneConfig
from lilm.train.base.model_folder import TOKENIZER, load_llama, save_llama
from lilm.train.finetune.format import Format, chat_vocabulary, choose_format
from lilm.train.finetune.teach import NOTHING, Pupil, teach
from lilm.train.trainer.rank import current_rank


def finetune(config: FinetuneConfig, inputs: Mapping[str, Path], out_dir: Path, context: Context) -> Artifact:
    """Writes a Hugging Face folder whose tokenizer carries the chat template, and metrics.jsonl, report.json,
    report.html, the learnt chats as a token store, and heldout.json.

    inputs: the folders of the stages pretrain and pack, and of base where its rows are kept.
    """
    pretrained = inputs["pretrain"]
    device = prepare_torch(context.seed, context.threads)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(pretrained)
    model = load_llama(pretrained, device)
    # a copy of the tokenizer itself: no warning about long chats, which are cut
    vocabulary = chat_vocabulary(tokenizer.backend_tokenizer)
    chosen = choose_format(config, read_format(pretrained), str(pretrained))
    context.reporter.say(f"  {_described(chosen)}")
    pupil = Pupil(model, tokenizer, vocabulary, chosen)
    taught = teach(pupil, config, inputs, out_dir, context) if config.sources else NOTHING
    if current_rank().rank:
        return Artifact()  # the first process writes what all have
    save_chat_model(model, tokenizer, chosen, pretrained, out_dir)
    write_json(out_dir / "report.json", taught.report)
    return Artifact({**taught.report, "tokens_per_s": taught.tokens_per_s}, taught.volatile)


def save_chat_model(
    model: Any, tokenizer: PreTrainedTokenizerFast, chosen: Format, pretrained: Path, out_dir: Path
) -> None:
    """Writes a Hugging Face folder of a model that ends its turns as `chosen` says, whose tokenizer has the template.

    pretrained: the folder that the tokenizer is from.
    """
    end_turns_with(model, chat_vocabulary(tokenizer.backend_tokenizer).control[chosen.end_token])
    save_llama(model, out_dir)
    tokenizer.chat_template, tokenizer.eos_token = chosen.template, chosen.end_token
    tokenizer.save_pretrained(out_dir)
    if (pretrained / TOKENIZER).is_file():  # a byte-level BPE has none
        shutil.copyfile(pretrained / TOKENIZER, out_dir / TOKENIZER)  # save_pretrained writes none


def end_turns_with(model: Any, token: int) -> None:
    """Let generation stop at this token, and at what it stopped at before."""
    before = model.generation_config.eos_token_id
    others = before if isinstance(before, list) else [before]
    others = [other for other in others if other not in (None, token)]
    model.config.eos_token_id = token
    model.generation_config.eos_token_id = [token, *others] if others else token


def _described(chosen: Format) -> str:
    whose = "LiLM's plain chat format" if chosen.template == CHAT_TEMPLATE else "the base's own chat format"
    return f"{whose}; turns end with {chosen.end_token}"
