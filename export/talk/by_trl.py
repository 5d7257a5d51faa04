"""What most people run: TRL's SFTTrainer on the same chats, nothing set but the number of steps."""

import importlib
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerFast, PrinterCallback

from lilm.devices import prepare_torch
from lilm.export.talk.bed import Bed
from lilm.temporary import temporary_folder
from lilm.train.base.model_folder import load_llama
from lilm.train.finetune.learn import save_chat_model
from lilm.train.pretrain.bench.trainer_defaults import SHOWN, Shown, quiet_arguments

OWN = ("max_length", "packing", "assistant_only_loss", "bf16", "gradient_checkpointing")


def teach_by_trl(bed: Bed, folder: Path) -> dict[str, Any]:
    """The chats as messages, the template as everywhere here. Source: https://huggingface.co/docs/trl/sft_trainer"""
    from datasets import Dataset
    from datasets.utils.logging import disable_progress_bar

    trl: Any = importlib.import_module("trl")
    disable_progress_bar()
    model: Any = load_llama(bed.pretrained, prepare_torch(bed.recipe.seed, bed.recipe.threads))
    tokenizer = PreTrainedTokenizerFast.from_pretrained(bed.pretrained)
    tokenizer.chat_template, tokenizer.eos_token = bed.format.template, bed.format.end_token
    steps = bed.recipe.finetune.optim.steps
    chats = Dataset.from_list([{"messages": chat.messages} for chat in bed.learnt])
    with temporary_folder("trl") as work, bed.reporter.bar("TRL's defaults", steps) as bar:
        arguments = trl.SFTConfig(**quiet_arguments(work, steps, model.device.type == "cpu"))
        trainer = trl.SFTTrainer(
            model=model, args=arguments, train_dataset=chats, processing_class=tokenizer, callbacks=[Shown(bar)]
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    save_chat_model(model, tokenizer, bed.format, bed.pretrained, folder)
    values = {name: getattr(arguments, name) for name in (*SHOWN, *OWN)}
    return {"trl": trl.__version__, "steps": steps} | {
        name: getattr(value, "value", value) for name, value in values.items()
    }
