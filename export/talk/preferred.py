"""What pairs of answers teach: preference tuning on made pairs, and which answer of other pairs is the likelier one."""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lilm.chat import Message
from lilm.devices import prepare_torch
from lilm.disk import link_or_copy
from lilm.export.talk.bed import Bed, last_exchange
from lilm.export.talk.ways import CHECKPOINTS, begin
from lilm.kept import keep, read_kept
from lilm.recipe import PreferenceConfig
from lilm.train.base.model_folder import load_llama
from lilm.train.finetune.pairs import Pair
from lilm.train.finetune.preference import answer_nats, likelier
from lilm.train.finetune.token_pairs import TokenPair, tokenise_pair
from lilm.vocabulary.byte_level import FILE

KINDS = ("another's answer", "broken off", "in circles")
MEASURED = 40  # of 100 pairs, which are not learnt
MICRO_BATCH = 2  # pairs: of 16 at once, a step of a model of 135M took 20 GB
SHORTEST = 8  # characters of an answer that can be damaged
Asked = tuple[list[Message], str]  # what is said before an answer, and it


def make_pairs(bed: Bed) -> tuple[list[tuple[str, Pair]], list[tuple[str, Pair]]]:
    """(those to learn, those to measure with), each with its kind of KINDS. chosen: the set's answer. rejected: what
    is answered to another question of the same part, the same answer's first half, or its first quarter again and
    again up to the same length. Those to measure with are of chats that nobody learns; those to learn of others, and
    of the chats that were learnt."""
    parts: tuple[list[Asked], list[Asked]] = ([], [])
    for chats, apart in ((bed.learnt, 0), (bed.paired, MEASURED)):
        for chat in chats:
            exchange = last_exchange(chat.messages)
            if exchange is not None:
                parts[int(chat.conversation[8:16], 16) % 100 < apart].append(exchange)
    learnt, measured = (_paired(part) for part in parts)
    return learnt, measured


def _paired(part: Sequence[Asked]) -> list[tuple[str, Pair]]:
    found = []
    for number, (asked, answer) in enumerate(part):
        for kind in KINDS if len(answer) >= SHORTEST else KINDS[:1]:
            rejected = _rejected(kind, answer, part[(number + 1) % len(part)][1]).strip()
            if rejected and rejected != answer.strip():
                turns = [{"role": "assistant", "content": text} for text in (answer.strip(), rejected)]
                chosen, other = ([*asked, turn] for turn in turns)
                found.append((kind, Pair(chosen, other, f"pair {number}")))
    return found


def _rejected(kind: str, answer: str, another: str) -> str:
    if kind == KINDS[0]:
        return another
    if kind == KINDS[1]:
        return answer[: len(answer) // 2]
    unit = answer[: max(4, len(answer) // 4)]
    return (unit * (len(answer) // len(unit) + 1))[: len(answer)]


def prefer(bed: Bed, tuned: Path, of: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
    """(the folder of the model that pairs made of the one in `tuned`, {"seconds", "pairs", "measured", "settings",
    "before", "after": {"all" and each of KINDS: share of the measured pairs whose chosen answer is the likelier one by
    token}, "before_in_all", "after_in_all": the same by the whole answers}). What was done before with the same `of`
    is kept."""
    folder = bed.out / "models" / "dpo"
    done = bed.out / "models" / "dpo.json"
    found: dict[str, Any] | None = read_kept(done, of)
    if found is not None and folder.is_dir():
        return folder, found
    resumed = begin(folder, of)
    learnt, measured = make_pairs(bed)
    pairs = [(kind, tokenise_pair(pair, bed.format.turns, bed.vocabulary)) for kind, pair in measured]
    pairs = [(kind, pair) for kind, pair in pairs if pair.longest <= bed.window]
    before, before_in_all = _likelier(bed, tuned, pairs)
    started = time.monotonic()
    settings = _train(bed, tuned, [pair for _, pair in learnt], folder)
    spent = None if resumed else round(time.monotonic() - started, 1)
    found = {"seconds": spent, "pairs": len(learnt), "measured": len(pairs), "settings": settings}
    after, after_in_all = _likelier(bed, folder, pairs)
    found |= {"before": before, "after": after, "before_in_all": before_in_all, "after_in_all": after_in_all}
    keep(done, of, found)
    return folder, found


def _train(bed: Bed, tuned: Path, learnt: Sequence[Pair], folder: Path) -> dict[str, Any]:
    """Goes on from `tuned`: the chats have no steps more, and are only measured."""
    from lilm.train.finetune.learn import finetune

    rows = [
        {"messages": pair.asked, "chosen": pair.chosen[-1]["content"], "rejected": pair.rejected[-1]["content"]}
        for pair in learnt
    ]
    own, chats = bed.recipe.finetune, bed.recipe.finetune.optim
    optim = own.preference.optim.model_dump(mode="json")
    if own.preference.optim == PreferenceConfig().optim:  # nobody chose them
        batch = min(optim["batch_size"], len(rows))
        micro = 1 if batch % MICRO_BATCH else MICRO_BATCH
        optim |= {"lr": chats.lr, "batch_size": batch, "micro_batch_size": micro}
    preference = own.preference.model_dump(mode="json") | {"path": str(bed.written("pairs.jsonl", rows)), "heldout": 0}
    config = bed.config(
        bed.learnt_file(),
        preference=preference | {"optim": optim},
        optim=chats.model_dump(mode="json") | {"steps": 0},
    )
    start = _as_pretrained(bed, tuned)
    report = finetune(config, {**bed.folders, "pretrain": start}, folder, bed.context).measurements
    for done in (start, folder / CHECKPOINTS):
        shutil.rmtree(done, ignore_errors=True)
    taught = config.preference
    told = {"steps": taught.optim.steps, "batch_size": taught.optim.batch_size, "lr": taught.optim.lr}
    names = {"dpo": ("beta",), "simpo": ("simpo_beta", "simpo_gamma")}[taught.loss]
    strength = {name: getattr(taught, name) for name in names}
    kept = {"kept": round(report["preference"]["kept"], 4)}
    return {"loss": taught.loss, **told, **strength, "chosen_weight": taught.chosen_weight, **kept}


def _as_pretrained(bed: Bed, tuned: Path) -> Path:
    """The tuned model as a pretrained one. Its tokenizer.json is the run's, whose bytes the packed text names."""
    folder = bed.out / "models" / "dpo-begin"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for path in tuned.iterdir():
        if path.is_file() and path.name != FILE:
            link_or_copy(path, folder / path.name)
    link_or_copy(bed.pretrained / FILE, folder / FILE)
    return folder


def _likelier(bed: Bed, folder: Path, pairs: Sequence[tuple[str, TokenPair]]) -> list[dict[str, float | None]]:
    """[by token, in all]: by kind, and of all, the share of pairs whose chosen answer is the likelier one."""
    model = load_llama(folder, prepare_torch(bed.recipe.seed, bed.recipe.threads))
    nats = answer_nats(model, [pair for _, pair in pairs], "float32", bed.reporter)
    wins = [(kind, likelier(pair, *both)) for (kind, pair), both in zip(pairs, nats, strict=True)]
    found = []
    for way in range(2):
        won = {wanted: [both[way] for kind, both in wins if wanted in ("all", kind)] for wanted in ("all", *KINDS)}
        found.append({wanted: round(sum(one) / len(one), 4) if one else None for wanted, one in won.items()})
    return found
