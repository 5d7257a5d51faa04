"""One of the processes that `launch` starts, by way of torchrun or DeepSpeed's launcher: `worker.py SPEC`."""

import json
import os
import sys
import threading
import time
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

from lilm.pipeline.hashing import write_json

PATIENCE = 60.0  # seconds without a sign of the launcher: disks shared by network show changes late
WATCH_SECONDS = 0.5


def main() -> None:
    spec_path = Path(sys.argv[-1])
    folder, rank = spec_path.parent, int(os.environ["RANK"])
    log = (folder / f"rank-{rank}.log").open("ab", buffering=0)
    os.dup2(log.fileno(), 1)
    os.dup2(log.fileno(), 2)
    threading.Thread(target=_end_with_launcher, args=(folder / "alive",), daemon=True).start()
    from torch.distributed.elastic.multiprocessing.errors import record

    os.environ["TORCHELASTIC_ERROR_FILE"] = str(folder / f"error-{rank}.json")  # DeepSpeed's launcher names none
    status = 0
    try:
        record(_work)(json.loads(spec_path.read_text(encoding="utf-8")), folder, rank)
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # without the destructors of the process group, which wait for processes that may be gone


def _work(spec: dict[str, Any], folder: Path, rank: int) -> None:
    import torch
    from torch import distributed

    from lilm.pipeline.stage import Context, stage_named
    from lilm.recipe import Recipe
    from lilm.train.trainer.rank import barrier
    from lilm.train.trainer.relay import RelayReporter

    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    neighbours = int(os.environ.get("LOCAL_WORLD_SIZE") or os.environ.get("LOCAL_SIZE") or 1)
    # only the first speaks; what the others say would be the same
    reporter = RelayReporter(folder / "progress.jsonl" if rank == 0 else Path(os.devnull))
    whole = Context(**spec["context"], reporter=reporter)
    context = replace(whole, threads=max(1, whole.threads // neighbours))
    section: Any = Recipe.model_fields[spec["stage"]].annotation
    inputs = {name: Path(path) for name, path in spec["inputs"].items()}
    run = stage_named(spec["stage"]).load().run
    artifact = run(section.model_validate(spec["config"]), inputs, Path(spec["out_dir"]), context)
    barrier()
    if rank == 0:
        write_json(
            folder / "artifact.json", {"measurements": artifact.measurements, "volatile": list(artifact.volatile)}
        )


def _end_with_launcher(alive: Path) -> None:
    """A process whose launcher was killed would train on unseen, beside those that the next try starts."""
    last, changed = "", time.monotonic()
    while time.monotonic() - changed < PATIENCE:
        time.sleep(WATCH_SECONDS)
        try:
            found = alive.read_text(encoding="utf-8")
        except FileNotFoundError:
            break
        if found != last:
            last, changed = found, time.monotonic()
    os._exit(1)


if __name__ == "__main__":
    main()
