"""The decisions of 2023 about chats: words for separators, a loss on everybody's words, padded rows."""

from itertools import islice
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerFast

from lilm.chat.files import read_format
from lilm.chat.turns import cut_template
from lilm.devices import prepare_torch
from lilm.export.talk.bed import Bed
from lilm.recipe import OptimConfig, load_recipe
from lilm.train.base.model_folder import load_llama
from lilm.train.finetune.format import Format
from lilm.train.finetune.learn import save_chat_model
from lilm.train.finetune.masking import tokenise_chat
from lilm.train.pretrain.bench.seed_loop import padded_batches, seed_steps
from lilm.train.trainer.schedule import learning_rate

TEMPLATE = (
    "{% for message in messages %}"
    "{{ {'system': 'システム', 'user': 'ユーザー', 'assistant': 'アシスタント'}[message['role']] }}"
    "{{ ':' + message['content'] }}"
    "{{ eos_token if loop.last and message['role'] == 'assistant' else '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ 'アシスタント:' }}{% endif %}"
)
"""Separators that are words, which anybody can type; EOS only where the whole chat ends."""
DTYPE = "float32"  # it was float16, which a CPU has not


def seed_format(bed: Bed) -> Format:
    tokens = read_format(bed.pretrained).tokens
    return Format(TEMPLATE, cut_template(TEMPLATE, tokens, "the separators of 2023"), tokens["eos_token"])


def teach_by_seed(bed: Bed, folder: Path) -> dict[str, Any]:
    """Full fine-tuning in the loop of 2023, at the rate of the recipe seed-2023."""
    recipe, chosen = bed.recipe, seed_format(bed)
    model: Any = load_llama(bed.pretrained, prepare_torch(recipe.seed, recipe.threads))
    tokenizer = PreTrainedTokenizerFast.from_pretrained(bed.pretrained)
    rows = [tokenise_chat(chat.messages, chosen.turns, bed.vocabulary).ids for chat in bed.learnt]
    batch_size = min(recipe.finetune.optim.batch_size, len(rows))
    steps, lr = recipe.finetune.optim.steps, load_recipe("seed-2023").finetune.optim.lr
    optim = OptimConfig(steps=steps, lr=lr, final_lr=0.0)
    batches = padded_batches(rows, bed.window, batch_size)
    loop = seed_steps(model, batches, True, DTYPE, lambda step: learning_rate(step, optim))
    with bed.reporter.bar("as in 2023", steps) as bar:
        for _ in islice(loop, steps):
            bar.advance()
    save_chat_model(model.eval(), tokenizer, chosen, bed.pretrained, folder)
    return {"steps": steps, "batch_size": batch_size, "lr": lr, "schedule": optim.schedule, "loss": "all turns"}
