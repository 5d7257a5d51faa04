"""How many new pieces are worth it: the user's own text, some sizes, and as many seconds of computing for each."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lilm.disk import write_atomic
from lilm.errors import LilmError
from lilm.pipeline.artifact import read_manifest
from lilm.pipeline.hashing import sha256_json, write_json
from lilm.pipeline.runner import WORK
from lilm.progress import Reporter, clock
from lilm.recipe import Recipe
from lilm.report.units import size
from lilm.train.pretrain.compare import require_done
from lilm.train.pretrain.crossing import crossing
from lilm.train.pretrain.inputs import heldout_texts
from lilm.train.pretrain.passages import differences, passages
from lilm.train.pretrain.pilot import Trial, run_pilot
from lilm.train.tokenizer.report.choice import RESULT, choice_line
from lilm.train.trainer.heldout import BITS

NEEDED = ("corpus", "base")
SIZES = (0, 2_000, 8_000, 18_700)
MINUTES = 10.0


def compare_sizes(
    run_dir: Path,
    recipe: Recipe,
    reporter: Reporter,
    sizes: Sequence[int] = SIZES,
    minutes: float = MINUTES,
    steps: int = 0,
    out_dir: Path | None = None,
) -> dict[str, Any]:
    """Train a pilot with each of `sizes` new pieces, and say which ends lowest in bits per byte of the new language.

    run_dir: a run whose stages corpus and base are done; nothing in these is changed. minutes: of computing for each
    pilot (see `run_pilot`); steps: instead of that, as long as so many steps of stage 2 take with the fewest pieces.
    Writes compare-sizes.html and compare-sizes.json to `out_dir` (default: RUN/reports), and each finished pilot beside
    them, which is not run again while text, base, recipe and time stay the same.

    Returns pilots (what `run_pilot` does, with `difference` from the best and its interval), best, winners (sizes that
    cannot be told from it), crossings [{pieces, …}] of the others within the planned training, and planned_seconds.
    Raises LilmError when a stage is not done, or the sizes or the time are none.
    """
    from lilm.train.tokenizer.report.sizes_page import sizes_page

    require_done(run_dir, NEEDED)
    _check(recipe, sizes, minutes, steps)
    out_dir = out_dir or run_dir / RESULT.parent
    languages = (recipe.language, recipe.base_language)
    texts = {
        language: passages(found)
        for language, found in heldout_texts(run_dir / "corpus", languages, recipe.pretrain.eval_bytes).items()
    }
    pilots: list[dict[str, Any]] = []
    wanted = sorted(set(sizes))
    seconds = 0.0 if steps else minutes * 60
    for number, pieces in enumerate(wanted, 1):
        reporter.say(f"pilot {number} of {len(wanted)}: {pieces:,} pieces")
        trial = Trial(run_dir, recipe, texts, seconds, steps, reporter)
        pilot = _kept(trial, pieces, out_dir / RESULT.stem)
        if any(pilot["vocab_size"] == other["vocab_size"] for other in pilots):
            reporter.say(f"  the text has no more to give than {pilot['pieces_added']:,} pieces: the same as before")
            continue
        pilots.append(pilot)
        seconds = seconds or pilot["seconds_wanted"]  # as long as the first
        reporter.say("  " + _spoken(pilot, languages))
    found = {
        "languages": list(languages),
        "seconds": seconds,
        "inputs": _inputs(run_dir),
        **_judged(pilots, texts[recipe.language], recipe),
    }
    out_dir.mkdir(parents=True, exist_ok=True)
    write_json(out_dir / RESULT.name, found)
    write_atomic(out_dir / f"{RESULT.stem}.html", sizes_page(found))
    reporter.say(choice_line(found, recipe.tokenizer.pieces))
    return found


def _check(recipe: Recipe, sizes: Sequence[int], minutes: float, steps: int) -> None:
    if not sizes or min(sizes) < 0:
        raise LilmError(f"sizes {list(sizes)}", where="--sizes", remedy="give numbers of pieces, like 0,2000,8000")
    if steps < 0 or (not steps and minutes <= 0):
        raise LilmError(f"{minutes:g} minutes, {steps} steps", where="--minutes", remedy="give some time to compute")
    if not recipe.pretrain.stage2.steps:
        raise LilmError("no step to train", where="pretrain.stage2.steps", remedy="set it to what you plan")
    if recipe.pretrain.lora.path:
        raise LilmError("an adapter fits one vocabulary only", where="pretrain.lora.path", remedy="leave it out")


def _inputs(run_dir: Path) -> dict[str, str]:
    """Hashes of what the pilots read, by stage."""
    manifests = {name: read_manifest(run_dir / name) for name in NEEDED}
    return {name: manifest.digest for name, manifest in manifests.items() if manifest is not None}


def _kept(trial: Trial, pieces: int, folder: Path) -> dict[str, Any]:
    """The pilot of `pieces` that lies in `folder`, or else a new one, which is put there."""
    recipe = trial.recipe
    config = recipe.model_dump(
        mode="json", include={"language", "base_language", "seed", "threads", "pack", "pretrain"}
    )
    tokenizer = recipe.tokenizer.model_dump(mode="json", exclude={"pieces"})
    key = sha256_json(
        {
            "inputs": _inputs(trial.run_dir),
            "recipe": {**config, "tokenizer": tokenizer},
            "seconds": 0 if trial.steps else trial.seconds,
            "steps": trial.steps,
            "pieces": pieces,
        }
    )
    path = folder / f"{pieces}-{key[:12]}.json"
    if path.is_file():
        trial.reporter.say("  done before")
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return kept
    pilot = run_pilot(trial, pieces, trial.run_dir / WORK / f"compare-sizes-{pieces}")
    folder.mkdir(parents=True, exist_ok=True)
    write_json(path, pilot)
    return pilot


def _judged(pilots: Sequence[dict[str, Any]], texts: Sequence[str], recipe: Recipe) -> dict[str, Any]:
    """Which is best, which cannot be told from it, and what may still change."""
    key = BITS + recipe.language
    best = min(pilots, key=lambda pilot: pilot[key])
    nats = {pilot["pieces"]: pilot["nats"][recipe.language] for pilot in pilots}
    apart = differences(nats, texts, best["pieces"], recipe.seed)
    nearest = min(pilots, key=lambda pilot: abs(pilot["pieces"] - recipe.tokenizer.pieces))
    until = nearest["planned_seconds"]
    return {
        "pilots": [
            {name: value for name, value in {**pilot, "difference": apart[pilot["pieces"]]}.items() if name != "nats"}
            for pilot in pilots
        ],
        "best": best["pieces"],
        "winners": [pieces for pieces, difference in apart.items() if difference["interval"][0] <= 0],
        "planned_seconds": until,
        "crossings": [
            {
                "pieces": pilot["pieces"],
                **crossing(_points(best, key), _points(pilot, key), until, recipe.seed).as_json(),
            }
            for pilot in pilots
            if pilot is not best
        ],
    }


def _points(pilot: Mapping[str, Any], key: str) -> list[tuple[float, float]]:
    """Returns the points of stage 2, where the whole model learns."""
    return [(entry["seconds"], entry[key]) for entry in pilot["curve"] if entry["stage"] == 2]


def _spoken(pilot: Mapping[str, Any], languages: Sequence[str]) -> str:
    figures = ", ".join(f"{language} {pilot[BITS + language]:.3f}" for language in languages)
    return (
        f"{figures} bits per byte after {clock(pilot['seconds'])} ({sum(pilot['steps']):,} steps); "
        f"{pilot['chars_per_token'][languages[0]]:.2f} characters a token, {size(pilot['mb']['Q4_0'] * 1e6)} in Q4_0"
    )
