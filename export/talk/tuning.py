"""What chat tuning is worth: every way from one pretrained model, measured on answers that none of them learnt."""

import time
from pathlib import Path
from typing import Any

from lilm.disk import require_space
from lilm.export.quality.interval import value_of
from lilm.export.quality.plan import FORMAT
from lilm.export.recipe_json import folder_digest
from lilm.export.talk.bed import Bed
from lilm.export.talk.preferred import prefer
from lilm.export.talk.ways import BEFORE, OURS, SEED, TRL, VECTOR, available, taught
from lilm.export.talk.worth import answer_bits, own_answers
from lilm.kept import kept
from lilm.pipeline.hashing import sha256_file, sha256_json
from lilm.pipeline.made_by import code_of
from lilm.pipeline.runner import locked

SHARES = ("ends_by_eos", "in_language", "loops")
MORE = 5  # models' room beside them: what DPO makes, a training's checkpoint and its best weights, a GGUF file
NAMES = {BEFORE: "before", OURS: "after", TRL: "trl", SEED: "seed2023", VECTOR: "vector"}  # in the keys of the figures


def measure_tuning(bed: Bed, generations: int, plain: Path | None = None) -> dict[str, Any]:
    """Tunes in each way that there is, then on pairs, and measures; a bench that was stopped goes on.

    Returns "answer_bpb_before", "…_after" (the recipe's), "…_trl", "…_seed2023" in the run's template, with
    "answer_bpb_seed2023_own" in that of 2023; "ends_by_eos", "in_language", "loops" of the recipe's, as shares;
    "dpo_preferred_before", "dpo_preferred_after" by token, "dpo_preferred_in_all_before", "…_after",
    "dpo_bpb_rise"; and all else in "ways", "dpo", "chats", "tuning_s".
    plain: see ways.available; then "answer_bpb_vector". What is not measured is None.
    """
    bed.out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with locked(bed.out):
        of = {**bed.decides(), "code": sha256_json(code_of(__name__))}
        ways = available(bed, plain)
        room = _bytes(bed.pretrained) * (len(ways) + MORE)
        require_space(bed.out, room, "the tuned models", "free some space, or give another --out")
        more = {} if plain is None else {"base": folder_digest(bed.folders["base"]), "plain": _digest(plain)}
        drawn = {
            "format": FORMAT,
            "generations": generations,
            "sampling": bed.recipe.site.sampling.model_dump(mode="json"),
        }
        rows: dict[str, dict[str, Any]] = {}
        for name, way in ways.items():
            bed.reporter.say(way.title)
            mine = {"way": name, **of, **(more if name == VECTOR else {})}
            folder, told = taught(bed, name, way, mine)
            own = way.format(bed) if way.format else None
            bits = kept(bed.out / f"{name}-bits.json", mine, lambda: answer_bits(bed, folder, own))  # noqa: B023
            said = kept(
                bed.out / f"{name}-answers.json",
                {**mine, **drawn},
                lambda: own_answers(bed, folder, name, generations),  # noqa: B023
            )
            rows[name] = {"title": way.title, **told, **bits, **said}
            if name == OURS:
                tuned = folder
        bed.reporter.say("pairs of answers, after LiLM's")
        folder, dpo = prefer(bed, tuned, {"way": "dpo", **of})
        dpo |= kept(bed.out / "dpo-bits.json", {"way": "dpo", **of}, lambda: answer_bits(bed, folder))
    return {**_figures(rows, dpo), "ways": rows, "dpo": dpo, "chats": _chats(bed)} | {
        "tuning_s": round(time.monotonic() - started, 1)
    }


def _figures(rows: dict[str, dict[str, Any]], dpo: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        f"answer_bpb_{key}": rows[name]["answer_bpb"] if name in rows else None for name, key in NAMES.items()
    }
    found["answer_bpb_seed2023_own"] = rows[SEED]["answer_bpb_own"]
    found |= {name: value_of(rows[OURS][name]) for name in SHARES}
    for when in ("before", "after"):
        found[f"dpo_preferred_{when}"] = dpo[when]["all"]
        found[f"dpo_preferred_in_all_{when}"] = dpo[f"{when}_in_all"]["all"]
    return {**found, "dpo_bpb_rise": round(dpo["answer_bpb"] / rows[OURS]["answer_bpb"] - 1, 4)}


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))


def _digest(path: Path) -> str:
    return sha256_file(path) if path.is_file() else folder_digest(path)


def _chats(bed: Bed) -> dict[str, int]:
    parts = {"learnt": bed.learnt, "paired": bed.paired, "tested": bed.tested}
    counts = {name: len(chats) for name, chats in parts.items()}
    return {**counts, "tested_bytes": sum(chat.answer_bytes for chat in bed.tested), "too_long": bed.too_long}
